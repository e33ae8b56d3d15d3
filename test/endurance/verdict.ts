// What a test makes of a run: its report as a diagnostic, and nothing but verdicts without faults will do.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Evidence } from './evidence.ts';
import type { Verdict } from './judge.ts';
import { reportText, verdictText } from './report.ts';

export function allHold(t: TestContext, evidence: Evidence, verdicts: readonly Verdict[]): void {
  t.diagnostic(reportText(evidence, verdicts));
  const failed = verdicts.filter(({ faults }) => faults.length > 0);
  assert.equal(
    failed.length,
    0,
    `${failed.length} claims do not hold:\n${failed.map(verdictText).join('\n')}`,
  );
}

/** Shown at once: a long run is to be seen to go on. */
export const progress = (text: string): void => void process.stderr.write(`${text}\n`);
