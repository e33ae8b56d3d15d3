// Revocation by passport, agent, session and at large: who may, what descends goes with it, and no child slips through while
// it is born. What is open under it is another test (scenarios/cuts.test.ts).
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { insertPassport, type PassportRow, passportBy } from '#features/passports/store.ts';
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
} from '#test/features/passports/state.ts';

let state: State;
let botId: string;
let helperId: string;
beforeEach(async () => {
  state = openState();
  botId = await addAgent(state, 'bot');
  helperId = await addAgent(state, 'helper');
});
afterEach(() => state.close());

const intent = { summary: 'post the news', services: ['slack'] };

async function root(agent = 'bot', caller: Caller = KEY): Promise<PassportRow> {
  const issued = must(await act(state, 'stack_issue_passport', { caller, input: { agent, intent } }));
  const row = passportBy(state.reader, String(issued.output['jti']));
  assert.ok(row);
  return row;
}

/** A row as a delegation leaves it. */
async function child(parent: PassportRow, given: Partial<PassportRow> = {}): Promise<PassportRow> {
  const row = {
    ...parent,
    jti: state.host.id('pp'),
    agent_id: helperId,
    agent_name: 'helper',
    parent_jti: parent.jti,
    ...given,
  };
  must(await state.commit({ statements: [insertPassport(row)], entries: [] }));
  return row;
}

const revoke = (name: string, input: Record<string, unknown>, caller: Caller = PERSON) =>
  act(state, name, { caller, input });
const revokeOne = ({ jti }: Pick<PassportRow, 'jti'>, caller: Caller = PERSON) =>
  revoke('stack_revoke_passport', { jti, reason: 'test' }, caller);
const isDead = ({ jti }: PassportRow): boolean => passportBy(state.reader, jti)?.revoked_at !== null;
const dead = (...rows: PassportRow[]): boolean[] => rows.map(isDead);
const sorted = (texts: unknown): unknown[] => [...(texts as string[])].sort();
const jtis = (...rows: PassportRow[]): string[] => rows.map(({ jti }) => jti).sort();

/** As the transport shows a passport that is a Bearer. */
const bearing = ({ jti, agent_id, agent_name, session_id }: PassportRow): Caller => ({
  kind: 'passport',
  id: jti,
  acting: {
    agentId: agent_id,
    agentName: agent_name,
    sessionId: session_id,
    passportJti: jti,
    declaredIntent: undefined,
  },
});

async function tree() {
  const top = await root();
  const [left, right] = [await child(top), await child(top)];
  const [below, under] = [await child(left), await child(right)];
  return { top, left, right, below, under };
}

