// One call through the running appliance, refused at each step of the line in turn: what the caller is told, that
// nothing reached the service, and what the log says of it.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const SECRET = 'canary-91d0c4e7aa5b4f33';
let upstream: Server;
let appliance: Appliance;
const reached: { method: string; url: string; key: string | undefined }[] = [];

const services = (port: number) => `
  billing:
    base_url: http://127.0.0.1:${port}/v1
    network: loopback
    inject: { header: X-Api-Key, value: "{secret}" }
    secret: { env: BILLING_KEY }
    headers: { allow: [ x-request-id ] }
    actions:
      billing:invoices:read: [ "GET /invoices/**" ]
      billing:invoices:delete: [ "DELETE /invoices/*" ]
      billing:echo:read: [ "GET /echo", "GET /moved" ]
      billing:refunds:create:
        - { call: "POST /refunds", where: [ { path: body.amount, op: lte, value: 5000 } ] }
    approval: [ { action: billing:refunds:create, where: [ { path: body.amount, op: gt, value: 100 } ] } ]
  bare:
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: bare }
    actions: { "bare:all:read": [ "GET /**" ] }`;

const agents = `
  clerk:
    services:
      billing: [ "billing:invoices:read", "billing:echo:read", "billing:refunds:*" ]
      bare: [ "bare:*" ]`;

