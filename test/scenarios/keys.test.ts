// Keys that may do less: bound to one agent, read-only. Every verb that takes a key is walked with each of them; a new
// verb fails here until somebody has written down how it could name another agent.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import type { Operation } from '#kernel/operation.ts';
import { type Appliance, freePort, startAppliance } from '#test/support/appliance.ts';
import { type Answer, ask, askLocally, type Json, type Sending } from '#test/support/requests.ts';
import { describedOperations } from '../../src/operations.ts';

const received: string[] = [];
let appliance: Appliance;
let upstream: Server;
let otherJti = '';
let otherSession = '';
let otherToken = '';

before(async () => {
  upstream = createServer((request, response) => {
    received.push(`${request.method} ${request.url}`);
    response.end('{}');
  });
  const port = await freePort();
  await new Promise<void>((done) => upstream.listen(port, '127.0.0.1', done));
  appliance = await startAppliance({
    services: `
  ledger:
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: LEDGER_TOKEN }
    actions: { "ledger:calls:any": [ "GET /**", "HEAD /**", "POST /**", "DELETE /**", "OPTIONS /**" ] }
  stock:
    base_url: http://127.0.0.1:${port}
    network: loopback`,
    agents: `
  worker: { services: { ledger: [ "ledger:calls:any" ] } }
  other-one: { services: { ledger: [ "ledger:calls:any" ] } }`,
    env: { LEDGER_TOKEN: 'lg-credential-of-the-ledger' },
  });
  const intent = { summary: 'the other mission', services: ['ledger'] };
  const issued = await ask(appliance, '/v1/passports/issue', { body: { agent: 'other-one', intent } });
  otherJti = String(issued.body['jti']);
  otherSession = String(issued.body['session_id']);
  otherToken = String(issued.body['token']);
});

after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

async function makeKey(body: Json): Promise<string> {
  const made = await askLocally(appliance, '/v1/keys', { body });
  assert.equal(made.status, 201, made.text);
  return String(made.body['api_key']);
}

const as = (key: string, path: string, { headers = {}, ...sending }: Sending = {}): Promise<Answer> =>
  ask(appliance, path, { ...sending, headers: { ...headers, authorization: `Bearer ${key}` } });
const codeIn = ({ body }: Answer): unknown => (body['error'] as Json | undefined)?.['code'];
const call = (method: string, more: Json = {}): Sending => ({
  body: { service: 'ledger', method, path: '/things', ...more },
});
const issue = (agent: string): Sending => ({
  body: { agent, intent: { summary: 'do it', services: ['ledger'] } },
});
const handing = { child_agent_id: 'worker', intent: { summary: 'do it', services: ['ledger'] } };
const takesKeys = ({ callers }: Operation): boolean => callers !== 'anyone' && callers.includes('key');

/** How each verb could be pointed at another agent; where it names none, what it shows is looked at. */
const FOREIGN: Readonly<Record<string, () => readonly Sending[]>> = {
  stack_list_services: () => [{}],
  stack_list_connected: () => [{}],
  stack_list_catalogue: () => [{}],
  stack_register_agent: () => [
    { body: { name: 'other-one' } },
    { body: { name: 'a-new-one' } },
    { body: { name: 'other-one' }, headers: { 'x-stack-agent': 'other-one' } },
  ],
  stack_list_agents: () => [{}],
  stack_get_agent: () => [{}],
  stack_update_agent: () => [{ body: { description: 'mine now' } }],
  stack_delete_agent: () => [{}],
  stack_challenge_agent: () => [{ body: {} }],
  stack_remove_agent_key: () => [{}],
  stack_issue_passport: () => [issue('other-one'), issue('nobody')],
  stack_list_active_passports: () => [{}],
  stack_revoke_passport: () => [{ body: {} }],
  stack_revoke_agent_passports: () => [{ body: { agent_id: 'other-one' } }],
  stack_revoke_session: () => [{ body: { session_id: otherSession } }],
  stack_revoke_all_passports: () => [{ body: { confirm: true } }],
  stack_delegate_passport: () => [
    { body: { ...handing, parent_jti: otherJti } },
    { body: { ...handing, parent_token: otherToken } },
    { body: { ...handing, parent_token: otherToken }, headers: { 'x-stack-agent': 'other-one' } },
  ],
  stack_refresh_passport: () => [{ body: { jti: otherJti } }, { body: { token: otherToken } }],
  stack_get_passport_report: () => [{}],
  stack_checkpoint: () => [{ body: { services_used: ['ledger'], actions_count: 1 } }],
  stack_checkout: () => [{ body: {} }],
  stack_simulate_intent: () => foreignCalls(),
  stack_submit_intent: () => foreignCalls(),
  stack_get_intent_approval: () => [{}],
  stack_list_approvals: () => [{}],
  stack_show_approval: () => [{}],
  stack_list_audit: () => [{}],
  stack_verify_chain: () => [{}],
  stack_proxy_request: () => foreignCalls(),
};

