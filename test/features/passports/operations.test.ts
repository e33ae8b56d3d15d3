// Issue, verify, list, revoke: who may, what is granted, and what a passport is worth after the config has changed.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Caller } from '#kernel/operation.ts';
import {
  act,
  addAgent,
  codeOf,
  KEY,
  must,
  OTHER_KEY,
  openState,
  PERSON,
  type State,
  setAgent,
} from '#test/features/passports/state.ts';

let state: State;
let botId: string;
let otherId: string;
beforeEach(async () => {
  state = openState();
  const services = [
    { service: 'slack', scopes: ['slack:chat:*'] },
    { service: 'billing', scopes: ['billing:invoices:read'] },
  ];
  botId = await addAgent(state, 'bot', { services });
  otherId = await addAgent(state, 'other');
});
afterEach(() => state.close());

const intent = { summary: 'post the news', services: ['slack'] };
const issue = (input: Record<string, unknown> = {}, caller: Caller = KEY) =>
  act(state, 'stack_issue_passport', { caller, input: { agent: 'bot', intent, ...input } });
const issued = async (input: Record<string, unknown> = {}, caller: Caller = KEY) =>
  must(await issue(input, caller)).output as { token: string; jti: string; session_id: string };
const revoke = (jti: string, caller: Caller) =>
  act(state, 'stack_revoke_passport', { caller, input: { jti, reason: 'test' } });
const actingFor = (
  agentId: string,
  agentName: string,
  passport?: { jti: string; session: string },
): Caller => ({
  kind: passport === undefined ? 'key' : 'passport',
  id: passport?.jti ?? KEY.id,
  acting: {
    agentId,
    agentName,
    sessionId: passport?.session,
    passportJti: passport?.jti,
    declaredIntent: undefined,
  },
});

test('an issued passport verifies and holds only the declared services', async () => {
  const { status, output } = must(await issue());
  assert.equal(status, 201);
  assert.deepEqual(output['services'], [{ service: 'slack', scopes: ['slack:chat:*'], constraints: [] }]);
  const live = must(await state.verifier.verify(String(output['token'])));
  assert.deepEqual([live.agentName, live.mintedBy, live.intent?.summary], ['bot', KEY.id, 'post the news']);
});

test('the agent may be given by id, by name, or by both', async () => {
  for (const input of [{ agent: botId }, { agent_id: botId, agent: undefined }, { agent_id: botId }])
    assert.equal(codeOf(await issue(input)), 'ok', JSON.stringify(input));
  assert.equal(codeOf(await issue({ agent_id: otherId })), 'INVALID_REQUEST');
  assert.equal(codeOf(await issue({ agent: undefined })), 'INVALID_REQUEST');
  assert.equal(codeOf(await issue({ agent: 'nobody' })), 'NOT_FOUND');
});

test('an intent is required unless the agent is in standard mode', async () => {
  assert.equal(codeOf(await issue({ intent: undefined })), 'ACCOUNTABILITY_REQUIRED');
  await setAgent(state, botId, { mode: 'logged' });
  assert.equal(codeOf(await issue({ intent: undefined })), 'ACCOUNTABILITY_REQUIRED');
  await setAgent(state, botId, { mode: 'standard' });
  assert.equal(codeOf(await issue({ intent: undefined })), 'ok');
});

test('nothing outside the grants or the declared services can be asked for', async () => {
  const refused = [
    { scopes: ['slack:channels:archive'] },
    { scopes: ['slack:*'] },
    { scopes: ['billing:invoices:read'] },
    { scopes: [''] },
    { intent: { summary: 'x', services: ['github'] } },
  ];
  for (const input of refused)
    assert.equal(codeOf(await issue(input)), 'SCOPE_ESCALATION', JSON.stringify(input));
  assert.equal(codeOf(await issue({ scopes: ['slack:chat:write'] })), 'ok');
});

