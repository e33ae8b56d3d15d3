// The gate over the invariants: every due one is named by a test that runs, and no test names one that does not exist.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { requirements } from '#test/requirements.ts';
import { citationsIn } from '#test/support/citations.ts';
import { sourcesBelow } from '#test/support/source-text.ts';

const here = fileURLToPath(new URL('.', import.meta.url)).replace(/\/$/, '');

type Citation = { readonly id: number; readonly path: string };

/** Names of tests and suites begin with the invariant they prove; a skipped one proves nothing. */
function citations(): readonly Citation[] {
  return sourcesBelow(here)
    .filter(({ path }) => path.endsWith('.test.ts') && !path.endsWith('/requirements.test.ts'))
    .flatMap(({ path, text }) => citationsIn(text).map((id) => ({ id, path })));
}

describe('the invariants', () => {
  const cited = citations();

  it('stand in the list once each, from 1 to 12', () => {
    assert.deepEqual(
      requirements.map(({ id }) => id),
      Array.from({ length: 12 }, (_, at) => at + 1),
    );
  });

  for (const { id, text, due, part } of requirements.filter((requirement) => requirement.due)) {
    it(`names a test for number ${id}${part === undefined ? '' : ` (${part})`}`, (t) => {
      const paths = [...new Set(cited.filter((citation) => citation.id === id).map(({ path }) => path))];
      assert.ok(due && paths.length > 0, `no test is named "invariant ${id}: …". ${text}`);
      t.diagnostic(paths.map((path) => path.slice(here.length + 1)).join(' '));
    });
  }

  it('are named only where they exist', () => {
    const unknown = cited.filter(({ id }) => !requirements.some((requirement) => requirement.id === id));
    assert.deepEqual(unknown, []);
  });
});

describe('the reader of citations', () => {
  const body = '() => { check({ a: 1 }); }';
  const proving: Record<string, string> = {
    'a test': `test('invariant 3: x', ${body});`,
    'an it in a suite': `describe('x', () => { it('invariant 3: y', async () => { await z(); }); });`,
    'a suite with a test': `describe('invariant 3: x', () => { it('y', ${body}); });`,
    'a suite where one test of two runs': `describe('invariant 3: x', () => { it.skip('y', ${body}); it('z', ${body}); });`,
    'a test beside a skipped one': `it.skip('y', ${body}); it('invariant 3: x', ${body});`,
    'a test with other options': `test('invariant 3: x', { timeout: 9 }, ${body});`,
    'a name over two lines': `test(\n  \`invariant 3: \${x}\`,\n  ${body},\n);`,
  };
  const idle: Record<string, string> = {
    'a skipped test': `test.skip('invariant 3: x', ${body});`,
    'a test that is still to do': `it.todo('invariant 3: x', ${body});`,
    'a test without a body': `it('invariant 3: x');`,
    'a test in a skipped suite': `describe.skip('x', () => { it('invariant 3: y', ${body}); });`,
    'a test deep in a skipped suite': `describe('x', { skip: true }, () => { describe('y', () => { it('invariant 3: z', ${body}); }); });`,
    'a test with the option': `test('invariant 3: x', { skip: 'later' }, ${body});`,
    'a test with the option among others': `test('invariant 3: x', { timeout: 9, todo: true }, ${body});`,
    'a test under a condition': `test('invariant 3: x', { skip: process.platform === 'linux' }, ${body});`,
    'a test with the option in short': `test('invariant 3: x', { skip }, ${body});`,
    'a test that skips itself': `test('invariant 3: x', (t) => { if (bad) t.skip('no'); else check(); });`,
    'a suite with nothing but skipped tests': `describe('invariant 3: x', () => { it.skip('y', ${body}); it.todo('z'); });`,
    'an empty suite': `describe('invariant 3: x', () => {});`,
    'a comment': `// test('invariant 3: x', ${body});\ntest('y', ${body});`,
    'a text': `const source = "test('invariant 3: x', () => {})";`,
    'a method of something else': `log.test('invariant 3: x', ${body});`,
  };

  for (const [name, text] of Object.entries(proving))
    it(`counts ${name}`, () => assert.deepEqual(citationsIn(text), [3]));
  for (const [name, text] of Object.entries(idle))
    it(`does not count ${name}`, () => assert.deepEqual(citationsIn(text), []));

  it('counts every number of a name that has several', () => {
    assert.deepEqual(citationsIn(`test('invariants 1, 7 and 12: x', ${body});`), [1, 7, 12]);
  });
});