/** A call in the name of the other agent, by each way to name one. */
const foreignCalls = (): readonly Sending[] => [
  call('GET', { passport: otherJti }),
  call('GET', { passport: otherToken }),
  { ...call('GET'), headers: { 'x-stack-agent': 'other-one' } },
  { ...call('GET'), headers: { 'x-stack-agent': 'nobody' } },
  { ...call('GET'), headers: { 'x-passport-token': otherToken } },
];

const pathOf = ({ route }: Operation): string =>
  route.path.replace(':jti', otherJti).replace(/:\w+/, 'other-one');

describe('a key bound to one agent', () => {
  it('reaches no other agent by any verb that takes keys', async () => {
    const key = await makeKey({ agent: 'worker' });
    const sentBefore = received.length;
    const wrong: string[] = [];
    for (const operation of describedOperations().filter(takesKeys)) {
      const sendings = FOREIGN[operation.name];
      assert.ok(sendings, `${operation.name} takes keys: write down how it could name another agent`);
      for (const sending of sendings()) {
        const answer = await as(key, pathOf(operation), { method: operation.route.method, ...sending });
        const refused = [401, 403, 404].includes(answer.status);
        const clean = answer.status === 200 && !/other-one|pp_/.test(answer.text);
        if (!refused && !clean) wrong.push(`${operation.name}: ${answer.status} ${answer.text}`);
      }
    }
    assert.deepEqual(wrong, []);
    assert.equal(received.length, sentBefore, 'a call for the other agent went out');
    const still = await ask(appliance, '/v1/passports/verify', { body: { token: otherToken } });
    assert.equal(still.body['valid'], true);
  });

  it('is shown no passport of another agent, not even one that descends from its own', async () => {
    const key = await makeKey({ agent: 'worker' });
    const own = (await as(key, '/v1/passports/issue', issue('worker'))).body['jti'];
    const handed = { child_agent_id: 'other-one', parent_jti: own, intent: handing.intent };
    assert.equal((await as(key, '/v1/passports/delegate', { body: handed })).status, 201);
    const listed = (await as(key, '/v1/passports')).body['passports'] as Json[];
    assert.deepEqual(
      listed.map(({ jti }) => jti),
      [own],
    );
  });

  it('acts for its agent without being told, and with the agent named', async () => {
    const key = await makeKey({ agent: 'worker', name: 'bound' });
    for (const headers of [{}, { 'x-stack-agent': 'worker' }])
      assert.equal((await as(key, '/v1/proxy', { ...call('POST'), headers })).body['status'], 200);
    const issued = await as(key, '/v1/passports/issue', issue('worker'));
    assert.equal(issued.status, 201, issued.text);
    for (const passport of [issued.body['jti'], issued.body['token']]) {
      const answer = await as(key, '/v1/proxy', call('GET', { passport }));
      assert.equal(answer.body['status'], 200, answer.text);
    }
    const agents = (await as(key, '/v1/agents')).body['agents'] as Json[];
    assert.deepEqual(
      agents.map(({ name }) => name),
      ['worker'],
    );
    const log = (await as(key, '/v1/audit?limit=100')).body['entries'] as Json[];
    assert.ok(log.length > 0);
    assert.equal(new Set(log.map(({ agent_id }) => agent_id)).size, 1);
    assert.equal((await as(key, `/v1/passports/${issued.body['jti']}/revoke`, { body: {} })).status, 200);
    const listed = (await askLocally(appliance, '/v1/keys?limit=100')).body['keys'] as Json[];
    const shown = listed.find(({ name }) => name === 'bound');
    assert.equal(shown?.['agent'], 'worker');
    assert.ok(Date.parse(String(shown?.['last_used_at'])) > 0);
  });

  it('dies with its agent, and another agent of the same name does not inherit it', async () => {
    const register = () => askLocally(appliance, '/v1/agents/register', { body: { name: 'short-lived' } });
    assert.equal((await register()).status, 201);
    const key = await makeKey({ agent: 'short-lived' });
    assert.equal((await as(key, '/v1/services')).status, 200);
    await askLocally(appliance, '/v1/agents/short-lived', { method: 'DELETE' });
    assert.equal(codeIn(await as(key, '/v1/services')), 'INVALID_API_KEY');
    assert.equal((await register()).status, 201);
    const refused = await as(key, '/v1/services');
    assert.equal(codeIn(refused), 'INVALID_API_KEY');
    assert.match(refused.text, /agent of this key is gone/);
  });
});

