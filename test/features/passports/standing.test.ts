// The automatic passport behind X-Stack-Agent: one per key and agent, one session, and revocation that holds.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createStanding } from '#features/passports/standing.ts';
import { standingOf } from '#features/passports/store.ts';
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
  botId = await addAgent(state, 'bot');
});
afterEach(() => state.close());

const ensure = (caller = KEY, agentName = 'bot') =>
  state.standing.ensure({ key: caller.id, agentName, intent: undefined, readOnly: false, trace: TRACE });
const revoke = (jti: string) => act(state, 'stack_revoke_passport', { caller: PERSON, input: { jti } });
const issue = (caller = KEY, input: Record<string, unknown> = {}) =>
  act(state, 'stack_issue_passport', {
    caller,
    input: { agent: 'bot', intent: { summary: 'post', services: ['slack'] }, ...input },
  });

test('fifty parallel first calls of one agent share one passport', async () => {
  const all = await Promise.all(Array.from({ length: 50 }, () => ensure()));
  assert.equal(new Set(all.map((one) => must(one).jti)).size, 1);
  assert.deepEqual(
    state.entries.map(({ action }) => action),
    ['passport.issue'],
  );
});

test('two keys hold two passports for one agent', async () => {
  assert.notEqual(must(await ensure()).jti, must(await ensure(OTHER_KEY)).jti);
});

test('a renewal keeps the session and is audited as a checkpoint', async () => {
  const first = must(await ensure());
  state.host.pass(850_000);
  const second = must(await ensure());
  assert.notEqual(second.jti, first.jti);
  assert.equal(second.sessionId, first.sessionId);
  assert.equal(state.entries.at(-1)?.action, 'passport.checkpoint');
});

test('a session lives no longer than a mission may; then another one begins, with an issue', async () => {
  state.world.missionSeconds = 3_600;
  const first = must(await ensure());
  const ends = state.host.nowMs() + 3_600_000;
  const seen = new Set([first.sessionId]);
  for (let renewals = 0; renewals < 3; renewals += 1) {
    state.host.pass(850_000);
    seen.add(must(await ensure()).sessionId);
  }
  assert.deepEqual([...seen], [first.sessionId]);
  state.host.pass(850_000);
  const next = must(await ensure());
  assert.ok(state.host.nowMs() < ends, 'before the old one is over');
  assert.notEqual(next.sessionId, first.sessionId);
  assert.equal(state.entries.at(-1)?.action, 'passport.issue');
});

test('a revocation of either of two missions stops X-Stack-Agent and what was delegated in both', async () => {
  state.world.missionSeconds = 900;
  const first = must(await ensure());
  const input = {
    parent_jti: first.jti,
    child_agent_id: 'bot',
    intent: { summary: 'x', services: ['slack'] },
  };
  const child = must(await act(state, 'stack_delegate_passport', { caller: KEY, input })).output;
  state.host.pass(850_000);
  const second = must(await ensure());
  assert.notEqual(second.sessionId, first.sessionId);
  must(await revoke(second.jti));
  assert.equal(codeOf(await ensure()), 'PASSPORT_REVOKED');
  assert.equal(codeOf(state.verifier.byJti(first.jti)), 'PASSPORT_REVOKED');
  assert.equal(codeOf(state.verifier.byJti(String(child['jti']))), 'PASSPORT_REVOKED');
});

test('with the shortest lifetime a passport still serves more than one call', async () => {
  state.world.ttlSeconds = 60;
  const first = must(await ensure());
  state.host.pass(5_000);
  assert.equal(must(await ensure()).jti, first.jti);
});

test('a session of fifty renewals stays a handful of standing rows, found by their index', async () => {
  const { sessionId } = must(await ensure());
  for (let renewals = 0; renewals < 50; renewals += 1) {
    state.host.pass(850_000);
    assert.equal(must(await ensure()).sessionId, sessionId);
  }
  const ask = (sql: string) =>
    state.reader.all<Record<string, unknown>>({ compile: () => ({ sql, parameters: [] }) as never });
  const [counted] = await ask('SELECT count(*) AS standing FROM passports WHERE standing = 1');
  assert.ok(Number(counted?.['standing']) <= 2);
  let asked = '';
  const recall = ({ sql }: { sql: string }): void => {
    asked = sql;
  };
  standingOf({ recall } as never, KEY.id, botId);
  const plan = await ask(`EXPLAIN QUERY PLAN ${asked.replaceAll('?', "'x'")}`);
  assert.match(
    String(plan[0]?.['detail']),
    /passports_standing \(minted_by=\? AND agent_id=\? AND standing=\?\)/,
  );
});

