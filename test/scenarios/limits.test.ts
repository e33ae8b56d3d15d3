// Limits of an agent and fairness between agents, from outside: exactly as many calls as the file says, a wait that is
// true, a log that a flood does not fill, and others who go on with their work.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { rpc } from '#test/support/mcp.ts';
import { type Answer, ask, askLocally, type Json } from '#test/support/requests.ts';

/** Nothing is answered below /held until it is let go. */
const held: ServerResponse[] = [];
let reached = 0;
let upstream: Server;
let appliance: Appliance;

before(async () => {
  upstream = createServer((request, response) => {
    reached += 1;
    if (request.url?.startsWith('/held') === true) held.push(response);
    else response.end('{}');
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  const grants = 'services: { ledger: [ "ledger:calls:read" ] }';
  appliance = await startAppliance({
    services: `
  ledger:
    base_url: http://127.0.0.1:${port}
    network: loopback
    actions: { "ledger:calls:read": [ "GET /**" ] }`,
    agents: `
  hundred: { ${grants}, limits: { calls_per_minute: 100 } }
  single: { ${grants}, limits: { concurrency: 1 } }
  daily: { ${grants}, limits: { calls_per_day: 3 } }
  reloaded: { ${grants}, limits: { calls_per_minute: 5 } }
  budgeted: { ${grants}, limits: { calls_per_mission: 3 } }
  polite: { ${grants} }
  flood: { ${grants} }
  "*": { ${grants}, limits: { calls_per_minute: 2 } }`,
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

const call = (agent: string, path = '/x', headers: Record<string, string> = {}): Promise<Answer> =>
  ask(appliance, '/v1/proxy', {
    headers: { 'x-stack-agent': agent, ...headers },
    body: { service: 'ledger', method: 'GET', path },
  });
const errorOf = ({ body }: Answer): Json => body['error'] as Json;
const metadataOf = (answer: Answer): Json => errorOf(answer)['metadata'] as Json;

/** Newest first. */
async function denials(agentId: unknown): Promise<Json[]> {
  const found: Json[] = [];
  for (let cursor: unknown = ''; cursor !== null; ) {
    const from = cursor === '' ? '' : `&cursor=${String(cursor)}`;
    const { body } = await askLocally(appliance, `/v1/audit?limit=100&agent_id=${String(agentId)}${from}`);
    found.push(...(body['entries'] as Json[]));
    cursor = body['next_cursor'] ?? null;
  }
  return found.filter((entry) => entry['error_code'] === 'RATE_LIMITED');
}
const idOf = async (agent: string): Promise<unknown> =>
  (await askLocally(appliance, `/v1/agents/${agent}`)).body['id'];

describe('limits of an agent', () => {
  it('race R021: of 500 calls at once exactly 100 pass, the others are told when to come again', async () => {
    const before = reached;
    const answers = await Promise.all(Array.from({ length: 500 }, () => call('hundred')));
    const refused = answers.filter(({ status }) => status === 429);
    assert.equal(answers.filter(({ status }) => status === 200).length, 100);
    assert.equal(refused.length, 400);
    assert.equal(reached - before, 100);
    const one = await call('hundred');
    assert.equal(one.status, 429);
    const { limit, value, retry_after_seconds: wait } = metadataOf(one);
    assert.deepEqual([limit, value], ['calls_per_minute', 100]);
    assert.ok(Number(wait) > 30 && Number(wait) <= 60, String(wait));
    assert.equal(one.headers.get('retry-after'), String(wait));
    assert.match(String(errorOf(one)['next']), /100 calls a minute/);
  });

  it('invariant 12: leaves one entry of a flood, and the count of the rest when its minute is over', async () => {
    const id = await idOf('hundred');
    const before = await denials(id);
    // Two limits were hit: the places of one agent, and its calls of a minute.
    assert.ok(before.length >= 1 && before.length <= 2, `${before.length} entries of 401 refusals`);
    assert.equal(before[0]?.['outcome'], 'blocked');
    await appliance.restart();
    const after = await denials(id);
    const repeated = after.map((entry) => Number((entry['detail'] as Json)['repeated'] ?? 0));
    const total = repeated.reduce((sum, times) => sum + 1 + times, 0);
    assert.equal(
      total,
      401,
      'each entry stands for itself and for those it counts; none is forgotten at the end',
    );
    const chain = await askLocally(appliance, '/v1/audit/verify-chain');
    assert.equal(chain.body['valid'], true, chain.text);
  });

  it('counts calls under way, and lets the next one in when one has ended', async () => {
    const open = call('single', '/held/1');
    while (held.length === 0) await new Promise((done) => setTimeout(done, 5));
    const second = await call('single');
    assert.equal(second.status, 429);
    assert.deepEqual(metadataOf(second), { limit: 'concurrency', value: 1, retry_after_seconds: 1 });
    held.pop()?.end('{}');
    assert.equal((await open).status, 200);
    assert.equal((await call('single')).status, 200);
  });

  it('counts the calls of the day on from the log after a restart, also after a kill', async () => {
    assert.deepEqual([(await call('daily')).status, (await call('daily')).status], [200, 200]);
    await appliance.kill9();
    await appliance.restart();
    // Together, as the first ones after a start: the log is read once for both.
    const statuses = (await Promise.all([call('daily'), call('daily')])).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [200, 429]);
    const over = await call('daily');
    assert.equal(metadataOf(over)['limit'], 'calls_per_day');
    const midnight = 86_400 - ((Date.now() / 1_000) % 86_400);
    assert.ok(Math.abs(Number(over.headers.get('retry-after')) - midnight) < 5, over.text);
  });

  it('holds a mission to its budget, over a restart and a refresh, and each mission to its own', async () => {
    const intent = { summary: 'count', services: ['ledger'] };
    const start = async (): Promise<Json> =>
      (await ask(appliance, '/v1/passports/issue', { body: { agent: 'budgeted', intent } })).body;
    const under = (token: unknown): Promise<Answer> =>
      call('budgeted', '/x', { 'x-stack-agent': '', 'x-passport-token': String(token) });
    const first = await start();
    assert.deepEqual(
      [(await under(first['token'])).status, (await under(first['token'])).status],
      [200, 200],
    );
    await appliance.kill9();
    await appliance.restart();
    const refreshed = await ask(appliance, '/v1/passports/refresh', { body: { token: first['token'] } });
    const { token } = refreshed.body;
    const statuses = (await Promise.all([1, 2, 3].map(() => under(token)))).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [200, 429, 429]);
    const over = await under(token);
    assert.deepEqual([metadataOf(over)['limit'], metadataOf(over)['value']], ['calls_per_mission', 3]);
    assert.ok(Number(over.headers.get('retry-after')) > 3_600, 'until the mission is over');
    assert.equal((await under((await start())['token'])).status, 200);
  });

  it('counts what an agent hands on against its budget, too, over a restart', async () => {
    const intent = { summary: 'count', services: ['ledger'] };
    const under = (token: unknown): Promise<Answer> =>
      call('', '/x', { 'x-stack-agent': '', authorization: `Bearer ${token}` });
    const delegate = async (parent: unknown, agent: string): Promise<unknown> => {
      const body = { parent_token: parent, child_agent_id: agent, intent };
      return (await ask(appliance, '/v1/passports/delegate', { body })).body['token'];
    };
    const first = (await ask(appliance, '/v1/passports/issue', { body: { agent: 'budgeted', intent } })).body;
    const child = await delegate(first['token'], 'polite');
    const back = await delegate(await delegate(child, 'budgeted'), 'flood');
    assert.deepEqual([(await under(child)).status, (await under(back)).status], [200, 200]);
    await appliance.kill9();
    await appliance.restart();
    const statuses = (await Promise.all([child, back, first['token']].map(under))).map(
      ({ status }) => status,
    );
    assert.deepEqual(statuses.sort(), [200, 429, 429]);
    assert.equal(metadataOf(await under(child))['limit'], 'calls_per_mission');
    const other = (await ask(appliance, '/v1/passports/issue', { body: { agent: 'polite', intent } })).body;
    for (let at = 0; at < 4; at += 1) assert.equal((await under(other['token'])).status, 200);
  });

  it('does not count a call that was refused for another reason', async () => {
    for (let at = 0; at < 4; at += 1) {
      const denied = await ask(appliance, '/v1/proxy', {
        headers: { 'x-stack-agent': 'reloaded' },
        body: { service: 'ledger', method: 'POST', path: '/x' },
      });
      assert.equal(denied.status, 403, denied.text);
    }
    for (let at = 0; at < 5; at += 1) assert.equal((await call('reloaded')).status, 200);
    assert.equal((await call('reloaded')).status, 429);
  });

  it('follows a reload at the next call', async () => {
    const text = await readFile(appliance.configFile, 'utf8');
    await writeFile(appliance.configFile, text.replace('calls_per_minute: 5', 'calls_per_minute: 6'));
    const reloaded = await askLocally(appliance, '/v1/config/reload', { method: 'POST' });
    assert.equal(reloaded.status, 200, reloaded.text);
    assert.equal((await call('reloaded')).status, 200);
    assert.equal((await call('reloaded')).status, 429);
  });

  it('holds for each agent that registers itself, by "*"', async () => {
    for (const name of ['guest-a', 'guest-b']) {
      const made = await ask(appliance, '/v1/agents/register', { body: { name } });
      assert.equal(made.status, 201, made.text);
      const statuses = [];
      for (let at = 0; at < 3; at += 1) statuses.push((await call(name)).status);
      assert.deepEqual(statuses, [200, 200, 429]);
    }
  });

  it('is said on the path form with the same header', async () => {
    const answer = await fetch(`${appliance.url}/proxy/ledger/x`, {
      headers: { authorization: `Bearer ${appliance.apiKey}`, 'x-stack-agent': 'guest-a' },
    });
    assert.equal(answer.status, 429);
    assert.equal(answer.headers.get('x-stack-error'), 'RATE_LIMITED');
    const body = (await answer.json()) as { metadata: Json };
    assert.equal(answer.headers.get('retry-after'), String(body.metadata['retry_after_seconds']));
  });
});

const FLOOD_CLIENTS = 64;
const POLITE_PER_SECOND = 20;
const SECONDS = 3;

describe('fairness between agents', () => {
  it('mcp M041: one that floods at full speed leaves a polite one its calls', async (t: TestContext) => {
    let going = true;
    let flooded = 0;
    const params = {
      name: 'stack_proxy_request',
      arguments: { service: 'ledger', method: 'GET', path: '/x' },
    };
    const tool = async (): Promise<unknown> => {
      const headers = { 'x-stack-agent': 'flood' };
      const { result } = await rpc(appliance, { method: 'tools/call', params, headers });
      const { status } = (result?.['structuredContent'] ?? {}) as Json;
      return status;
    };
    const client = async (how: () => Promise<unknown>): Promise<void> => {
      while (going) {
        assert.equal(await how(), 200);
        flooded += 1;
      }
    };
    const rest = async (): Promise<unknown> => (await call('flood')).status;
    const clients = Array.from({ length: FLOOD_CLIENTS }, (_, at) => client(at % 2 === 0 ? tool : rest));
    const waits: number[] = [];
    const polite = Array.from({ length: SECONDS * POLITE_PER_SECOND }, async (_, at) => {
      await new Promise((done) => setTimeout(done, (at * 1_000) / POLITE_PER_SECOND));
      const began = performance.now();
      const { status } = await call('polite');
      waits.push(performance.now() - began);
      return status;
    });
    const statuses = await Promise.all(polite);
    going = false;
    await Promise.all(clients);
    const done = statuses.filter((status) => status === 200).length;
    waits.sort((a, b) => a - b);
    t.diagnostic(
      `${flooded} calls of the flood; ${done} of ${statuses.length} polite ones, ` +
        `p50 ${waits[waits.length >> 1]?.toFixed(1)} ms, longest ${waits.at(-1)?.toFixed(1)} ms`,
    );
    assert.ok(done >= 0.9 * statuses.length);
    assert.ok((waits.at(-1) ?? 0) < 10_000);
  });

  it('one whose calls all hang at a service does not keep another from that service', async () => {
    const before = held.length;
    const hanging = Array.from({ length: 400 }, (_, at) => call('flood', `/held/${at}`));
    const refused = (await Promise.race([
      Promise.all(hanging.slice(256)),
      new Promise((done) => setTimeout(done, 4_000)),
    ])) as Answer[] | undefined;
    while (held.length - before < 256) await new Promise((done) => setTimeout(done, 10));
    const began = performance.now();
    const answer = await call('polite');
    assert.equal(answer.status, 200, answer.text);
    assert.ok(performance.now() - began < 2_000);
    for (const response of held.splice(0)) response.end('{}');
    const statuses = (await Promise.all(hanging)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 429).length, 144);
    assert.ok(refused === undefined || refused.length === 144);
  });
});
