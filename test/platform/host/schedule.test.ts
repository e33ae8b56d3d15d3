// Jobs run at once and then after each pause, never twice at a time, and outlive their own failures.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { setImmediate as settled } from 'node:timers/promises';
import { startJobs } from '#platform/host/schedule.ts';

const EVERY_MS = 1_000;
beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

async function pass(ms: number): Promise<void> {
  mock.timers.tick(ms);
  await settled();
}

test('a job runs at the start and then each time its pause is over', async () => {
  let runs = 0;
  const run = async (): Promise<void> => {
    runs += 1;
  };
  const schedule = startJobs([{ name: 'count', everyMs: EVERY_MS, run }], assert.fail);
  await settled();
  assert.equal(runs, 1);
  await pass(EVERY_MS - 1);
  assert.equal(runs, 1);
  await pass(1);
  await pass(EVERY_MS);
  assert.equal(runs, 3);
  await schedule.stop();
  await pass(10 * EVERY_MS);
  assert.equal(runs, 3);
});

test('a run that takes long is waited for: by the next run, and by the end', async () => {
  let runs = 0;
  let finish = (): void => undefined;
  const run = (): Promise<void> =>
    new Promise((resolve) => {
      runs += 1;
      finish = resolve;
    });
  const schedule = startJobs([{ name: 'slow', everyMs: EVERY_MS, run }], assert.fail);
  await pass(10 * EVERY_MS);
  assert.equal(runs, 1);
  let ended = false;
  const stopping = schedule.stop().then(() => {
    ended = true;
  });
  await settled();
  assert.equal(ended, false);
  finish();
  await stopping;
  await pass(10 * EVERY_MS);
  assert.equal(runs, 1);
});

test('a job that fails, even before it begins, is reported by name and runs again, and no other job is hurt', async () => {
  const failures: string[] = [];
  let others = 0;
  const failing = {
    name: 'failing',
    everyMs: EVERY_MS,
    run: () => {
      throw new Error('no');
    },
  };
  const count = async (): Promise<void> => {
    others += 1;
  };
  const other = { name: 'other', everyMs: EVERY_MS, run: count };
  const schedule = startJobs([failing, other], (name, thrown) => failures.push(`${name}: ${String(thrown)}`));
  await settled();
  await pass(EVERY_MS);
  assert.deepEqual(failures, ['failing: Error: no', 'failing: Error: no']);
  assert.equal(others, 2);
  await schedule.stop();
});
