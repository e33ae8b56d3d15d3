// Missions: modes, leases that hang on reports, what a report gives away, and the end that is final.
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
  TRACE,
} from '#test/features/passports/state.ts';

let state: State;
let botId: string;
beforeEach(async () => {
  state = openState();
  state.world.checkpointIntervalSeconds = 300;
  botId = await addAgent(state, 'bot');
  await addAgent(state, 'helper');
});
afterEach(() => state.close());

type Passport = { token: string; jti: string; session_id: string; expires_at: string; agent_id: string };
const intent = { summary: 'work', services: ['slack'] };
const issued = async (input: Record<string, unknown> = {}): Promise<Passport> =>
  must(await act(state, 'stack_issue_passport', { caller: KEY, input: { agent: 'bot', intent, ...input } }))
    .output as Passport;
const delegated = async (parent_jti: string, input: Record<string, unknown> = {}): Promise<Passport> =>
  must(
    await act(state, 'stack_delegate_passport', {
      caller: KEY,
      input: { parent_jti, child_agent_id: 'helper', intent, ...input },
    }),
  ).output as Passport;
const checkpoint = (jti: string, input: Record<string, unknown> = {}, caller: Caller = KEY) =>
  act(state, 'stack_checkpoint', {
    caller,
    input: { jti, services_used: ['slack'], actions_count: 2, ...input },
  });
const checkout = (jti: string, input: Record<string, unknown> = {}, caller: Caller = KEY) =>
  act(state, 'stack_checkout', { caller, input: { jti, ...input } });
const code = (token: string): string => codeOf(state.verifier.verify(token));
const seconds = (passport: Pick<Passport, 'expires_at'>): number =>
  (Date.parse(passport.expires_at) - state.host.nowMs()) / 1_000;
const holder = (passport: Passport, agentName = 'bot'): Caller => ({
  kind: 'passport',
  id: passport.jti,
  acting: {
    agentId: passport.agent_id,
    agentName,
    sessionId: passport.session_id,
    passportJti: passport.jti,
    declaredIntent: undefined,
  },
});
const actions = (): readonly string[] => state.entries.map(({ action }) => action);

test('an enforced lease is the shorter of lifetime and interval, a logged one is what was asked for', async () => {
  assert.equal(seconds(await issued()), 300);
  assert.equal(seconds(await issued({ checkpoint_interval_seconds: 120 })), 120);
  assert.equal(seconds(await issued({ ttl_seconds: 60, checkpoint_interval_seconds: 120 })), 60);
  for (const mode of ['logged', 'standard'] as const) {
    await setAgent(state, botId, { mode });
    assert.equal(seconds(await issued({ checkpoint_interval_seconds: 120 })), 900);
  }
});

test('a report in time extends the lease, the same token works on, and a fresh one is given', async () => {
  const { token, jti } = await issued();
  state.host.pass(299_000);
  const { output } = must(await checkpoint(jti));
  assert.equal(seconds(output as Passport), 300);
  state.host.pass(299_999);
  assert.deepEqual([code(token), code(String(output['token']))], ['ok', 'ok']);
  const fresh = JSON.parse(Buffer.from(String(output['token']).split('.')[1] ?? '', 'base64url').toString());
  assert.deepEqual([fresh.jti, fresh.exp * 1_000], [jti, Date.parse(String(output['expires_at']))]);
  state.host.pass(1);
  assert.deepEqual([code(token), code(String(output['token']))], ['PASSPORT_EXPIRED', 'PASSPORT_EXPIRED']);
});

test('a missed report lets it die by any margin, and a late one brings nothing back', async () => {
  const { token, jti } = await issued();
  state.host.pass(300_000);
  assert.equal(code(token), 'PASSPORT_EXPIRED');
  assert.equal(codeOf(await checkpoint(jti)), 'PASSPORT_EXPIRED');
});

test('a report that comes too late to be committed extends nothing', async () => {
  const { token, jti } = await issued();
  const late = {
    ...state,
    commit: async (unit: Parameters<State['commit']>[0]) => {
      must(await checkout(jti));
      return state.commit(unit);
    },
  };
  const input = { jti, services_used: [], actions_count: 0 };
  assert.equal(codeOf(await act(late, 'stack_checkpoint', { caller: KEY, input })), 'CONFLICT');
  assert.equal(code(token), 'PASSPORT_REVOKED');
});

test('reports carry a mission on to its longest and no further', async () => {
  state.world.missionSeconds = 700;
  const { token, jti } = await issued();
  for (let count = 0; count < 3; count += 1) {
    state.host.pass(200_000);
    must(await checkpoint(jti));
  }
  state.host.pass(99_999);
  assert.equal(code(token), 'ok');
  must(await checkpoint(jti));
  state.host.pass(1);
  assert.equal(code(token), 'PASSPORT_EXPIRED');
});