test('an intent with a service that is not granted is told where to grant it', async () => {
  const refused = await issue({ intent: { summary: 'x', services: ['github'] } });
  assert.ok(!refused.ok);
  assert.match(refused.fault.next, /Leave github out .* grant it under agents\.("\*"|bot)\.services\./);
});

test('constraints are checked, counted, and only for services of the passport', async () => {
  const rule = { service: 'slack', path: 'body.channel', op: 'eq', value: 'C1' };
  const { output } = must(await issue({ constraints: [rule] }));
  const [service] = output['services'] as { constraints: unknown[] }[];
  assert.deepEqual(service?.constraints, [{ path: 'body.channel', op: 'eq', value: 'C1' }]);
  const bad = [
    [{ ...rule, service: 'billing' }],
    [{ ...rule, path: 'nonsense' }],
    Array.from({ length: 33 }, () => rule),
  ];
  for (const constraints of bad) assert.equal(codeOf(await issue({ constraints })), 'INVALID_REQUEST');
});

test('a blocked agent gets no passport, and those it has stop working', async () => {
  const { token } = await issued();
  await setAgent(state, botId, { status: 'blocked' });
  assert.equal(codeOf(await issue()), 'PASSPORT_BLOCKED');
  assert.equal(codeOf(await state.verifier.verify(token)), 'PASSPORT_BLOCKED');
});

test('a lifetime has bounds and ends exactly', async () => {
  for (const ttl_seconds of [59, 3601, 90.5])
    assert.equal(codeOf(await issue({ ttl_seconds })), 'INVALID_REQUEST');
  const { token } = await issued({ ttl_seconds: 60 });
  state.host.pass(59_999);
  assert.equal(codeOf(await state.verifier.verify(token)), 'ok');
  state.host.pass(1);
  assert.equal(codeOf(await state.verifier.verify(token)), 'PASSPORT_EXPIRED');
});

test('a narrowed config narrows a live passport and a widened one does not widen it', async () => {
  const { token } = await issued({ scopes: ['slack:chat:*'] });
  const scopes = async () => must(await state.verifier.verify(token)).services.flatMap((one) => one.scopes);
  const grant = (...list: string[]) =>
    state.world.agents.set('bot', { mode: undefined, services: [{ service: 'slack', scopes: list }] });
  grant('slack:chat:write');
  assert.deepEqual(await scopes(), ['slack:chat:write']);
  grant('slack:*');
  assert.deepEqual(await scopes(), ['slack:chat:*']);
  grant('slack:channels:read');
  assert.deepEqual(await scopes(), []);
});

test('an agent made stricter makes its live passports stricter, and never looser', async () => {
  await setAgent(state, botId, { mode: 'logged' });
  const { token } = await issued();
  const mode = async () => must(await state.verifier.verify(token)).mode;
  await setAgent(state, botId, { mode: 'enforced' });
  assert.equal(await mode(), 'enforced');
  await setAgent(state, botId, { mode: 'standard' });
  assert.equal(await mode(), 'logged');
});

test('an agent that has left the config takes its passports with it', async () => {
  const { token } = await issued();
  state.world.agents.delete('bot');
  assert.equal(codeOf(await state.verifier.verify(token)), 'PASSPORT_REVOKED');
});

test('a token that was signed but never stored is not a passport of ours', async () => {
  const { token } = await issued();
  await state.commit({ statements: [{ sql: 'DELETE FROM passports', parameters: [] }], entries: [] });
  assert.equal(codeOf(await state.verifier.verify(token)), 'PASSPORT_INVALID');
});

test('revocation bites at the next use, is said once, and may be repeated', async () => {
  const { token, jti } = await issued();
  assert.equal(codeOf(await state.verifier.verify(token)), 'ok');
  assert.deepEqual(must(await revoke(jti, KEY)).output['revoked'], [jti]);
  assert.equal(codeOf(await state.verifier.verify(token)), 'PASSPORT_REVOKED');
  assert.deepEqual(must(await revoke(jti, KEY)).output['revoked'], []);
});

