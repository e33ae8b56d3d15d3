// `GET /metrics` of a running appliance: read strictly, counted against what was done, and with nobody's text in it.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent } from '#test/support/canary.ts';
import { type Exposition, readExposition } from '#test/support/exposition.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const SECRET = 'canary-41c7e0b92fd85a36';
/** What an agent can write somewhere; none of it may become a label. */
const AGENT_TEXT = 'agent-text-9d20f3';
const SLOW_MS = 120;
const MS_PER_SECOND = 1_000;

let upstream: Server;
let appliance: Appliance;
let answered = 0;
let token = '';

const proxy = (call: Json, headers: Record<string, string> = {}) =>
  ask(appliance, '/v1/proxy', {
    headers: { 'x-stack-agent': 'clerk', ...headers },
    body: { service: 'billing', method: 'GET', path: '/invoices/1', ...call },
  });

async function scrape(): Promise<Exposition & { readonly text: string }> {
  const { status, text } = await ask(appliance, '/metrics');
  assert.equal(status, 200, text);
  return { ...readExposition(text), text };
}

before(async () => {
  upstream = createServer((request, response) => {
    answered += 1;
    const status = request.url?.includes('/missing') ? 404 : 200;
    setTimeout(() => response.writeHead(status).end('{}'), request.url?.includes('/slow') ? SLOW_MS : 0);
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: `
  billing:
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: KEY }
    actions: { "billing:invoices:read": [ "GET /invoices/*" ] }
  dark:
    base_url: http://127.0.0.1:1
    network: loopback
    actions: { "dark:things:read": [ "GET /**" ] }`,
    agents: '  clerk: { services: { billing: [ "billing:*" ], dark: [ "dark:*" ] } }',
    env: { KEY: SECRET },
  });
});
after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