describe('invariant 6: a revocation takes everything that descends from what it names', () => {
  it('ends a subtree and nothing beside or above it', async () => {
    const { top, left, right, below, under } = await tree();
    const { output } = must(await revokeOne(left));
    assert.deepEqual(sorted(output['revoked']), jtis(left, below));
    assert.equal(output['cascaded'], 1);
    assert.deepEqual(dead(left, below), [true, true]);
    assert.deepEqual(dead(top, right, under), [false, false, false]);
  });

  it('writes one entry for each passport: who was named, and who went with it', async () => {
    const { left, below } = await tree();
    state.entries.length = 0;
    must(await revokeOne(left));
    const said = state.entries.map(({ action, passport_jti, agent_id, actor, detail }) => ({
      ...{ action, passport_jti, agent_id, by: actor.id },
      detail,
    }));
    const about = { agent_id: helperId, by: 'local' };
    assert.deepEqual(said, [
      {
        action: 'passport.revoke',
        passport_jti: left.jti,
        ...about,
        detail: { kind: 'single', reason: 'test' },
      },
      {
        action: 'passport.revoke_cascade',
        passport_jti: below.jti,
        ...about,
        detail: { kind: 'single', parent: left.jti },
      },
    ]);
  });

  it('comes to an end where rows descend from each other in a circle', async () => {
    const top = await root();
    const last = state.host.id('pp');
    const first = await child(top, { parent_jti: last });
    const second = await child(first);
    const third = await child(second, { jti: last });
    const { output } = must(await revokeOne(second));
    assert.deepEqual(sorted(output['revoked']), jtis(first, second, third));
    assert.equal(isDead(top), false);
  });

  it('finds a child that is born between the reading and the unit (corpus R016)', async () => {
    const top = await root();
    await child(top);
    const commit = state.commit;
    let born: PassportRow | undefined;
    state.commit = async (unit) => {
      state.commit = commit;
      born = await child(top);
      return commit(unit);
    };
    const { output } = must(await revokeOne(top));
    assert.ok(born);
    assert.equal((output['revoked'] as string[]).length, 3);
    assert.equal(isDead(born), true);
  });

  it('says nothing of a passport that somebody else has revoked meanwhile', async () => {
    const { top, left, below } = await tree();
    const commit = state.commit;
    state.commit = async (unit) => {
      state.commit = commit;
      must(await revokeOne(left));
      return commit(unit);
    };
    const { output } = must(await revokeOne(top));
    const revoked = output['revoked'] as string[];
    assert.deepEqual([revoked.includes(left.jti), revoked.includes(below.jti)], [false, false]);
    assert.equal(revoked.length, 3);
    const named = state.entries.filter(({ passport_jti }) => passport_jti === left.jti);
    assert.equal(named.length, 1);
  });

  it('is not kept from its end by a subtree that changes under every reading', async () => {
    const top = await root();
    await child(top);
    const commit = state.commit;
    // Just before each unit one of those it names is revoked by another, and one more is born.
    const restless = async (unit: Parameters<State['commit']>[0]) => {
      state.commit = commit;
      const doomed = unit.entries.find(({ action }) => action === 'passport.revoke_cascade')?.passport_jti;
      if (typeof doomed === 'string') must(await revokeOne({ jti: doomed }));
      if (!isDead(top)) await child(top);
      state.commit = restless;
      return commit(unit);
    };
    state.commit = restless;
    const { output } = must(await revokeOne(top));
    assert.ok((output['revoked'] as string[]).includes(top.jti));
    assert.equal(isDead(top), true);
  });

  it('also ends what has expired and could still be refreshed', async () => {
    const top = await root();
    const below = await child(top);
    state.host.pass(3_600_000);
    must(await revokeOne(top));
    assert.deepEqual(dead(top, below), [true, true]);
  });
});

describe('who may revoke one', () => {
  it('a passport may itself and what descends from it, of whatever agent; never what is above or beside', async () => {
    const { top, left, right, below, under } = await tree();
    const caller = bearing(left);
    for (const foreign of [top, right, under])
      assert.notEqual(codeOf(await revokeOne(foreign, caller)), 'ok');
    assert.deepEqual(dead(top, right, under), [false, false, false]);
    must(await revokeOne(below, caller));
    must(await revokeOne(left, caller));
    assert.deepEqual(dead(below, left), [true, true]);
  });

  it('a parent may revoke a child of another agent', async () => {
    const top = await root();
    const below = await child(top);
    must(await revokeOne(below, bearing(top)));
    assert.deepEqual(dead(top, below), [false, true]);
  });

  it('revoking what is revoked already changes nothing, and says so', async () => {
    const top = await root();
    must(await revokeOne(top));
    assert.deepEqual(must(await revokeOne(top)).output['revoked'], []);
  });
});

describe('revocation of an agent', () => {
  const byAgent = (agent: string, caller?: Caller) =>
    revoke('stack_revoke_agent_passports', { agent_id: agent }, caller);

  it('takes all its passports and their descendants, and none of another agent', async () => {
    const [first, second, other] = [await root(), await root(), await root('helper')];
    const below = await child(first);
    const { output } = must(await byAgent('bot'));
    assert.deepEqual(sorted(output['revoked']), jtis(first, second, below));
    assert.equal(output['cascaded'], 1);
    assert.equal(isDead(other), false);
  });

  it('by a key takes only what that key minted', async () => {
    const [own, foreign] = [await root(), await root('bot', OTHER_KEY)];
    must(await byAgent(botId, KEY));
    assert.deepEqual(dead(own, foreign), [true, false]);
  });

  it('is not for a passport, nor for a caller that acts for another agent', async () => {
    const top = await root();
    assert.equal(codeOf(await byAgent('bot', bearing(top))), 'FORBIDDEN');
    const acting = bearing(await root('helper')).acting;
    assert.ok(acting);
    assert.equal(codeOf(await byAgent('bot', { ...KEY, acting })), 'FORBIDDEN');
    assert.equal(codeOf(await byAgent('nobody')), 'NOT_FOUND');
    assert.equal(isDead(top), false);
  });
});

