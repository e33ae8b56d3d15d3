// Every verb is asked once as it should be and once for each refusal of its own; `ask` holds each answer against the
// documents. So no verb, and no refusal that a verb lists, stands in the reference without having been seen.
import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { answersSoFar } from '#test/support/documented.ts';
import { type Answer, ask, askLocally, type Json, type Sending } from '#test/support/requests.ts';
import { describedOperations } from '../../src/operations.ts';

/** Listed, and not to be provoked from outside: only a detector blocks an agent, and there is none yet. */
const UNSEEN = ['stack_issue_passport PASSPORT_BLOCKED'];

let appliance: Appliance;
let upstream: Server;

before(async () => {
  upstream = createServer((_request, response) => response.end('{}'));
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: `
  ledger:
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: ledger }
    actions:
      "ledger:calls:read": [ "GET /**" ]
      "ledger:orders:make":
        [ { call: "POST /orders", where: [ { path: body.amount, op: lt, value: 1000 } ] }, "PUT /orders" ]
  bare:
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: bare }
    actions: { "bare:orders:make": [ "POST /**" ] }`,
    extra: 'limits: { request_body: 1kB }',
    agents: `
  easy: { mode: standard }
  worker:
    mode: enforced
    services: { ledger: [ "ledger:calls:read", "ledger:orders:make" ], bare: [ "bare:*" ] }
  "*": { mode: logged, services: {} }`,
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

type Expected = number | string;

/** A number is the status of success, a text the code of the refusal. */
function expect(answer: Answer, expected: Expected): Json {
  const got =
    typeof expected === 'number' ? answer.status : (answer.body['error'] as Json | undefined)?.['code'];
  assert.equal(got, expected, answer.text);
  return answer.body;
}

const byKey = async (path: string, expected: Expected, sending: Sending = {}): Promise<Json> =>
  expect(await ask(appliance, path, sending), expected);
const byPerson = async (path: string, expected: Expected, sending: Sending = {}): Promise<Json> =>
  expect(await askLocally(appliance, path, sending), expected);
async function issued(agent: string): Promise<string> {
  const intent = { summary: 'Another mission', services: ['ledger'] };
  return String((await byKey('/v1/passports/issue', 201, { body: { agent, intent } }))['token']);
}
const AS_WORKER = { 'x-stack-agent': 'worker' };

describe('every verb answers as its documents say', () => {
  it('secrets', async () => {
    await byPerson('/v1/secrets/nobody', 'CONFLICT', { method: 'PUT', body: { value: 'long enough' } });
    await byPerson('/v1/secrets/ledger', 'NOT_FOUND', { method: 'DELETE' });
    await byPerson('/v1/secrets/ledger', 200, { method: 'PUT', body: { value: 'a-secret-of-the-ledger' } });
    await byPerson('/v1/secrets', 200);
  });

  it('services and calls', async () => {
    await byKey('/v1/services', 200);
    await byKey('/v1/services/catalogue', 200);
    await byKey('/v1/services/connected', 200);
    await byPerson('/v1/services/ledger/verify', 200, { method: 'POST' });
    await byPerson('/v1/services/nobody/verify', 'NOT_FOUND', { method: 'POST' });
    const body = { service: 'ledger', method: 'GET', path: '/x' };
    await byKey('/v1/proxy', 200, { headers: AS_WORKER, body });
  });

  it('approvals', async () => {
    const call = { service: 'ledger', method: 'POST', path: '/orders', body: { amount: 5 } };
    const asWorker = (body: Json): Sending => ({ headers: AS_WORKER, body });
    await byKey('/v1/intents/simulate', 200, asWorker(call));
    await byKey('/v1/intents/simulate', 'AGENT_UNIDENTIFIED', { body: call });
    const foreign = asWorker({ ...call, passport: await issued('worker') });
    await byKey('/v1/intents/simulate', 'FORBIDDEN', foreign);
    const wrong: readonly (readonly [string, Json])[] = [
      ['FORBIDDEN', { ...call, service: 'nobody' }],
      ['URL_DENIED', { ...call, path: '/a/../b' }],
      ['HEADER_DENIED', { ...call, headers: { 'x-mine': '1' } }],
      ['PAYLOAD_TOO_LARGE', { ...call, body: 'x'.repeat(2_000) }],
      ['ACTION_DENIED', { ...call, method: 'DELETE' }],
      ['CONSTRAINT_FAILED', { ...call, body: { amount: 6_000 } }],
      ['CREDENTIAL_MISSING', { ...call, service: 'bare' }],
    ];
    for (const [code, body] of wrong) await byKey('/v1/intents', code, asWorker(body));
    await byKey('/v1/intents', 'AGENT_UNIDENTIFIED', { body: call });
    const ask = async (): Promise<string> =>
      String((await byKey('/v1/intents', 201, asWorker(call)))['approval_id']);
    const [one, two] = [await ask(), await ask()];
    await byKey(`/v1/intents/approvals/${one}`, 200, { headers: AS_WORKER });
    await byKey('/v1/intents/approvals/apr_none', 'NOT_FOUND', { headers: AS_WORKER });
    await byKey('/v1/approvals', 200, { headers: AS_WORKER });
    await byKey(`/v1/approvals/${one}`, 200, { headers: AS_WORKER });
    await byKey('/v1/approvals/apr_none', 'NOT_FOUND');
    await byPerson(`/v1/approvals/${one}`, 200);
    const decide = (id: string, verb: string, expected: Expected): Promise<Json> =>
      byPerson(`/v1/approvals/${id}/${verb}`, expected, { method: 'POST', body: {} });
    await decide(one, 'approve', 200);
    await decide(one, 'withdraw', 200);
    await byPerson('/v1/notifications/deliveries', 200);
    for (const verb of ['approve', 'reject', 'withdraw']) await decide('apr_none', verb, 'NOT_FOUND');
    const config = await readFile(appliance.configFile, 'utf8');
    await appendFile(appliance.configFile, 'approvals: { local_socket: off }\n');
    await byPerson('/v1/config/reload', 200, { method: 'POST' });
    for (const verb of ['approve', 'reject', 'withdraw']) await decide(two, verb, 'FORBIDDEN');
    await writeFile(appliance.configFile, config);
    await byPerson('/v1/config/reload', 200, { method: 'POST' });
    await byPerson(`/v1/approvals/${two}/reject`, 200, { method: 'POST', body: { revoke: false } });
  });

  it('agents', async () => {
    const clerk = { name: 'clerk', description: 'One' };
    await byKey('/v1/agents/register', 201, { body: clerk });
    await byKey('/v1/agents/register', 200, { body: clerk });
    await byKey('/v1/agents/register', 'CONFLICT', { body: { ...clerk, description: 'Two' } });
    await byKey('/v1/agents/register', 'FORBIDDEN', {
      body: { name: 'loose', accountability_mode: 'standard' },
    });
    await byKey('/v1/agents', 200);
    await byKey('/v1/agents/clerk', 200);
    await byKey('/v1/agents/nobody', 'NOT_FOUND');
    await byKey('/v1/agents/clerk', 'FORBIDDEN', { headers: AS_WORKER });
    await byKey('/v1/agents/clerk', 200, { method: 'PATCH', body: { on_warning: 'block' } });
    await byKey('/v1/agents/clerk', 'FORBIDDEN', { method: 'PATCH', body: { on_warning: 'notify' } });
    await byKey('/v1/agents/nobody', 'NOT_FOUND', { method: 'PATCH', body: {} });
    await byPerson('/v1/agents/worker', 'CONFLICT', {
      method: 'PATCH',
      body: { accountability_mode: 'logged' },
    });
    await byPerson('/v1/agents/clerk/unblock', 200, { method: 'POST' });
    await byPerson('/v1/agents/nobody/unblock', 'NOT_FOUND', { method: 'POST' });
    await byKey('/v1/agents/clerk', 'FORBIDDEN', { method: 'DELETE', headers: AS_WORKER });
    await byKey('/v1/agents/clerk', 200, { method: 'DELETE' });
    await byKey('/v1/agents/clerk', 'NOT_FOUND', { method: 'DELETE' });
    await byKey('/v1/agents/worker', 'CONFLICT', { method: 'DELETE' });
  });

  it('passports', async () => {
    const issue = '/v1/passports/issue';
    const wish = {
      agent: 'worker',
      intent: {
        summary: 'One look',
        services: ['ledger'],
        will_delegate: false,
        estimated_duration_seconds: 60,
      },
      constraints: [
        { service: 'ledger', path: 'query.a', op: 'in', value: ['x', 1, null] },
        { service: 'ledger', path: 'query.b', op: 'absent' },
      ],
      checkpoint_interval_seconds: 60,
    };
    const { token, jti } = await byKey(issue, 201, { body: wish });
    await byKey(issue, 'NOT_FOUND', { body: { ...wish, agent: 'nobody' } });
    await byKey(issue, 'ACCOUNTABILITY_REQUIRED', { body: { agent: 'worker' } });
    await byKey(issue, 'SCOPE_ESCALATION', { body: { ...wish, scopes: ['ledger:calls:delete'] } });
    await byKey('/v1/agents/register', 201, { body: { name: 'other' } });
    await byKey(issue, 'FORBIDDEN', { headers: { 'x-stack-agent': 'other' }, body: wish });
    await byKey('/v1/passports?agent_id=worker', 200);
    const good = await byKey('/v1/passports/verify', 200, {
      headers: { authorization: '' },
      body: { token },
    });
    assert.equal(good['valid'], true);
    const bad = await byKey('/v1/passports/verify', 200, { body: { token: 'x.y.z' } });
    assert.equal(bad['valid'], false);
    await byKey('/v1/.well-known/jwks.json', 200, { headers: { authorization: '' } });
    const revoke = `/v1/passports/${String(jti)}/revoke`;
    await byKey(revoke, 'FORBIDDEN', { method: 'POST', headers: { 'x-stack-agent': 'other' } });
    await byKey('/v1/passports/pp_none/revoke', 'NOT_FOUND', { method: 'POST' });
    await byKey(revoke, 200, { body: { reason: 'done' } });
  });

  it('revocation of several passports', async () => {
    const other = { 'x-stack-agent': 'other' };
    const agent = '/v1/passports/revoke-agent';
    await byKey(agent, 200, { body: { agent_id: 'worker', reason: 'done' } });
    await byKey(agent, 'NOT_FOUND', { body: { agent_id: 'nobody' } });
    await byKey(agent, 'FORBIDDEN', { headers: other, body: { agent_id: 'worker' } });
    const session = '/v1/passports/revoke-session';
    await byKey(session, 200, { body: { session_id: 'ses_none' } });
    await byKey(session, 'FORBIDDEN', { headers: other, body: { session_id: 'ses_none' } });
    const all = '/v1/passports/revoke-all';
    await byKey(all, 200, { body: { confirm: true } });
    await byKey(all, 'FORBIDDEN', { headers: other, body: { confirm: true } });
  });

  it('delegation', async () => {
    const intent = { summary: 'read the ledger', services: ['ledger'] };
    const body = { agent: 'worker', intent };
    let { token } = await byKey('/v1/passports/issue', 201, { body });
    const delegate = (expected: Expected, more: Json = {}) =>
      byKey('/v1/passports/delegate', expected, {
        body: { parent_token: token, child_agent_id: 'worker', intent, ...more },
      });
    await delegate('NOT_FOUND', { child_agent_id: 'nobody' });
    await delegate('DELEGATION_ACCOUNTABILITY_VIOLATION', { child_agent_id: 'other' });
    await delegate('ACCOUNTABILITY_REQUIRED', { intent: undefined });
    await delegate('SCOPE_ESCALATION', { scopes: ['ledger:calls:write'] });
    const other = await byKey('/v1/passports/issue', 201, { body });
    const headers = { 'x-passport-token': String(other['token']) };
    const foreign = { parent_token: token, child_agent_id: 'worker', intent };
    await byKey('/v1/passports/delegate', 'FORBIDDEN', { headers, body: foreign });
    for (let hop = 1; hop <= 4; hop += 1) ({ token } = await delegate(201));
    await delegate('DELEGATION_DEPTH_EXCEEDED');
  });

  it('refresh', async () => {
    const body = { agent: 'worker', intent: { summary: 'read', services: ['ledger'] }, ttl_seconds: 60 };
    const { jti, token } = await byKey('/v1/passports/issue', 201, { body });
    const refresh = (expected: Expected, asked: Json, headers: Record<string, string> = {}) =>
      byKey('/v1/passports/refresh', expected, { headers, body: asked });
    await refresh('NOT_FOUND', { jti: 'pp_none' });
    await refresh('PASSPORT_INVALID', { token: `${String(token)}x` });
    await refresh('FORBIDDEN', { jti }, { 'x-stack-agent': 'other' });
    await refresh(201, { token });
    await refresh('PASSPORT_REVOKED', { jti });
  });

  it('reports', async () => {
    const body = { agent: 'worker', intent: { summary: 'read', services: ['ledger'] } };
    const { jti } = await byKey('/v1/passports/issue', 201, { body });
    const report = `/v1/passports/${String(jti)}/report`;
    await byKey('/v1/passports/pp_none/report', 'NOT_FOUND');
    await byKey(report, 'FORBIDDEN', { headers: { 'x-stack-agent': 'other' } });
    await byKey(report, 200);
  });

  it('missions', async () => {
    const body = { agent: 'worker', intent: { summary: 'read', services: ['ledger'] } };
    const { jti } = await byKey('/v1/passports/issue', 201, { body });
    const at = (of: unknown, verb: string) => `/v1/passports/${String(of)}/${verb}`;
    const easy = await byKey('/v1/passports/issue', 201, { body: { agent: 'easy' } });
    for (const verb of ['checkpoint', 'checkout']) {
      const report = { services_used: ['ledger'], actions_count: 1 };
      await byKey(at('pp_none', verb), 'NOT_FOUND', { body: report });
      await byKey(at(easy['jti'], verb), 'CHECKPOINT_NOT_AVAILABLE', { body: report });
      const headers = { 'x-stack-agent': 'other' };
      await byKey(at(jti, verb), 'FORBIDDEN', { headers, body: report });
      await byKey(at(jti, verb), 200, { body: report });
    }
  });

  it('keys', async () => {
    const { id } = await byPerson('/v1/keys', 201, { body: { name: 'of a test' } });
    await byPerson('/v1/keys', 'NOT_FOUND', { body: { agent: 'nobody' } });
    await byPerson('/v1/keys', 201, { body: { agent: 'worker', read_only: true, expires: '1h' } });
    await byPerson('/v1/keys', 200);
    await byPerson(`/v1/keys/${String(id)}`, 200, { method: 'DELETE' });
    await byPerson(`/v1/keys/${String(id)}`, 'NOT_FOUND', { method: 'DELETE' });
  });

  it('agent keys', async () => {
    const enrollment = '/v1/agents/worker/enrollment-challenge';
    await byKey('/v1/agents/nobody/enrollment-challenge', 'NOT_FOUND', { method: 'POST' });
    await byKey('/v1/agents/other/enrollment-challenge', 'FORBIDDEN', {
      method: 'POST',
      headers: AS_WORKER,
    });
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const { kty, crv, x } = publicKey.export({ format: 'jwk' });
    const enroll = async (agent: string, expected: Expected): Promise<void> => {
      const made = await byKey(`/v1/agents/${agent}/enrollment-challenge`, 201, { method: 'POST' });
      const { challenge_id, challenge } = made;
      const signed_challenge = sign(null, Buffer.from(String(challenge)), privateKey).toString('base64url');
      const body = { public_key: { kty, crv, x }, challenge_id, signed_challenge };
      await byKey(`/v1/agents/${agent}/enroll`, expected, { headers: { authorization: '' }, body });
      if (expected === 201) await byKey(`/v1/agents/${agent}/enroll`, 'UNAUTHORIZED', { body });
    };
    await enroll('worker', 201);
    await enroll('other', 'CONFLICT');
    await byKey(enrollment, 201, { method: 'POST' });
    const ended = { method: 'DELETE' };
    await byKey('/v1/agents/other/key', 'FORBIDDEN', { ...ended, headers: AS_WORKER });
    await byKey('/v1/agents/worker/key', 200, ended);
    await byKey('/v1/agents/worker/key', 'NOT_FOUND', ended);
  });

  it('the vault', async () => {
    await byPerson('/v1/vault', 200);
    // Together, so that the second meets the first however fast that one is done.
    const begun = ['/v1/vault/rotate', '/v1/vault/rotate'].map((path) =>
      askLocally(appliance, path, { method: 'POST' }),
    );
    const statuses = (await Promise.all(begun)).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [202, 409]);
    await byPerson('/v1/vault/rotate-signing-key', 200, { method: 'POST' });
  });

  it('the log', async () => {
    const { entries } = await byPerson('/v1/audit?limit=100', 200);
    assert.ok((entries as Json[]).length > 20, 'refusals and changes of all that went before');
    await byKey('/v1/audit/verify-chain', 200);
  });

  it('secrets and config, last, since they take something away', async () => {
    await byPerson('/v1/secrets/ledger', 200, { method: 'DELETE' });
    await byPerson('/v1/config/changes', 200);
    await byPerson('/v1/config/reload', 200, { method: 'POST' });
    await appendFile(appliance.configFile, 'nonsense: 1\n');
    await byPerson('/v1/config/changes', 200);
    await byPerson('/v1/config/reload', 'CONFLICT', { method: 'POST' });
  });

  it('and none was left out, nor any refusal of its own', () => {
    const seen = answersSoFar();
    const missing = describedOperations().flatMap(({ name, errors }) =>
      ['done', ...errors]
        .filter((what) => seen.get(name)?.has(what) !== true)
        .map((what) => `${name} ${what}`),
    );
    assert.deepEqual(missing, UNSEEN, 'ask for it above');
  });
});
