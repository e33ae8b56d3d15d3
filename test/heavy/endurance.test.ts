// The load plan in full (security plan 5.6): a crowd of 1,000 agents for ten minutes, and half of its load for thirty, with kills,
// reloads and rotations. STACK_ENTRY=dist/stack, since memory is judged of what is shipped. STACK_MINUTES makes both runs shorter
// or longer.
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { judgeSize, judgeTruth } from '#test/endurance/judge.ts';
import { endure } from '#test/endurance/run.ts';
import { crowd, type Settings, soak } from '#test/endurance/settings.ts';
import { allHold, progress } from '#test/endurance/verdict.ts';
import { PROGRAM, ROOT } from '#test/support/appliance.ts';

const given = process.env['STACK_MINUTES'];
const minutes = given === undefined ? undefined : Number(given);
/** Not in memory: a commit is to cost what it costs. */
const below = resolve(ROOT, 'dist');

async function holds(t: Parameters<typeof allHold>[0], settings: Settings): Promise<void> {
  const evidence = await endure({ settings, program: PROGRAM, below, progress });
  allHold(t, evidence, [...judgeTruth(evidence), ...judgeSize(evidence)]);
}

describe('the load plan', () => {
  it('crowd: 1,000 agents make 300 calls/s', (t) => holds(t, crowd(minutes)));

  it('soak: half of that with kills, reloads and rotations', (t) => holds(t, soak(minutes)));
});