describe('revocation of a session', () => {
  const bySession = (session_id: string, caller?: Caller) =>
    revoke('stack_revoke_session', { session_id }, caller);

  it('takes every passport of the mission and no other', async () => {
    const { top, left, right, below, under } = await tree();
    const other = await root();
    const { output } = must(await bySession(top.session_id));
    assert.deepEqual(sorted(output['revoked']), jtis(top, left, right, below, under));
    assert.equal(isDead(other), false);
  });

  it('is for whoever the mission is of: not for an agent further down', async () => {
    const top = await root();
    const below = await child(top);
    const acting = bearing(below).acting;
    assert.ok(acting);
    assert.equal(codeOf(await bySession(top.session_id, { ...KEY, acting })), 'FORBIDDEN');
    assert.equal(codeOf(await bySession(top.session_id, bearing(below))), 'FORBIDDEN');
    const above = bearing(top).acting;
    assert.ok(above);
    must(await bySession(top.session_id, { ...KEY, acting: above }));
    assert.deepEqual(dead(top, below), [true, true]);
  });

  it('of an unknown session revokes nothing', async () => {
    assert.deepEqual(must(await bySession('ses_none')).output['revoked'], []);
  });
});

describe('revocation of everything', () => {
  const all = (input: Record<string, unknown>, caller?: Caller) =>
    revoke('stack_revoke_all_passports', input, caller);

  it('needs confirm: true', async () => {
    const top = await root();
    for (const input of [{}, { confirm: false }, { confirm: 'true' }])
      assert.equal(codeOf(await all(input)), 'INVALID_REQUEST');
    assert.equal(isDead(top), false);
  });

  it('by a person leaves no passport alive; by a key none that it minted', async () => {
    const [own, foreign] = [await root(), await root('helper', OTHER_KEY)];
    must(await all({ confirm: true }, KEY));
    assert.deepEqual(dead(own, foreign), [true, false]);
    const again = await root();
    const { output } = must(await all({ confirm: true }));
    assert.deepEqual(sorted(output['revoked']), jtis(foreign, again));
    assert.deepEqual(dead(foreign, again), [true, true]);
  });

  it('is not for a caller whose agent the transport names', async () => {
    const top = await root();
    const { acting } = bearing(top);
    assert.ok(acting);
    assert.equal(codeOf(await all({ confirm: true }, { ...KEY, acting })), 'FORBIDDEN');
    assert.equal(isDead(top), false);
  });

  it('comes to an end though passports are issued all the time', async () => {
    const top = await root();
    const commit = state.commit;
    const busy = async (unit: Parameters<State['commit']>[0]) => {
      state.commit = commit;
      await root();
      const committed = await commit(unit);
      state.commit = busy;
      return committed;
    };
    state.commit = busy;
    const { output } = must(await all({ confirm: true }));
    assert.deepEqual(output['revoked'], [top.jti]);
  });
});

describe('what ends passports without naming one', () => {
  it('the end of an agent takes its passports with all below them, of whatever agent', async () => {
    await addAgent(state, 'temp', { config: false });
    state.world.ceiling = { mode: undefined, services: [{ service: 'slack', scopes: ['slack:chat:*'] }] };
    const top = await root('temp');
    const below = await child(top);
    must(await act(state, 'stack_delete_agent', { caller: PERSON, input: { id: 'temp' } }));
    assert.deepEqual(dead(top, below), [true, true]);
    assert.equal(passportBy(state.reader, below.jti)?.revoke_reason, 'Agent deleted');
  });

  it('a renewed standing passport is one to whoever revokes it', async () => {
    const ensure = () =>
      state.standing.ensure({
        ...{ key: KEY.id, agentName: 'bot', intent: undefined, readOnly: false },
        trace: { traceId: 'a', spanId: 'b' },
      });
    const first = must(await ensure());
    state.host.pass(870_000);
    const second = must(await ensure());
    assert.notEqual(first.jti, second.jti);
    const { output } = must(await revokeOne(second));
    assert.deepEqual(sorted(output['revoked']), [first.jti, second.jti].sort());
    assert.equal(output['cascaded'], 0);
  });
});