before(async () => {
  upstream = createServer((request, response) => {
    const key = request.headers['x-api-key'] as string | undefined;
    reached.push({ method: request.method ?? '', url: request.url ?? '', key });
    if (request.url?.startsWith('/v1/echo')) response.setHeader(`x-${key}`, '1');
    if (request.url === '/v1/moved')
      response.writeHead(302, { location: `https://elsewhere.test/?k=${key}` });
    response.end(JSON.stringify({ saw: request.url, key, again: encodeURIComponent(key ?? '') }));
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({ services: services(port), agents, env: { BILLING_KEY: SECRET } });
});

after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

const call = (body: Json) =>
  ask(appliance, '/v1/proxy', {
    headers: { 'x-stack-agent': 'clerk' },
    body: { service: 'billing', ...body },
  });

async function lastEntry(): Promise<Json> {
  const log = await askLocally(appliance, '/v1/audit?limit=1');
  return (log.body['entries'] as Json[])[0] ?? {};
}

/** Outcome and intent; the answer does not wait for the outcome, so the log may come a moment later. */
async function lastCall(): Promise<Json[]> {
  for (;;) {
    const log = await askLocally(appliance, '/v1/audit?limit=2');
    const entries = log.body['entries'] as Json[];
    if (entries[0]?.['outcome'] !== 'pending') return entries;
  }
}

type Case = {
  readonly name: string;
  readonly call: Json;
  readonly status: number;
  readonly code: string;
  readonly entry?: Json;
};

const REFUSED: readonly Case[] = [
  {
    name: 'a service that the passport does not hold',
    call: { service: 'payroll', method: 'GET', path: '/x' },
    status: 403,
    code: 'FORBIDDEN',
    entry: { service: 'payroll', host: null, path: null },
  },
  {
    name: 'a URL on another host',
    call: { method: 'GET', url: 'https://evil.test/v1/invoices/1' },
    status: 403,
    code: 'URL_DENIED',
    entry: { host: null },
  },
  {
    name: 'a URL above the prefix',
    call: { method: 'GET', path: '/invoices/../../admin' },
    status: 403,
    code: 'URL_DENIED',
  },
  {
    name: 'a credential header',
    call: { method: 'GET', path: '/invoices/1', headers: { Authorization: 'Bearer mine' } },
    status: 403,
    code: 'HEADER_DENIED',
    entry: { host: '127.0.0.1', path: '/v1/invoices/1' },
  },
  {
    name: 'an action that is not granted',
    call: { method: 'DELETE', path: '/invoices/7' },
    status: 403,
    code: 'ACTION_DENIED',
    entry: { host: '127.0.0.1', path: '/v1/invoices/7', service_action: null },
  },
  {
    name: 'a call that breaks a condition of its action',
    call: { method: 'POST', path: '/refunds', body: { amount: 5001 } },
    status: 403,
    code: 'CONSTRAINT_FAILED',
    entry: { path: '/v1/refunds' },
  },
  {
    name: 'a call that a person must approve',
    call: { method: 'POST', path: '/refunds', body: { amount: 101 } },
    status: 403,
    code: 'APPROVAL_GATE_DENIED',
    entry: { service_action: 'billing:refunds:create', path: '/v1/refunds' },
  },
  {
    name: 'an approval that nobody gave',
    call: { method: 'GET', path: '/invoices/7', approval_id: 'apr_none' },
    status: 403,
    code: 'APPROVAL_GATE_DENIED',
  },
  {
    name: 'a service whose credential is not set',
    call: { service: 'bare', method: 'GET', path: '/x' },
    status: 424,
    code: 'CREDENTIAL_MISSING',
    entry: { service: 'bare', service_action: 'bare:all:read' },
  },
];

describe('a call that is refused', () => {
  for (const { name, call: given, status, code, entry } of REFUSED) {
    it(`${code}: ${name}`, async () => {
      const before = reached.length;
      const answer = await call(given);
      const error = answer.body['error'] as Json;
      assert.deepEqual([answer.status, error?.['code']], [status, code], answer.text);
      assert.ok(String(error['next']).length > 0, 'every refusal names a next step');
      assert.equal(reached.length, before, 'the service was reached');
      const last = await lastEntry();
      const shown = { outcome: 'blocked', action: 'credential.proxy', error_code: code, ...entry };
      for (const [field, value] of Object.entries(shown)) assert.equal(last[field], value, field);
      assert.equal(typeof last['agent_id'], 'string');
    });
  }
});

describe('a call that is allowed', () => {
  it('carries the credential to the service and not to the caller, in no form', async () => {
    const answer = await call({ method: 'GET', path: '/echo', query: { q: 'a b' } });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(reached.at(-1), { method: 'GET', url: '/v1/echo?q=a%20b', key: SECRET });
    assert.ok(!answer.text.includes(SECRET) && answer.text.includes('[redacted:'), answer.text);
  });

  it('hands a redirect back and does not follow it', async () => {
    const before = reached.length;
    const answer = await call({ method: 'GET', path: '/moved' });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body['status'], 302);
    assert.equal(reached.length, before + 1);
    assert.ok(!answer.text.includes(SECRET));
  });

  it('writes an intent and an outcome that refers to it', async () => {
    const answer = await call({ method: 'POST', path: '/refunds', body: { amount: 100 } });
    assert.equal(answer.status, 200, answer.text);
    const [outcome, intent] = await lastCall();
    assert.equal(intent?.['outcome'], 'pending');
    assert.equal(outcome?.['outcome'], 'success');
    assert.equal(outcome?.['refers_to'], intent?.['entry_id']);
    assert.equal(outcome?.['service_action'], 'billing:refunds:create');
    assert.ok(!JSON.stringify([outcome, intent]).includes(SECRET));
  });
});

describe('a credential that is not stored yet', () => {
  it('is said at the start, with the name of its service', () => {
    assert.match(appliance.logs(), /"service":"bare","reason":"no secret bare is stored"/);
  });
});

describe('a credential that is no bearer token', () => {
  it('is refused and stands in the log', async () => {
    const answer = await ask(appliance, '/v1/services', { headers: { authorization: 'Basic dTpw' } });
    assert.equal(answer.status, 401);
    const last = await lastEntry();
    assert.deepEqual([last['action'], last['outcome']], ['auth.refuse', 'blocked']);
    assert.ok(!JSON.stringify(last).includes('dTpw'));
  });
});