describe('a read-only key', () => {
  it('runs no verb that changes something, and every verb that does not', async () => {
    const key = await makeKey({ read_only: true });
    for (const operation of describedOperations().filter(takesKeys)) {
      if (operation.line === 'traffic') continue;
      const { name } = operation;
      const tried = { ...call('GET'), headers: { 'x-stack-agent': 'worker' } };
      const asked = name === 'stack_simulate_intent' ? tried : { body: {} };
      const sending = operation.route.method === 'GET' ? {} : asked;
      const answer = await as(key, pathOf(operation), { method: operation.route.method, ...sending });
      // It minted no passport, so there is none of which it could have a report, and no approval.
      const wanted = /:jti|approvals\/:/.test(operation.route.path) ? 404 : 200;
      if (operation.effect === 'read') assert.equal(answer.status, wanted, `${name} ${answer.text}`);
      else assert.equal(codeIn(answer), 'FORBIDDEN', `${name} ${answer.text}`);
    }
  });

  it('makes GET and HEAD calls, and no other, whatever passport stands beside it', async () => {
    const key = await makeKey({ read_only: true });
    const headers = { 'x-stack-agent': 'other-one' };
    for (const method of ['GET', 'HEAD'])
      assert.equal((await as(key, '/v1/proxy', { ...call(method), headers })).body['status'], 200, method);
    const sentBefore = received.length;
    for (const method of ['POST', 'DELETE', 'OPTIONS']) {
      const ways: Sending[] = [
        { ...call(method), headers },
        call(method, { passport: otherToken }),
        { ...call(method), headers: { 'x-passport-token': otherToken } },
      ];
      for (const way of ways) {
        const answer = await as(key, '/v1/proxy', way);
        assert.equal(codeIn(answer), 'FORBIDDEN', answer.text);
        assert.match(answer.text, /GET and HEAD/);
      }
    }
    assert.equal(received.length, sentBefore);
  });

  it('has a standing passport that reads only, even in the hands of a person', async () => {
    const key = await makeKey({ read_only: true });
    await as(key, '/v1/proxy', { ...call('GET'), headers: { 'x-stack-agent': 'worker' } });
    const mine = (await as(key, '/v1/passports')).body['passports'] as Json[];
    const passport = mine[0]?.['jti'];
    assert.equal((await askLocally(appliance, '/v1/proxy', call('GET', { passport }))).body['status'], 200);
    const sentBefore = received.length;
    const refused = await askLocally(appliance, '/v1/proxy', call('POST', { passport }));
    assert.equal(codeIn(refused), 'CONSTRAINT_FAILED', refused.text);
    assert.equal(received.length, sentBefore);
  });
});

describe('a key that ends', () => {
  it('is refused with 401 and a next step once it is over', async () => {
    const endMs = Date.now() + 1_500;
    const key = await makeKey({ expires: new Date(endMs).toISOString() });
    await new Promise((done) => setTimeout(done, endMs - Date.now() + 50));
    const refused = await as(key, '/v1/services');
    assert.equal(refused.status, 401);
    assert.equal(codeIn(refused), 'INVALID_API_KEY');
    assert.match(refused.text, /stack keys create/);
  });
});
