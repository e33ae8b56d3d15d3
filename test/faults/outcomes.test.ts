// What the log says of a call whose caller did not wait for its end, or whose service answered out of turn: failure where
// nothing had left, unknown where it may have, success where a whole answer came; and why.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { bytesOf, type Faults, type Form, startFaults } from '#test/support/faults.ts';
import { rpc } from '#test/support/mcp.ts';
import { type Raw, rawClient } from '#test/support/path-form.ts';
import { answering, type Script } from '#test/support/raw-upstream.ts';
import { askLocally, type Json } from '#test/support/requests.ts';
import { type Stalling, startStalling } from '#test/support/stalling.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const WHOLE = `${OK}Content-Length: 2\r\n\r\nok`;
const MEGABYTE = 1_000_000;
const FORMS = ['envelope', 'path', 'mcp'] as const;

/** Streams before the request was read, and reads nothing of it. */
const answersBlind: Script = (socket) => {
  socket.write(WHOLE);
  socket.pause();
};
const answersEarly: Script = (socket) => void socket.write(WHOLE);
const slow: Script = (socket) => void setTimeout(() => socket.write(WHOLE), 600);

let faults: Faults;
let stalling: Stalling;

before(async () => {
  stalling = await startStalling();
  const stops = answering(`${OK}Content-Length: 1000\r\n\r\nhalf`);
  faults = await startFaults({
    scripts: { silent: () => undefined, stops, slow, early: answersEarly, blind: answersBlind },
    limits: 'call_timeout: 4s',
    places: { stalls: stalling.place },
  });
});

after(async () => {
  await faults?.dispose();
  stalling?.close();
});

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** The call is on its way and waits: at the service, or for the service's handshake. */
async function begin(form: Form, path: string, service = 'bad'): Promise<Raw> {
  const client = rawClient(faults.appliance);
  client.write(bytesOf(form, faults.appliance, { path, service }));
  while (service === 'bad' && !faults.bad.requests.some((text) => text.startsWith(`GET ${path} `)))
    await wait(10);
  for (let known = ''; !known.includes(`"${path}"`); known = await log()) await wait(10);
  await wait(150);
  return client;
}

const log = async (): Promise<string> => (await askLocally(faults.appliance, '/v1/audit?limit=100')).text;

async function said(path: string, fields: readonly unknown[], reason: RegExp): Promise<Json> {
  const entry = await faults.outcome(path);
  assert.deepEqual([entry['outcome'], entry['status'], entry['error_code']], fields, JSON.stringify(entry));
  assert.match(String((entry['detail'] as Json)['reason']), reason);
  return entry;
}

describe('a caller that goes away', { concurrency: 8 }, () => {
  const gone = /^the caller went away$/;
  for (const form of FORMS) {
    it(`while the service is being reached, by ${form}: nothing had left`, async () => {
      const path = `/dial/${form}`;
      (await begin(form, path, 'stalls')).socket.destroy();
      await said(path, ['failure', null, 'UPSTREAM_UNREACHABLE'], gone);
    });
    it(`before the answer, by ${form}: the call may have had its effect`, async () => {
      const path = `/silent/${form}`;
      (await begin(form, path)).socket.destroy();
      await said(path, ['unknown', null, 'UPSTREAM_UNREACHABLE'], gone);
    });
    it(`in the middle of the answer, by ${form}: its status is known, its effect is not`, async () => {
      const path = `/stops/${form}`;
      (await begin(form, path)).socket.destroy();
      await said(path, ['unknown', 200, 'UPSTREAM_UNREACHABLE'], gone);
    });
    it(`and the service sees its connection close, by ${form}`, async () => {
      const client = await begin(form, `/silent/closed-${form}`);
      const before = faults.bad.open();
      client.socket.destroy();
      const end = performance.now() + 2_000;
      while (faults.bad.open() >= before && performance.now() < end) await wait(10);
      assert.ok(faults.bad.open() < before);
    });
  }

  it('in the middle of its own body, by path: what had left may have had its effect', async () => {
    const body = 'x'.repeat(1_000);
    const whole = bytesOf('path', faults.appliance, { path: '/silent/upload', method: 'POST', body });
    const client = rawClient(faults.appliance);
    client.write(whole.slice(0, -400));
    while (!faults.bad.requests.some((text) => text.startsWith('POST /silent/upload'))) await wait(10);
    client.socket.destroy();
    const entry = await said('/silent/upload', ['unknown', null, 'UPSTREAM_UNREACHABLE'], /caller/);
    assert.equal(entry['request_hash'], null, 'of a body that was not whole');
  });

  for (const form of ['envelope', 'mcp'] as const) {
    it(`in the middle of its envelope, by ${form}: there was no call`, async () => {
      const path = `/silent/no-call-${form}`;
      const client = rawClient(faults.appliance);
      client.write(bytesOf(form, faults.appliance, { path }).slice(0, -5));
      await wait(200);
      client.socket.destroy();
      await wait(200);
      assert.ok(!(await log()).includes(path));
      assert.ok(!faults.bad.requests.some((request) => request.includes(path)));
    });
  }
});

