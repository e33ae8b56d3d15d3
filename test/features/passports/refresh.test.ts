// Refresh: who may, until when, what stays the same, and that the old passport ends with the new one's first moment.
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

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SERVICES = [{ service: 'slack', scopes: ['slack:chat:*'] }];

let state: State;
let botId: string;
beforeEach(async () => {
  state = openState();
  botId = await addAgent(state, 'bot', { services: SERVICES });
  await addAgent(state, 'helper', { services: SERVICES });
});
afterEach(() => state.close());

type Passport = { token: string; jti: string; session_id: string; expires_at: string; services: unknown };
const intent = { summary: 'work', services: ['slack'] };
const issued = async (input: Record<string, unknown> = {}): Promise<Passport> =>
  must(await act(state, 'stack_issue_passport', { caller: KEY, input: { agent: 'bot', intent, ...input } }))
    .output as Passport;
const delegated = async (parent_jti: string, child_agent_id = 'helper'): Promise<Passport> =>
  must(
    await act(state, 'stack_delegate_passport', {
      caller: KEY,
      input: { parent_jti, child_agent_id, intent },
    }),
  ).output as Passport;
const refresh = (input: Record<string, unknown>, caller: Caller = KEY) =>
  act(state, 'stack_refresh_passport', { caller, input });
const refreshed = async (...of: Parameters<typeof refresh>): Promise<Passport> =>
  must(await refresh(...of)).output as Passport;
const revoke = (jti: string) =>
  act(state, 'stack_revoke_passport', { caller: PERSON, input: { jti, reason: 'test' } });
const code = (token: string): string => codeOf(state.verifier.verify(token));
const seconds = ({ expires_at }: Passport): number => (Date.parse(expires_at) - state.host.nowMs()) / 1_000;

test('a successor has the session, the services and the lifetime of the old one, which ends at once', async () => {
  const old = await issued({ ttl_seconds: 600, scopes: ['slack:chat:write'] });
  state.host.pass(500_000);
  const next = await refreshed({ token: old.token });
  assert.deepEqual([next.session_id, next.services], [old.session_id, old.services]);
  assert.notEqual(next.jti, old.jti);
  assert.equal(seconds(next), 600);
  assert.deepEqual([code(old.token), code(next.token)], ['PASSPORT_REVOKED', 'ok']);
  assert.equal(codeOf(await refresh({ jti: old.jti })), 'PASSPORT_REVOKED');
  assert.equal(must(state.verifier.verify(next.token)).intent?.summary, 'work');
});

test('it may be refreshed until a day after its end, to the millisecond', async () => {
  const [early, late] = [await issued({ ttl_seconds: 60 }), await issued({ ttl_seconds: 60 })];
  // A mission of a day and more, so that only the grace is asked about.
  state.host.pass(60_000 + DAY_MS - 1);
  const ends = { sql: 'UPDATE passports SET mission_ends_at = ?', parameters: [state.host.nowMs() + DAY_MS] };
  await state.commit({ statements: [ends], entries: [] });
  assert.equal(code((await refreshed({ token: early.token })).token), 'ok');
  state.host.pass(1);
  assert.equal(codeOf(await refresh({ token: late.token })), 'PASSPORT_EXPIRED');
});

test('a passport alone, another key and a stranger cannot refresh', async () => {
  const { jti, token, session_id } = await issued();
  const acting = { agentName: 'bot', passportJti: jti, sessionId: session_id, declaredIntent: undefined };
  const itself: Caller = { kind: 'passport', id: jti, acting: { ...acting, agentId: botId } };
  assert.equal(codeOf(await refresh({ token }, itself)), 'FORBIDDEN');
  assert.equal(codeOf(await refresh({ token }, OTHER_KEY)), 'NOT_FOUND');
  const foreign: Caller = { ...KEY, acting: { ...acting, agentId: 'agt_other' } };
  assert.equal(codeOf(await refresh({ token }, foreign)), 'FORBIDDEN');
  for (const input of [{}, { jti, token }]) assert.equal(codeOf(await refresh(input)), 'INVALID_REQUEST');
  assert.equal(codeOf(await refresh({ token: `${token}x` })), 'PASSPORT_INVALID');
  assert.equal(codeOf(await refresh({ jti }, PERSON)), 'ok');
});