test('a child reports for itself and never outlives its parent', async () => {
  const parent = await issued();
  state.host.pass(200_000);
  const child = await delegated(parent.jti);
  assert.equal(seconds(child), 100);
  must(await checkpoint(child.jti));
  state.host.pass(50_000);
  must(await checkpoint(parent.jti));
  const { output } = must(await checkpoint(child.jti));
  assert.equal(seconds(output as Passport), 300);
  state.host.pass(299_000);
  must(await checkpoint(child.jti));
  state.host.pass(1_000);
  assert.deepEqual([code(parent.token), code(child.token)], ['PASSPORT_EXPIRED', 'PASSPORT_EXPIRED']);
});

test('in logged mode a report is noted and moves nothing', async () => {
  await setAgent(state, botId, { mode: 'logged' });
  const { jti, expires_at } = await issued();
  state.host.pass(100_000);
  assert.equal(must(await checkpoint(jti)).output['expires_at'], expires_at);
  assert.ok(actions().includes('passport.checkpoint'));
});

test('in standard mode there is neither checkpoint nor checkout', async () => {
  await setAgent(state, botId, { mode: 'standard' });
  const { jti } = await issued({ intent: undefined });
  for (const asked of [checkpoint(jti), checkout(jti)])
    assert.equal(codeOf(await asked), 'CHECKPOINT_NOT_AVAILABLE');
});

test('a service that was never declared is an event at once: critical when enforced, else a warning', async () => {
  for (const [mode, severity] of [
    ['enforced', 'critical'],
    ['logged', 'warning'],
  ] as const) {
    await setAgent(state, botId, { mode });
    const { jti, token } = await issued();
    const { output } = must(await checkpoint(jti, { services_used: ['slack', 'github'] }));
    const event = { type: 'credential_outside_scope', severity, services: ['github'] };
    assert.deepEqual(output['events'], [event]);
    const entry = state.entries.findLast(({ action }) => action === 'event.credential_outside_scope');
    assert.deepEqual([entry?.passport_jti, entry?.detail['severity']], [jti, severity]);
    assert.equal(code(token), 'ok');
  }
});

test('on_critical and on_warning block the agent, whose passports then stop', async () => {
  for (const [mode, field] of [
    ['enforced', 'on_critical'],
    ['logged', 'on_warning'],
  ] as const) {
    await setAgent(state, botId, { mode, status: 'active', on_critical: 'notify', on_warning: 'notify' });
    await setAgent(state, botId, { [field]: 'block' });
    const { jti, token } = await issued();
    const { output } = must(await checkpoint(jti, { services_used: ['github'] }));
    assert.equal(output['token'], null);
    // Blocking revokes, so that nothing that it holds comes back with it.
    assert.equal(code(token), 'PASSPORT_REVOKED');
    const again = await act(state, 'stack_issue_passport', { caller: KEY, input: { agent: 'bot', intent } });
    assert.equal(codeOf(again), 'PASSPORT_BLOCKED');
  }
});

test('an agent has no other blocked by what it reports of a passport that it delegated', async () => {
  const helper = state.directory.find('helper');
  assert.ok(helper);
  await setAgent(state, helper.id, { on_critical: 'block' });
  const parent = await issued();
  const child = await delegated(parent.jti);
  const lie = { services_used: ['github'] };
  const bound: Caller = { ...holder(parent), kind: 'key', id: 'key_three', bound: true };
  // Who delegates has the token of the child as well.
  for (const liar of [holder(parent), holder(child, 'helper'), bound]) {
    const { output } = must(await checkpoint(child.jti, lie, liar));
    assert.equal((output['events'] as unknown[]).length, 1);
    assert.equal(state.directory.find('helper')?.status, 'active');
  }
  const { output } = must(await checkout(child.jti, lie, holder(parent)));
  assert.equal(output['bucket'], 'flagged');
  assert.equal(state.directory.find('helper')?.status, 'active');
  const below = await delegated(parent.jti);
  must(await checkpoint(below.jti, lie, PERSON));
  assert.equal(state.directory.find('helper')?.status, 'blocked');
});

test('a passport that an agent delegated to itself blocks it as its own does', async () => {
  await setAgent(state, botId, { on_critical: 'block' });
  const parent = await issued();
  const child = await delegated(parent.jti, { child_agent_id: 'bot' });
  must(await checkpoint(child.jti, { services_used: ['github'] }, holder(child)));
  assert.equal(state.directory.find('bot')?.status, 'blocked');
});

