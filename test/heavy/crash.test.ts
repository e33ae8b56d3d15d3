// The crash plan in full (security plan 5.2): 200 kills at random moments (K1), one at every write of every act (K2) and of a
// start after a crash (K3), and a loss of power at every write of two recorded passes (K4). Some forty minutes on two cores.
// STACK_KILLS sets the number for K1, STACK_SEED repeats a run.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import { ACTS } from '#test/crash/acts.ts';
import { killAtEachWrite, killAtEachWriteOfStart, killAtRandom } from '#test/crash/kills.ts';
import { replayLosses } from '#test/crash/power-loss.ts';
import { recordFirstStart, recordLoad } from '#test/crash/record.ts';
import { noViolations, SEED, skipWithoutStrace } from '#test/crash/verdict.ts';

const KILLS = Number(process.env['STACK_KILLS'] ?? 200);
const LONGEST_MS = 3_000;
const skip = skipWithoutStrace();
const SCRATCH = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const LOSSES = { modes: ['kept', 'dropped', 'half', 'torn'], seeds: [1, 2, 3, 4, 5], every: 1 } as const;

describe('every crash of the plan', { skip }, () => {
  it('K4: loss of power at every write of a first start', async (t) => {
    const recording = await recordFirstStart(SEED, SCRATCH);
    t.after(() => recording.stage.dispose());
    await noViolations(t, () => replayLosses(recording, LOSSES));
  });

  it('K4: loss of power at every write of a mixed load', async (t) => {
    const recording = await recordLoad({ seed: SEED, acts: 2 }, SCRATCH);
    t.after(() => recording.stage.dispose());
    await noViolations(t, () => replayLosses(recording, LOSSES));
    const lying = await replayLosses(recording, { modes: ['lying'], seeds: [0], every: 1 });
    t.diagnostic(
      `a disk that lies about its last sync: ${lying.violations.length} violations, as there must be`,
    );
    assert.ok(lying.violations.length > 0);
  });

  it('K3: a kill at every write of the start after a crash', async (t) => {
    await noViolations(t, () => killAtEachWriteOfStart({ seed: SEED }));
  });

  for (const name of Object.keys(ACTS))
    it(`K2: a kill at every write of: ${name}`, async (t) => {
      await noViolations(t, () => killAtEachWrite({ seed: SEED, acts: [name] }));
    });

  it(`K1: ${KILLS} kills at random moments under load`, async (t) => {
    await noViolations(t, () => killAtRandom({ kills: KILLS, seed: SEED, longestMs: LONGEST_MS }));
  });
});