describe('before anything was done', () => {
  it('is in the format of Prometheus, with everything of the process that dashboards know', async () => {
    const { headers } = await ask(appliance, '/metrics');
    assert.equal(headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(headers.get('cache-control'), 'no-store');
    const { value, types } = await scrape();
    for (const name of [
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
      'process_open_fds',
      'nodejs_eventloop_lag_p99_seconds',
    ])
      assert.ok((value(name) ?? -1) >= 0, name);
    assert.equal(value('stack_build_info'), 1);
    assert.equal(value('stack_config_loads_total', { outcome: 'success' }), 1);
    assert.equal(value('stack_config_loads_total', { outcome: 'failure' }), 0);
    const loaded = value('stack_config_last_load_success_timestamp_seconds') ?? 0;
    assert.ok(Math.abs(Date.now() / MS_PER_SECOND - loaded) < 600, String(loaded));
    // The convention: a unit at the end, _total for what only grows.
    for (const [name, type] of types)
      if (name.startsWith('stack_')) assert.equal(type === 'counter', name.endsWith('_total'), name);
  });

  it('knows the head of the log, also right after a start', async () => {
    await appliance.restart();
    const chain = await askLocally(appliance, '/v1/audit/verify-chain');
    const { value } = await scrape();
    assert.ok(Number(chain.body['head_seq']) > 0);
    assert.equal(value('stack_audit_head_sequence'), chain.body['head_seq']);
  });
});

describe('who may read', () => {
  it('a key and a person; nobody without a credential, under any method', async () => {
    assert.equal((await askLocally(appliance, '/metrics')).status, 200);
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE']) {
      const sent = await ask(appliance, '/metrics', { method, headers: { authorization: '' } });
      assert.equal(sent.status, 401, method);
      assert.match(sent.headers.get('www-authenticate') ?? '', /^Bearer/);
    }
  });

  it('an agent’s passport may not', async () => {
    const issued = await ask(appliance, '/v1/passports/issue', {
      body: { agent: 'clerk', intent: { summary: AGENT_TEXT, services: ['billing'] } },
    });
    token = String(issued.body['token']);
    const refused = await ask(appliance, '/metrics', { headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual([refused.status, refused.text.includes('"FORBIDDEN"')], [403, true]);
  });

  it('another method with a key is 405, and nothing is changed by HEAD', async () => {
    const sent = await ask(appliance, '/metrics', { method: 'POST' });
    assert.deepEqual([sent.status, sent.headers.get('allow')], [405, 'GET']);
    assert.equal((await ask(appliance, '/metrics', { method: 'HEAD' })).status, 200);
  });
});

describe('what was done', () => {
  it('is counted: calls by service, action and end; verbs; refusals by code', async () => {
    const before = await scrape();
    const reached = answered;
    assert.equal((await proxy({})).body['status'], 200);
    assert.equal((await proxy({ path: '/invoices/slow' })).body['status'], 200);
    assert.equal((await proxy({ path: '/invoices/missing' })).body['status'], 404);
    assert.equal((await proxy({ method: 'DELETE' })).status, 403);
    assert.equal((await proxy({ service: AGENT_TEXT })).status, 403);
    assert.equal((await proxy({ service: 'dark', path: '/x' })).status, 502);
    assert.equal(answered - reached, 3);
    const after = await scrape();
    const grown = (name: string, labels: Record<string, string> = {}): number =>
      (after.value(name, labels) ?? 0) - (before.value(name, labels) ?? 0);
    const read = { service: 'billing', action: 'billing:invoices:read' };
    assert.equal(grown('stack_calls_total', { ...read, outcome: '2xx' }), 2);
    assert.equal(grown('stack_calls_total', { ...read, outcome: '4xx' }), 1);
    assert.equal(grown('stack_calls_total', { service: 'billing', action: 'none', outcome: 'refused' }), 1);
    assert.equal(grown('stack_calls_total', { service: 'unknown', outcome: 'refused' }), 1);
    assert.equal(grown('stack_calls_total', { service: 'dark', outcome: 'failed' }), 1);
    assert.equal(grown('stack_calls_total'), 6);
    assert.equal(
      grown('stack_operations_total', { operation: 'stack_proxy_request', outcome: 'success' }),
      3,
    );
    assert.equal(
      grown('stack_operations_total', { operation: 'stack_proxy_request', outcome: 'refused' }),
      2,
    );
    assert.equal(grown('stack_operations_total', { operation: 'stack_proxy_request', outcome: 'failed' }), 1);
    assert.equal(grown('stack_refusals_total', { code: 'ACTION_DENIED' }), 1);
    assert.equal(grown('stack_refusals_total', { code: 'UPSTREAM_UNREACHABLE' }), 1);
    assert.equal(grown('stack_call_duration_seconds_count', { service: 'billing' }), 3);
    assert.equal(grown('stack_upstream_duration_seconds_count', { service: 'billing' }), 3);
    const seconds = grown('stack_call_duration_seconds_sum', { service: 'billing' });
    const waited = grown('stack_upstream_duration_seconds_sum', { service: 'billing' });
    assert.ok(waited >= (SLOW_MS - 1) / MS_PER_SECOND && seconds >= waited, `${seconds} ${waited}`);
    assert.ok(grown('stack_audit_head_sequence') >= 10);
    assert.ok(grown('stack_writer_commit_duration_seconds_count') > 0);
    assert.equal(after.value('stack_calls_in_flight'), 0);
    assert.ok((after.value('stack_listener_connections') ?? 0) >= 1);
  });

  it('counts passports that were minted and revoked, standing ones included', async () => {
    const before = await scrape();
    const jti = String(
      (
        await ask(appliance, '/v1/passports/issue', {
          body: { agent: 'clerk', intent: { summary: 'a', services: ['billing'] } },
        })
      ).body['jti'],
    );
    assert.equal((await ask(appliance, `/v1/passports/${jti}/revoke`, { body: {} })).status, 200);
    const after = await scrape();
    const grown = (name: string): number => (after.value(name) ?? 0) - (before.value(name) ?? 0);
    assert.deepEqual([grown('stack_passports_issued_total'), grown('stack_passports_revoked_total')], [1, 1]);
  });

  it('shows the calls under way', async () => {
    const going = [1, 2, 3].map(() => proxy({ path: '/invoices/slow' }));
    let most = 0;
    for (let round = 0; most < 3 && round < 40; round += 1) {
      most = Math.max(most, (await scrape()).value('stack_calls_in_flight') ?? 0);
      if (round % 5 === 4) going.push(...[1, 2, 3].map(() => proxy({ path: '/invoices/slow' })));
    }
    await Promise.all(going);
    assert.ok(most >= 3, String(most));
    assert.equal((await scrape()).value('stack_calls_in_flight'), 0);
  });

  it('counts what the guard refuses and each answer by channel and status', async () => {
    const before = await scrape();
    await ask(appliance, '/healthz', { headers: { origin: 'http://evil.test' } });
    await ask(appliance, '/v1/services', { headers: { authorization: `Bearer sk_live_${AGENT_TEXT}` } });
    await askLocally(appliance, '/healthz');
    const after = await scrape();
    const grown = (name: string, labels: Record<string, string>): number =>
      (after.value(name, labels) ?? 0) - (before.value(name, labels) ?? 0);
    assert.equal(grown('stack_refusals_total', { code: 'ORIGIN_DENIED' }), 1);
    assert.equal(grown('stack_refusals_total', { code: 'INVALID_API_KEY' }), 1);
    assert.equal(grown('stack_http_requests_total', { channel: 'network', status: '403' }), 1);
    assert.equal(grown('stack_http_requests_total', { channel: 'network', status: '401' }), 1);
    assert.equal(grown('stack_http_requests_total', { channel: 'socket', status: '200' }), 1);
  });
});

it('invariant 2: no label and no number holds a credential, a key, a token or a word that an agent wrote', async () => {
  for (const path of [`/invoices/${AGENT_TEXT}`, `/${AGENT_TEXT}`, `/invoices/1?q=${AGENT_TEXT}`])
    await proxy({ path }, { 'x-stack-intent': AGENT_TEXT });
  await proxy({ service: AGENT_TEXT, passport: AGENT_TEXT });
  await ask(appliance, `/v1/${AGENT_TEXT}`);
  await ask(appliance, '/v1/agents/register', { body: { name: AGENT_TEXT } });
  await ask(appliance, '/v1/passports/issue', { body: { agent: AGENT_TEXT } });
  const { text, samples } = await scrape();
  assertAbsent({ metrics: text }, SECRET);
  assertAbsent({ metrics: text }, appliance.apiKey);
  assert.ok(!text.includes(AGENT_TEXT) && !text.includes(token.slice(0, 40)));
  const own = samples.filter(({ name }) => name.startsWith('stack_'));
  const labels = [...new Set(own.flatMap((one) => Object.keys(one.labels)))].sort();
  assert.deepEqual(labels, [
    'action',
    'channel',
    'code',
    'le',
    'operation',
    'outcome',
    'service',
    'status',
    'version',
  ]);
});
