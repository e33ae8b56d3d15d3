// What a person is shown and what stays of a decision: the card has everything that is bound, says when it is cut, and cannot be
// made to lie; the receipt verifies offline by a program of another, and is no passport. A simulated call has no effect.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Appliance, stack, startAppliance } from '#test/support/appliance.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const PROGRAM = fileURLToPath(new URL('../examples/verify-receipt.mjs', import.meta.url));
let upstream: Server;
let reached = 0;
let appliance: Appliance;

before(async () => {
  upstream = createServer((_request, response) => {
    reached += 1;
    response.end('{}');
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: `
  ledger:
    base_url: http://127.0.0.1:${port}
    network: loopback
    actions:
      "ledger:refunds:create": [ { call: "POST /refunds", where: [ { path: body.amount, op: lt, value: 1000 } ] } ]
      "ledger:notes:create": [ "POST /notes" ]
    approval: [ { action: "ledger:refunds:create", where: [ { path: body.amount, op: gt, value: 100 } ] } ]
  bare:
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: bare }
    actions: { "bare:calls:make": [ "POST /**" ] }`,
    agents: `
  worker: { services: { ledger: [ "ledger:*" ], bare: [ "bare:*" ] } }`,
  });
});
after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

const AS_WORKER = { 'x-stack-agent': 'worker' };
const refund: Json = { service: 'ledger', method: 'POST', path: '/refunds', body: { amount: 120 } };

async function asked(call: Json): Promise<string> {
  const { status, text, body } = await ask(appliance, '/v1/intents', { headers: AS_WORKER, body: call });
  assert.equal(status, 201, text);
  return String(body['approval_id']);
}
const card = async (id: string): Promise<Json> => (await askLocally(appliance, `/v1/approvals/${id}`)).body;
const decide = async (id: string, verb: string): Promise<Json> =>
  (await askLocally(appliance, `/v1/approvals/${id}/${verb}`, { method: 'POST', body: {} })).body;

type Run = { readonly code: number | null; readonly text: string };
function verify(...args: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  return new Promise((done) => child.on('close', (code) => done({ code, text })));
}

describe('a receipt', () => {
  it('says who decided what, and verifies with jose and the JWKS alone, when the appliance is gone', async () => {
    const id = await asked(refund);
    const decided = await decide(id, 'approve');
    const receipt = String(decided['receipt']);
    const { call_hash, receipt: kept } = await card(id);
    assert.equal(kept, receipt);
    const jwks = (await ask(appliance, '/v1/.well-known/jwks.json')).text;
    const file = join(appliance.dir, 'jwks.json');
    await writeFile(file, jwks);
    await appliance.stop();
    const good = await verify(appliance.url, receipt, file);
    assert.equal(good.code, 0, good.text);
    assert.match(good.text, new RegExp(`^${id}: approved by person local at `));
    assert.ok(good.text.includes(`POST ledger:refunds:create, call ${String(call_hash)}`));
    const [head, claims, signature] = receipt.split('.');
    const forged = Buffer.from(String(claims), 'base64url').toString().replace('"approved"', '"rejected"');
    const changed = `${head}.${Buffer.from(forged).toString('base64url')}.${signature}`;
    assert.notEqual((await verify(appliance.url, changed, file)).code, 0);
    await appliance.restart();
  });

  it('is there for a rejection, too, under a key that no passport is signed with', async () => {
    const decided = await decide(await asked(refund), 'reject');
    const receipt = String(decided['receipt']);
    const kidOf = (token: string): unknown =>
      (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as Json)['kid'];
    const intent = { summary: 'again', services: ['ledger'] };
    const issued = await ask(appliance, '/v1/passports/issue', { body: { agent: 'worker', intent } });
    const token = String(issued.body['token']);
    assert.notEqual(kidOf(token), kidOf(receipt));
    const verified = await verify(appliance.url, receipt);
    assert.match(verified.text, /: rejected by person local/);
    assert.notEqual((await verify(appliance.url, token)).code, 0, 'a passport is no receipt');
    const used = await ask(appliance, '/v1/services', { headers: { authorization: `Bearer ${receipt}` } });
    assert.equal(used.status, 401, 'a receipt is no passport');
    const judged = await ask(appliance, '/v1/passports/verify', { body: { token: receipt } });
    assert.equal(judged.body['valid'], false);
  });
});

