// The arithmetic of the mutation score: what counts as noticed, and that an explanation excuses its own mutant only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Equivalent } from './equivalents.ts';
import { judge, type Report } from './score.ts';

const SOURCE = 'const a = 1;\n  const b = a < 2 && a > 0;\n';
const at = (line: number, from: number, to: number) => ({
  start: { line, column: from },
  end: { line, column: to },
});
const mutant = (status: string, replacement: string) => ({
  mutatorName: 'Any',
  status,
  replacement,
  location: at(2, 13, 18),
});
const report = (...mutants: ReturnType<typeof mutant>[]): Report => ({
  files: { 'src/a.ts': { source: SOURCE, mutants } },
});
const EXCUSE: Equivalent = {
  file: 'src/a.ts',
  line: 'const b = a < 2 && a > 0;',
  from: 'a < 2',
  to: 'a <= 2',
  because: 'a is never 2',
};

test('killed and timed out mutants are noticed; survivors and those that no test reaches are not', () => {
  const all = ['Killed', 'Killed', 'Timeout', 'Survived', 'NoCoverage', 'RuntimeError'];
  const { whole, survivors } = judge(report(...all.map((status) => mutant(status, status))), []);
  assert.deepEqual(whole, {
    name: 'all',
    killed: 2,
    timedOut: 1,
    survived: 2,
    unloadable: 1,
    equivalent: 0,
    score: 60,
  });
  assert.deepEqual(survivors[0], {
    file: 'src/a.ts',
    line: 2,
    text: 'const b = a < 2 && a > 0;',
    from: 'a < 2',
    to: 'Survived',
  });
});

test('an explained survivor does not count; an explanation of nothing is stale', () => {
  const living = [mutant('Survived', 'a <= 2'), mutant('Survived', 'true')];
  const judged = judge(report(mutant('Killed', 'false'), ...living), [EXCUSE]);
  assert.deepEqual([judged.whole.equivalent, judged.whole.survived, judged.whole.score], [1, 1, 50]);
  assert.deepEqual(judged.stale, []);
  assert.deepEqual(judge(report(mutant('Killed', 'a <= 2')), [EXCUSE]).stale, [EXCUSE]);
  assert.deepEqual(judge({ files: {} }, [EXCUSE]).stale, [], 'its module was not mutated');
});