describe('a cancellation by MCP', () => {
  for (const era of ['2025-06-18', '2026-07-28']) {
    it(`${era}: cancels nothing of another request, and the outcome is that of the whole answer`, async () => {
      const path = `/slow/cancelled-${era}`;
      const headers = { 'x-stack-agent': 'clerk', 'mcp-protocol-version': era };
      const call = rpc(faults.appliance, {
        method: 'tools/call',
        params: { name: 'stack_proxy_request', arguments: { service: 'bad', method: 'GET', path } },
        headers: { 'x-stack-agent': 'clerk' },
      });
      await wait(200);
      // Requests of a stateless endpoint have no name that another request could know; a client hangs up instead.
      const notification = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };
      const answer = await fetch(faults.appliance.mcpUrl, {
        method: 'POST',
        headers: {
          ...headers,
          authorization: `Bearer ${faults.appliance.apiKey}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(notification),
      });
      assert.ok(answer.status === 202 || answer.status === 400, `${answer.status} ${await answer.text()}`);
      assert.equal((await call).result?.['isError'], undefined);
      const entry = await faults.outcome(path);
      assert.deepEqual([entry['outcome'], entry['status']], ['success', 200]);
    });
  }
});

describe('a service that answers before it has read the request', () => {
  it('by path: the answer is shown and is a success, and the log says how much of the body had left', async () => {
    const body = 'x'.repeat(4 * MEGABYTE);
    const seen = await faults.call('path', '/early/path', { method: 'POST', body });
    assert.deepEqual([seen.code, seen.status], ['OK', 200], seen.text.slice(0, 300));
    const entry = await faults.outcome('/early/path');
    assert.deepEqual([entry['outcome'], entry['status']], ['success', 200]);
    const left = Number(entry['bytes_out']);
    assert.ok(left > 0 && left <= body.length, `${left}`);
    assert.equal(entry['request_hash'] === null, left < body.length, 'a hash is of a whole body only');
  });

  for (const form of FORMS) {
    it(`and reads nothing of it, by ${form}: the next call does not wait behind what was left unread`, async () => {
      const body = 'x'.repeat(8 * MEGABYTE);
      const seen = await faults.call(form, `/blind/${form}`, { method: 'POST', body });
      assert.deepEqual([seen.code, seen.status], ['OK', 200], seen.text.slice(0, 300));
      assert.equal((await faults.outcome(`/blind/${form}`))['outcome'], 'success');
      const began = performance.now();
      for (let nth = 0; nth < 4; nth += 1) {
        const next = await faults.call('envelope', `/early/after-${form}-${nth}`);
        assert.deepEqual([next.code, next.status], ['OK', 200], next.text);
      }
      assert.ok(performance.now() - began < 3_000);
    });
  }
});
