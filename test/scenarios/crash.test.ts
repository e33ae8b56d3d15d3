// A sample of the crash plan (security plan 5.2); heavy/crash.test.ts is the whole of it, and what needs strace is in
// machine/crash.test.ts. After every crash the appliance starts again in time, the log is whole, nothing acknowledged is lost,
// and nothing has left without its intent entry.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cutCall, killAtRandom } from '#test/crash/kills.ts';
import { noViolations, SEED } from '#test/crash/verdict.ts';

describe('kill -9 at random moments under load', () => {
  it('invariant 1: loses no acknowledged effect, and nothing was sent without an intent entry', async (t) => {
    const options = { kills: 20, seed: SEED, longestMs: 600 };
    const { counts } = await noViolations(t, () => killAtRandom(options));
    assert.ok(Number(counts['call']) > options.kills / 2, 'the load must have been a load');
  });

  it('invariant 1: writes "unknown" for a call that was cut while the upstream held it, and calls go on', async (t) => {
    const { outcomes, sent } = await noViolations(t, () => cutCall(SEED));
    assert.deepEqual(outcomes, ['unknown']);
    assert.equal(sent, 1, 'a cut call was sent again');
  });
});