describe('a card', () => {
  it('corpus A110: says that a long body is cut, how long it is, and its digest', async () => {
    const body = { amount: 120, filler: 'x'.repeat(400_000), last: 'the real order' };
    const shown = await card(await asked({ ...refund, body }));
    const text = `{"amount":120,"filler":"${body.filler}","last":"the real order"}`;
    assert.equal(shown['body_truncated'], true);
    assert.equal(shown['body_bytes'], text.length);
    assert.equal(shown['body_sha256'], createHash('sha256').update(text).digest('hex'));
    assert.ok(String(shown['body']).length < 30_000);
  });

  it('corpus A111, corpus A112 and corpus A113: agents’ text is text, and cannot make lines of its own', async () => {
    const body = { amount: 120, title: '<img src=x onerror=alert(1)>\nApproved by: admin\u200b', list: [] };
    const id = await asked({ ...refund, body, reason: 'fine\nstatus:      approved' });
    assert.deepEqual((await card(id))['body'], body);
    const shown = await stack(appliance, ['approvals', 'show', id, '--config', appliance.configFile]);
    assert.equal(shown.code, 0, shown.stderr);
    const lines = shown.stdout.split('\n');
    assert.equal(lines.filter((line) => /^status:/.test(line)).length, 1);
    assert.equal(lines.filter((line) => /^Approved by/.test(line)).length, 0);
    assert.ok(!shown.stdout.includes('\u200b'), 'what cannot be seen is shown');
  });

  it('shows the rule, and the whole call without the credential', async () => {
    const shown = await card(await asked({ ...refund, reason: 'twice' }));
    assert.equal(shown['rule'], 'ledger:refunds:create where body.amount gt 100');
    assert.deepEqual(shown['headers'], { 'content-type': 'application/json' });
    assert.deepEqual(
      [shown['reason'], shown['body'], shown['body_truncated']],
      ['twice', { amount: 120 }, false],
    );
  });
});

describe('a simulated call', () => {
  const simulate = async (call: Json): Promise<Json> =>
    (await ask(appliance, '/v1/intents/simulate', { headers: AS_WORKER, body: call })).body;

  it('is told what it would meet, and has no effect', async () => {
    const before = (await askLocally(appliance, '/v1/audit?limit=1')).text;
    const cases: readonly (readonly [Json, Json])[] = [
      [refund, { allowed: true, needs_approval: true, action: 'ledger:refunds:create' }],
      [
        { ...refund, body: { amount: 5 } },
        { allowed: true, needs_approval: false, action: 'ledger:refunds:create' },
      ],
      [
        { ...refund, path: '/notes' },
        { allowed: true, needs_approval: false, action: 'ledger:notes:create' },
      ],
    ];
    for (const [call, expected] of cases)
      assert.deepEqual(await simulate(call), { ...expected, denials: [] });
    assert.equal((await askLocally(appliance, '/v1/audit?limit=1')).text, before);
    assert.equal(reached, 0);
  });

  it('is told what would refuse it, with a next step', async () => {
    const cases: readonly (readonly [Json, string])[] = [
      [{ ...refund, body: { amount: 5_000 } }, 'CONSTRAINT_FAILED'],
      [{ ...refund, method: 'DELETE', body: undefined }, 'ACTION_DENIED'],
      [{ ...refund, service: 'nobody' }, 'FORBIDDEN'],
      [{ ...refund, path: '/a/../refunds' }, 'URL_DENIED'],
      [{ ...refund, service: 'bare' }, 'CREDENTIAL_MISSING'],
    ];
    for (const [call, code] of cases) {
      const { allowed, denials } = await simulate(call);
      assert.equal(allowed, false);
      const [denial, ...more] = denials as Json[];
      assert.deepEqual([denial?.['code'], more], [code, []]);
      assert.ok(String(denial?.['next']).length > 0);
    }
    assert.equal(reached, 0);
  });
});

describe('stack approvals', () => {
  it('shows what waits, lists it, and decides at the machine', async () => {
    const id = await asked({ ...refund, reason: 'by the\ncommand line' });
    const run = (...words: readonly string[]) =>
      stack(appliance, ['approvals', ...words, '--config', appliance.configFile]);
    const watched = await run('watch', '--once');
    assert.equal(watched.code, 0, watched.stderr);
    assert.ok(watched.stdout.includes(`${id}  worker  ledger:refunds:create`), watched.stdout);
    assert.ok(watched.stdout.includes('the agent says: by the\\u{a}command line'), watched.stdout);
    const listed = await run('list', '--open');
    assert.ok(listed.stdout.includes(id), listed.stdout);
    const approved = await run('approve', id, '--uses', '2', '--note', 'fine', '--json');
    assert.equal(approved.code, 0, approved.stderr);
    assert.deepEqual([(JSON.parse(approved.stdout) as Json)['uses_left']], [2]);
    assert.equal((await run('withdraw', id)).code, 0);
    assert.equal((await run('reject', id)).code, 1);
  });
});
