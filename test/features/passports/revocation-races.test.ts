// What takes the place of a passport in the moment between the reading of a revocation and its unit: the successor of a refresh,
// the renewal behind X-Stack-Agent. To their holder they are the same passport, so they go with it, however it was named.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createStanding } from '#features/passports/standing.ts';
import { passportBy } from '#features/passports/store.ts';
import {
  act,
  addAgent,
  codeOf,
  KEY,
  must,
  openState,
  PERSON,
  type State,
  TRACE,
} from '#test/features/passports/state.ts';

let state: State;
beforeEach(async () => {
  state = openState();
  await addAgent(state, 'bot');
  await addAgent(state, 'helper');
});
afterEach(() => state.close());

const intent = { summary: 'post the news', services: ['slack'] };
const LIFE_MS = 900_000;

type Made = { readonly jti: string; readonly session: string };

async function issue(): Promise<Made> {
  const { output } = must(
    await act(state, 'stack_issue_passport', { caller: KEY, input: { agent: 'bot', intent } }),
  );
  return { jti: String(output['jti']), session: String(output['session_id']) };
}

async function refresh(jti: string): Promise<string> {
  const { output } = must(await act(state, 'stack_refresh_passport', { caller: KEY, input: { jti } }));
  return String(output['jti']);
}

const REQUEST = { key: KEY.id, agentName: 'bot', intent: undefined, readOnly: false, trace: TRACE };
const ensure = () => state.standing.ensure(REQUEST);

async function standing(): Promise<Made> {
  const { jti, sessionId: session } = must(await ensure());
  return { jti, session };
}

/** Happens once, after the passports to revoke were read and before their unit is committed. */
function meanwhile<T>(what: () => Promise<T>): () => T {
  const { commit } = state;
  let done: { readonly value: T } | undefined;
  state.commit = async (unit) => {
    state.commit = commit;
    done = { value: await what() };
    return commit(unit);
  };
  return () => {
    assert.ok(done, 'nothing was committed');
    return done.value;
  };
}

const WAYS: readonly (readonly [string, (of: Made) => Record<string, unknown>])[] = [
  ['stack_revoke_passport', ({ jti }) => ({ jti })],
  ['stack_revoke_agent_passports', () => ({ agent_id: 'bot' })],
  ['stack_revoke_session', ({ session }) => ({ session_id: session })],
  ['stack_revoke_all_passports', () => ({ confirm: true })],
];

describe('invariant 6: a revocation takes what replaces a passport meanwhile', () => {
  for (const [name, input] of WAYS) {
    it(`${name}: the successor of a refresh`, async () => {
      const made = await issue();
      const successor = meanwhile(() => refresh(made.jti));
      const { output } = must(await act(state, name, { caller: PERSON, input: input(made) }));
      assert.equal(codeOf(state.verifier.byJti(successor())), 'PASSPORT_REVOKED');
      assert.ok((output['revoked'] as string[]).includes(successor()));
    });

    it(`${name}: the renewal of a standing passport`, async () => {
      const made = await standing();
      state.host.pass(LIFE_MS - 10_000);
      const renewal = meanwhile(async () => must(await ensure()).jti);
      must(await act(state, name, { caller: PERSON, input: input(made) }));
      assert.notEqual(renewal(), made.jti);
      assert.equal(codeOf(state.verifier.byJti(renewal())), 'PASSPORT_REVOKED');
      assert.equal(codeOf(await ensure()), 'PASSPORT_REVOKED');
    });
  }

  it('and a mission that began anew meanwhile stays', async () => {
    await issue();
    const other = meanwhile(async () => (await issue()).jti);
    must(await act(state, 'stack_revoke_agent_passports', { caller: PERSON, input: { agent_id: 'bot' } }));
    assert.equal(codeOf(state.verifier.byJti(other())), 'ok');
  });
});

describe('what a standing passport leaves behind', () => {
  it('a generation that was renewed and is over cannot be refreshed, whatever became of the session', async () => {
    const first = await standing();
    state.host.pass(LIFE_MS - 10_000);
    must(await ensure());
    state.host.pass(LIFE_MS - 10_000);
    const { jti } = must(await ensure());
    assert.equal(passportBy(state.reader, first.jti)?.standing, 0);
    must(await act(state, 'stack_revoke_passport', { caller: PERSON, input: { jti } }));
    const again = await act(state, 'stack_refresh_passport', { caller: KEY, input: { jti: first.jti } });
    assert.equal(codeOf(again), 'CONFLICT');
  });

  it('a checkout that lands while the renewal is being committed ends the session', async () => {
    const first = await standing();
    state.host.pass(LIFE_MS - 10_000);
    const { reader, verifier, host } = state;
    const checkOut = () => act(state, 'stack_checkout', { caller: KEY, input: { jti: first.jti } });
    let isOut = false;
    const raced = createStanding({
      ...{ reader, verifier, host, findAgent: state.directory.find },
      ttlSeconds: () => LIFE_MS / 1000,
      missionSeconds: () => 86_400,
      commit: async (unit) => {
        if (!isOut) must(await checkOut());
        isOut = true;
        return state.commit(unit);
      },
      draft: (fields) => ({ ...state.entries[0], ...fields }) as never,
    });
    const next = must(await raced.ensure(REQUEST));
    assert.notEqual(next.sessionId, first.session);
    assert.notEqual(must(await ensure()).sessionId, first.session);
  });
});