test('checkout is final, for it and for all that was delegated from it', async () => {
  const parent = await issued();
  const child = await delegated(parent.jti);
  const { output } = must(await checkout(parent.jti, { outcome: 'success', summary: 'done' }));
  assert.equal(output['bucket'], 'clean');
  assert.deepEqual([code(parent.token), code(child.token)], ['PASSPORT_REVOKED', 'PASSPORT_REVOKED']);
  for (const asked of [checkout(parent.jti), checkpoint(parent.jti), checkpoint(child.jti)])
    assert.equal(codeOf(await asked), 'PASSPORT_REVOKED');
});

test('a checkout is flagged by what was noticed before it, and may come after the lease', async () => {
  const { jti } = await issued();
  must(await checkpoint(jti, { services_used: ['github'] }));
  assert.equal(must(await checkout(jti)).output['bucket'], 'flagged');
  const lapsed = await issued();
  state.host.pass(400_000);
  assert.equal(must(await checkout(lapsed.jti, { outcome: 'failure' })).output['bucket'], 'clean');
  const forgotten = await issued();
  state.host.pass(300_000 + 86_400_000);
  assert.equal(codeOf(await checkout(forgotten.jti)), 'PASSPORT_EXPIRED');
});

test('a mission is reported by its passport, by one above it, by the key that minted it, and by a person', async () => {
  const parent = await issued();
  const child = await delegated(parent.jti);
  const other = await issued();
  assert.equal(codeOf(await checkpoint(child.jti, {}, holder(child, 'helper'))), 'ok');
  assert.equal(codeOf(await checkpoint(child.jti, {}, holder(parent))), 'ok');
  assert.equal(codeOf(await checkpoint(child.jti, {}, PERSON)), 'ok');
  assert.equal(codeOf(await checkpoint(parent.jti, {}, holder(child, 'helper'))), 'FORBIDDEN');
  assert.equal(codeOf(await checkpoint(parent.jti, {}, holder(other))), 'NOT_FOUND');
  assert.equal(codeOf(await checkpoint(parent.jti, {}, OTHER_KEY)), 'NOT_FOUND');
  assert.equal(codeOf(await checkout('pp_nobody')), 'NOT_FOUND');
});

test('what an agent reports is cut in the log to what an entry holds', async () => {
  const { jti } = await issued();
  const names = Array.from({ length: 100 }, (_, at) => `${'s'.repeat(60)}${at}`);
  must(await checkpoint(jti, { services_used: names, summary: '\u0001'.repeat(1_000) }));
  for (const { detail } of state.entries.slice(-2))
    assert.ok(Buffer.byteLength(JSON.stringify(detail)) <= 4_096, String(JSON.stringify(detail).length));
});

test('checkout of the passport behind X-Stack-Agent ends its session; the next call begins another', async () => {
  const ask = () =>
    state.standing.ensure({
      key: KEY.id,
      agentName: 'bot',
      intent: undefined,
      readOnly: false,
      trace: TRACE,
    });
  const first = must(await ask());
  must(await checkout(first.jti));
  const next = must(await ask());
  assert.notEqual(next.jti, first.jti);
  assert.notEqual(next.sessionId, first.sessionId);
});

test('the own key of an agent reports, delegates, refreshes and reads for its agent alone', async () => {
  const mine = await issued();
  const ownKey = (agentId: string): Caller => ({
    kind: 'agent_key',
    id: 'akey_1',
    bound: true,
    acting: {
      agentId,
      agentName: 'x',
      sessionId: undefined,
      passportJti: undefined,
      declaredIntent: undefined,
      implied: true,
    },
  });
  const [own, other] = [ownKey(botId), ownKey('agt_other')];
  const asked = (caller: Caller) => [
    () =>
      act(state, 'stack_delegate_passport', {
        caller,
        input: { parent_token: mine.token, child_agent_id: 'helper', intent },
      }),
    () => checkpoint(mine.jti, {}, caller),
    () => act(state, 'stack_get_passport_report', { caller, input: { jti: mine.jti } }),
    () => act(state, 'stack_refresh_passport', { caller, input: { token: mine.token } }),
  ];
  for (const answer of asked(other)) assert.match(codeOf(await answer()), /^(?:FORBIDDEN|NOT_FOUND)$/);
  // Without the token the key that minted it is needed.
  const named = act(state, 'stack_refresh_passport', { caller: own, input: { jti: mine.jti } });
  assert.equal(codeOf(await named), 'NOT_FOUND');
  for (const answer of asked(own)) assert.equal(codeOf(await answer()), 'ok');
});
