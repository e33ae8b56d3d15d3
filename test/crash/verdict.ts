// What a test says of a report: its figures as a diagnostic, and nothing but an empty list of violations will do.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import type { TestContext } from 'node:test';
import { straceProblem } from './strace.ts';

const SHOWN = 10;

/** STACK_SEED repeats a run. */
export const SEED = Number(process.env['STACK_SEED'] ?? randomInt(2 ** 31));

/** Why the tests that need strace are left out; a CI in which it cannot work fails instead. */
export function skipWithoutStrace(): string | false {
  const problem = straceProblem();
  if (problem !== undefined && process.env['CI'] !== undefined) throw new Error(problem);
  return problem === undefined ? false : `${problem}; .ci/run installs it`;
}

type Figures = { readonly violations: readonly string[] };

export async function noViolations<Report extends Figures>(
  t: TestContext,
  work: () => Promise<Report>,
): Promise<Report> {
  const began = performance.now();
  const report = await work();
  const seconds = Math.round((performance.now() - began) / 1000);
  const { violations, ...figures } = report;
  t.diagnostic(`${JSON.stringify({ ...figures, violations: violations.length, seconds, seed: SEED })}`);
  const some = violations.slice(0, SHOWN).join('\n  ');
  assert.equal(violations.length, 0, `${violations.length} violations (STACK_SEED=${SEED}):\n  ${some}`);
  return report;
}