test('a key revokes only what it minted, also when it acts for the agent', async () => {
  const { jti } = await issued();
  assert.equal(codeOf(await revoke(jti, OTHER_KEY)), 'NOT_FOUND');
  assert.equal(codeOf(await revoke(jti, { ...actingFor(botId, 'bot'), id: OTHER_KEY.id })), 'NOT_FOUND');
  assert.equal(codeOf(await revoke(jti, actingFor(otherId, 'other'))), 'FORBIDDEN');
  assert.equal(codeOf(await revoke(jti, actingFor(botId, 'bot'))), 'ok');
  assert.equal(codeOf(await revoke('pp_unknown', KEY)), 'NOT_FOUND');
});

test('a passport revokes itself and no other session of its agent', async () => {
  const [own, sibling] = [await issued(), await issued()];
  const caller = actingFor(botId, 'bot', { jti: own.jti, session: own.session_id });
  assert.equal(codeOf(await revoke(sibling.jti, caller)), 'NOT_FOUND');
  assert.equal(codeOf(await revoke(own.jti, caller)), 'ok');
  assert.equal(codeOf(await revoke(sibling.jti, PERSON)), 'ok');
});

test('a caller whose transport names an agent issues for no other', async () => {
  assert.equal(codeOf(await issue({}, actingFor(otherId, 'other'))), 'FORBIDDEN');
  assert.equal(codeOf(await issue({}, actingFor(botId, 'bot'))), 'ok');
  const passport = actingFor(botId, 'bot', { jti: 'pp_x', session: 'ses_x' });
  assert.equal(codeOf(await issue({}, passport)), 'FORBIDDEN');
});

test('a list shows a key its own, a passport its session, a person all, page by page', async () => {
  const mine = await issued();
  const theirs = await issued({}, OTHER_KEY);
  const list = async (caller: Caller, input: Record<string, unknown> = {}) =>
    must(await act(state, 'stack_list_active_passports', { caller, input })).output as {
      passports: { jti: string }[];
      next_cursor: string | null;
    };
  const jtis = async (caller: Caller, input = {}) =>
    (await list(caller, input)).passports.map(({ jti }) => jti);
  assert.deepEqual(await jtis(KEY), [mine.jti]);
  assert.deepEqual(await jtis(actingFor(botId, 'bot', { jti: mine.jti, session: mine.session_id })), [
    mine.jti,
  ]);
  assert.equal((await jtis(PERSON, { agent_id: 'bot' })).length, 2);
  assert.deepEqual(await jtis(PERSON, { session_id: theirs.session_id }), [theirs.jti]);
  assert.deepEqual(await jtis(PERSON, { agent_id: 'nobody' }), []);
  const { next_cursor: cursor } = await list(PERSON, { limit: 1 });
  assert.equal((await jtis(PERSON, { limit: 1, cursor })).length, 1);
});

test('the public verify answers claims or a code and no more', async () => {
  const { token, jti } = await issued();
  const verify = async (text: string) =>
    must(
      await act(state, 'stack_verify_passport', {
        caller: { kind: 'anonymous', id: 'anonymous' },
        input: { token: text },
      }),
    ).output;
  const good = await verify(token);
  assert.equal((good['claims'] as { jti: string }).jti, jti);
  assert.deepEqual(await verify(`${token}x`), { valid: false, code: 'PASSPORT_INVALID' });
  must(await revoke(jti, KEY));
  assert.deepEqual(await verify(token), { valid: false, code: 'PASSPORT_REVOKED' });
});

test('the key set holds the public half only', async () => {
  const caller: Caller = { kind: 'anonymous', id: 'anonymous' };
  const { output } = must(await act(state, 'stack_get_jwks', { caller }));
  const [jwk] = output['keys'] as Record<string, string>[];
  assert.deepEqual(Object.keys(jwk ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x']);
});
