// Limits of an agent, by the clock: exactly as many calls as they say, and a wait that is true.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAllowances } from '#features/agents/allowance.ts';
import type { AgentLimits } from '#features/agents/model.ts';

const DAY_MS = 86_400_000;
const NOON = 20_000 * DAY_MS + DAY_MS / 2;

function agent() {
  const allowances = createAllowances();
  const take = (limits: AgentLimits, seconds: number, nowMs = NOON + seconds * 1_000) =>
    allowances.take({ agentId: 'agt_1', limits }, { nowMs, monotonicMs: seconds * 1_000 });
  return { allowances, take };
}

test('calls of a minute: as many in any 60 seconds as the limit says, and the wait ends when one more fits', () => {
  const { take } = agent();
  const limits = { calls_per_minute: 3 };
  assert.deepEqual(
    [0, 10, 50].map((at) => take(limits, at)),
    [undefined, undefined, undefined],
  );
  assert.deepEqual(take(limits, 51), { limit: 'calls_per_minute', value: 3, retryAfterSeconds: 9 });
  assert.equal(take(limits, 59.9)?.retryAfterSeconds, 1);
  assert.equal(take(limits, 60), undefined, 'the first has left the window');
  assert.equal(take(limits, 61)?.retryAfterSeconds, 9, 'the window slides: 10, 50 and 60 are in it');
});

test('five hundred at once are exactly a hundred', () => {
  const { take } = agent();
  const passed = Array.from({ length: 500 }, () => take({ calls_per_minute: 100 }, 1)).filter(
    (used) => used === undefined,
  );
  assert.equal(passed.length, 100);
});

test('a limit that a reload changes holds at the next call, with what was counted under the one before', () => {
  const { take } = agent();
  for (const at of [0, 1, 2, 3]) assert.equal(take({ calls_per_minute: 5 }, at), undefined);
  assert.equal(take({ calls_per_minute: 2 }, 4)?.retryAfterSeconds, 58, 'narrowed: 2 and 3 count');
  assert.equal(take({ calls_per_minute: 3 }, 5), undefined, 'widened: one more');
  assert.equal(take({ calls_per_minute: 3 }, 6)?.limit, 'calls_per_minute');
  assert.equal(take({}, 7), undefined, 'taken away');
});

test('calls under way: a place is free when a call has ended, however', () => {
  const { allowances, take } = agent();
  const limits = { concurrency: 2 };
  assert.deepEqual([take(limits, 0), take(limits, 0)], [undefined, undefined]);
  assert.deepEqual(take(limits, 0), { limit: 'concurrency', value: 2, retryAfterSeconds: 1 });
  allowances.end('agt_1');
  assert.equal(take(limits, 0), undefined);
  assert.equal(take(limits, 0)?.limit, 'concurrency', 'a refused one took no place');
});

test('calls of a day: counted on from what the log has, until midnight UTC', () => {
  const { allowances, take } = agent();
  const limits = { calls_per_day: 10 };
  assert.equal(allowances.lacksDay({ agentId: 'agt_1', limits }), true);
  allowances.readDay({ agentId: 'agt_1', limits }, { nowMs: NOON, calls: 9 });
  assert.equal(allowances.lacksDay({ agentId: 'agt_1', limits }), false);
  assert.equal(take(limits, 0), undefined);
  assert.deepEqual(take(limits, 60), {
    limit: 'calls_per_day',
    value: 10,
    retryAfterSeconds: DAY_MS / 2_000 - 60,
  });
  assert.equal(
    take(limits, 61, NOON - DAY_MS)?.limit,
    'calls_per_day',
    'a clock that went back frees nothing',
  );
  assert.equal(take(limits, 62, NOON + DAY_MS / 2), undefined, 'midnight');
  assert.equal(
    allowances.lacksDay({ agentId: 'agt_1', limits: { calls_per_day: 11 } }),
    true,
    'another limit is read anew',
  );
});

test('of several limits that are used up the one is named that takes longest to free', () => {
  const { allowances, take } = agent();
  const limits = { calls_per_minute: 1, calls_per_day: 1, concurrency: 1 };
  allowances.readDay({ agentId: 'agt_1', limits }, { nowMs: NOON, calls: 0 });
  assert.equal(take(limits, 0), undefined);
  assert.equal(take(limits, 1)?.limit, 'calls_per_day');
  assert.equal(take({ calls_per_minute: 1, concurrency: 1 }, 1)?.limit, 'calls_per_minute');
});

test('a call whose intent the log did not take counts neither in the minute nor in the day', () => {
  const { allowances, take } = agent();
  const limits = { calls_per_minute: 2, calls_per_day: 2, concurrency: 5 };
  allowances.readDay({ agentId: 'agt_1', limits }, { nowMs: NOON, calls: 0 });
  for (const at of [0, 1, 70, 71, 72]) {
    assert.equal(take(limits, at), undefined);
    allowances.undo('agt_1');
    allowances.end('agt_1');
  }
  assert.deepEqual([take(limits, 73), take(limits, 74)], [undefined, undefined]);
  assert.equal(take(limits, 75)?.value, 2);
});

test('agents do not count for each other', () => {
  const { allowances } = agent();
  const at = { nowMs: NOON, monotonicMs: 0 };
  const take = (id: string) => allowances.take({ agentId: id, limits: { calls_per_minute: 1 } }, at);
  assert.deepEqual([take('agt_1'), take('agt_2')], [undefined, undefined]);
  assert.equal(take('agt_1')?.limit, 'calls_per_minute');
});
