// A sample of the load plan (security plan 5.6); heavy/endurance.test.ts is the whole of it. How fast and how large is judged there
// alone: here other tests run beside.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import { judgeTruth } from '#test/endurance/judge.ts';
import { endure } from '#test/endurance/run.ts';
import { sample } from '#test/endurance/settings.ts';
import { allHold } from '#test/endurance/verdict.ts';
import { PROGRAM } from '#test/support/appliance.ts';

describe('many agents at once, while keys rotate, configs change and the process is killed', () => {
  it('invariant 1: get every answer that a kill did not take, and the log has each call once', async (t) => {
    const progress = (text: string): void => t.diagnostic(text);
    const evidence = await endure({ settings: sample, program: PROGRAM, below: tmpdir(), progress });
    allHold(t, evidence, judgeTruth(evidence));
    const { kills, reloads, rotations } = evidence.acts;
    assert.ok(kills > 0 && reloads > 0 && rotations > 0, 'it must have been disturbed');
    const answered = evidence.calls.filter(({ kind }) => kind === 'right').length;
    assert.ok(answered > sample.agents, `${answered} calls were answered: the load must have been a load`);
  });
});