test('an unknown agent is not found and a blocked one is blocked', async () => {
  assert.equal(codeOf(await ensure(KEY, 'nobody')), 'NOT_FOUND');
  await setAgent(state, botId, { status: 'blocked' });
  assert.equal(codeOf(await ensure()), 'PASSPORT_BLOCKED');
});

test('once revoked it stays revoked, also after its lease would have ended', async () => {
  must(await revoke(must(await ensure()).jti));
  assert.equal(codeOf(await ensure()), 'PASSPORT_REVOKED');
  state.host.pass(86_400_000);
  assert.equal(codeOf(await ensure()), 'PASSPORT_REVOKED');
});

test('revoking the older of two passports of a session stops the standing session', async () => {
  const first = must(await ensure());
  state.host.pass(850_000);
  must(await ensure());
  must(await revoke(first.jti));
  assert.equal(codeOf(await ensure()), 'PASSPORT_REVOKED');
});

test('after a revocation the same key opens it again by declaring an intent', async () => {
  must(await revoke(must(await ensure()).jti));
  must(await issue());
  assert.equal(codeOf(await ensure()), 'ok');
});

test('another key, or a passport without an intent, opens nothing', async () => {
  await setAgent(state, botId, { mode: 'standard' });
  must(await revoke(must(await ensure()).jti));
  must(await issue(OTHER_KEY));
  must(await issue(KEY, { intent: undefined }));
  assert.equal(codeOf(await ensure()), 'PASSPORT_REVOKED');
});

test('an intent declared before the revocation opens nothing', async () => {
  const standing = must(await ensure());
  must(await issue());
  must(await revoke(standing.jti));
  assert.equal(codeOf(await ensure()), 'PASSPORT_REVOKED');
});

test('a revoked passport does not live again when the standing session is opened', async () => {
  const { jti } = must(await ensure());
  must(await revoke(jti));
  must(await issue());
  must(await ensure());
  assert.equal(codeOf(await state.verifier.byJti(jti)), 'PASSPORT_REVOKED');
});

test('a person who unblocks the agent opens it for every key', async () => {
  for (const caller of [KEY, OTHER_KEY]) must(await revoke(must(await ensure(caller)).jti));
  must(await act(state, 'stack_unblock_agent', { caller: PERSON, input: { id: 'bot' } }));
  assert.deepEqual([codeOf(await ensure()), codeOf(await ensure(OTHER_KEY))], ['ok', 'ok']);
});

test('a revocation that lands while the renewal is being committed wins', async () => {
  const { jti } = must(await ensure());
  state.host.pass(850_000);
  const { reader, verifier, host } = state;
  let raced = false;
  const standing = createStanding({
    reader,
    verifier,
    findAgent: state.directory.find,
    // Read, then revoked by another caller, then committed.
    commit: async (unit) => {
      if (!raced) must(await revoke(jti));
      raced = true;
      return state.commit(unit);
    },
    draft: (fields) => ({ ...state.entries[0], ...fields }) as never,
    ttlSeconds: () => 900,
    missionSeconds: () => 86_400,
    host,
  });
  const raceResult = await standing.ensure({
    key: KEY.id,
    agentName: 'bot',
    intent: undefined,
    readOnly: false,
    trace: TRACE,
  });
  assert.equal(codeOf(raceResult), 'PASSPORT_REVOKED');
  assert.equal(codeOf(await ensure()), 'PASSPORT_REVOKED');
});

test('a deleted agent that comes back under its name starts a session of its own', async () => {
  await addAgent(state, 'temp', { config: false });
  state.world.ceiling = { mode: undefined, services: [{ service: 'slack', scopes: ['slack:*'] }] };
  const before = must(await ensure(KEY, 'temp'));
  must(await act(state, 'stack_delete_agent', { caller: PERSON, input: { id: 'temp' } }));
  assert.equal(codeOf(await state.verifier.byJti(before.jti)), 'PASSPORT_REVOKED');
  must(await act(state, 'stack_register_agent', { caller: KEY, input: { name: 'temp' } }));
  const after = must(await ensure(KEY, 'temp'));
  assert.notEqual(after.sessionId, before.sessionId);
});
