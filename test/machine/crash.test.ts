// A sample of those crashes of the plan (security plan 5.2) that strace makes: a kill at a write, and what a loss of power leaves.
// heavy/crash.test.ts is the whole of it. Nothing acknowledged is lost, and nothing has left without its intent entry.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import { ACTS } from '#test/crash/acts.ts';
import { killAtEachWrite, killAtEachWriteOfStart } from '#test/crash/kills.ts';
import { replayLosses } from '#test/crash/power-loss.ts';
import { recordFirstStart, recordLoad } from '#test/crash/record.ts';
import { noViolations, SEED, skipWithoutStrace } from '#test/crash/verdict.ts';

const skip = skipWithoutStrace();
/** Memory, where there is some: thousands of small writes and syncs. */
const SCRATCH = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const LOSSES = { modes: ['kept', 'dropped', 'half', 'torn'], seeds: [SEED] } as const;

describe('kill -9 at a write', { skip }, () => {
  it('invariant 1: of an act loses nothing that was acknowledged', async (t) => {
    const { kills } = await noViolations(t, () =>
      killAtEachWrite({ seed: SEED, acts: Object.keys(ACTS), sample: 4 }),
    );
    assert.ok(kills >= 2, `${kills} of 4 points were reached`);
  });

  it('of the start after a crash leaves what the next start mends', async (t) => {
    const { kills } = await noViolations(t, () => killAtEachWriteOfStart({ seed: SEED, sample: 2 }));
    assert.ok(kills >= 1);
  });
});

describe('loss of power', { skip }, () => {
  it('in the first start leaves what the next start makes whole', async (t) => {
    const recording = await recordFirstStart(SEED, SCRATCH);
    t.after(() => recording.stage.dispose());
    await noViolations(t, () => replayLosses(recording, { ...LOSSES, every: 16 }));
  });

  it('invariants 1, 2 and 3: under load loses nothing that was acknowledged, whatever the disk had not written yet', async (t) => {
    const recording = await recordLoad({ seed: SEED, acts: 1 }, SCRATCH);
    t.after(() => recording.stage.dispose());
    await noViolations(t, () => replayLosses(recording, { ...LOSSES, every: 40 }));
    const lying = await replayLosses(recording, { modes: ['lying'], seeds: [0], every: 40 });
    assert.ok(lying.violations.length > 0, 'a disk that loses what it said to be written must be noticed');
  });
});