test('what was revoked, checked out, or lapsed by a missed checkpoint has no successor', async () => {
  const gone = await issued();
  await revoke(gone.jti);
  assert.equal(codeOf(await refresh({ token: gone.token })), 'PASSPORT_REVOKED');
  const done = await issued();
  must(await act(state, 'stack_checkout', { caller: KEY, input: { jti: done.jti } }));
  assert.equal(codeOf(await refresh({ token: done.token })), 'PASSPORT_REVOKED');
  const silent = await issued({ checkpoint_interval_seconds: 120 });
  state.host.pass(120_000);
  assert.equal(codeOf(await refresh({ token: silent.token })), 'PASSPORT_EXPIRED');
});

test('one that ended by its time before a report was due may be refreshed, and so may a logged one', async () => {
  const short = await issued({ ttl_seconds: 60, checkpoint_interval_seconds: 120 });
  await setAgent(state, botId, { mode: 'logged' });
  const logged = await issued({ ttl_seconds: 60, checkpoint_interval_seconds: 60 });
  state.host.pass(130_000);
  for (const { token } of [short, logged]) assert.equal(codeOf(await refresh({ token })), 'ok');
});

test('a blocked agent, one that is gone and a standing passport are refused', async () => {
  const { token } = await issued();
  await setAgent(state, botId, { status: 'blocked' });
  assert.equal(codeOf(await refresh({ token })), 'PASSPORT_BLOCKED');
  await setAgent(state, botId, { status: 'active' });
  const request = { key: KEY.id, agentName: 'bot', intent: undefined, readOnly: false, trace: TRACE };
  const standing = must(await state.standing.ensure(request));
  assert.equal(codeOf(await refresh({ jti: standing.jti })), 'CONFLICT');
  state.world.agents.delete('bot');
  assert.equal(codeOf(await refresh({ token })), 'PASSPORT_REVOKED');
});

test('a mission cannot be refreshed beyond its longest', async () => {
  state.world.missionSeconds = 1_000;
  const first = await issued({ ttl_seconds: 900 });
  state.host.pass(900_000);
  const second = await refreshed({ token: first.token });
  assert.equal(seconds(second), 100);
  state.host.pass(100_000);
  assert.equal(codeOf(await refresh({ token: second.token })), 'PASSPORT_EXPIRED');
});

test('invariant 4: a successor is no wider than the old one, nor looser, nor longer than its parent', async () => {
  const parent = await issued({ scopes: ['slack:chat:write'], ttl_seconds: 600 });
  const child = await delegated(parent.jti);
  state.world.agents.set('helper', {
    mode: undefined,
    services: [{ service: 'slack', scopes: ['slack:*'] }],
  });
  state.host.pass(500_000);
  const next = await refreshed({ token: child.token, ttl_seconds: 3600 });
  assert.equal(seconds(next), 100);
  assert.deepEqual(next.services, child.services);
  assert.deepEqual(must(state.verifier.verify(next.token)).ancestors, [parent.jti]);
  await revoke(parent.jti);
  assert.equal(code(next.token), 'PASSPORT_REVOKED');
  assert.equal(codeOf(await refresh({ token: next.token })), 'PASSPORT_REVOKED');
});

test('what was delegated goes on under the successor of its parent, within its own lease, and dies with it', async () => {
  const root = await issued({ ttl_seconds: 600 });
  const child = await delegated(root.jti);
  const grandchild = await delegated(child.jti, 'bot');
  const next = await refreshed({ token: root.token });
  assert.deepEqual(must(state.verifier.verify(grandchild.token)).ancestors, [child.jti, next.jti]);
  const own = await refreshed({ token: child.token });
  assert.deepEqual(must(state.verifier.verify(grandchild.token)).ancestors, [own.jti, next.jti]);
  await revoke(next.jti);
  assert.deepEqual([code(own.token), code(grandchild.token)], ['PASSPORT_REVOKED', 'PASSPORT_REVOKED']);
});

test('of two refreshes at once one has a successor, and a revocation in between wins', async () => {
  const { token, jti } = await issued();
  const between = (step: () => Promise<unknown>): State => ({
    ...state,
    commit: async (unit) => {
      await step();
      return state.commit(unit);
    },
  });
  const second = between(() => refresh({ token }));
  assert.equal(
    codeOf(await act(second, 'stack_refresh_passport', { caller: KEY, input: { jti } })),
    'CONFLICT',
  );
  const other = await issued();
  const revoked = between(() => revoke(other.jti));
  const late = await act(revoked, 'stack_refresh_passport', { caller: KEY, input: { jti: other.jti } });
  assert.equal(codeOf(late), 'CONFLICT');
});
