// The gate over the invariants: every due one is named by a test that runs, and no test names one that does not exist.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { requirements } from '#test/requirements.ts';
import { sourcesBelow } from '#test/support/source-text.ts';

const here = fileURLToPath(new URL('.', import.meta.url)).replace(/\/$/, '');
const NAME = /\b(?:it|test|describe)\(\s*$/;
const CITE = /^invariants? (\d+(?:(?:,| and) \d+)*):/;

type Citation = { readonly id: number; readonly path: string };

/** Names of tests and suites begin with the invariant they prove; a skipped one proves nothing. */
function citations(): readonly Citation[] {
  const own = fileURLToPath(import.meta.url);
  return sourcesBelow(here)
    .filter(
      ({ path }) => path.endsWith('.test.ts') && path !== own && !path.endsWith('/requirements.test.ts'),
    )
    .flatMap(({ path, text, code }) =>
      [...code.matchAll(/['"`]/g)]
        .filter(({ index }) => NAME.test(code.slice(Math.max(0, index - 200), index)))
        .flatMap(({ index }) => CITE.exec(text.slice(index + 1, index + 200))?.[1]?.match(/\d+/g) ?? [])
        .map((id) => ({ id: Number(id), path })),
    );
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
