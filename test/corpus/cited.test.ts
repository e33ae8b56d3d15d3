// Every entry of the corpora that are taken one by one is run by a test that names it, or stands in test/README.md.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { APPROVAL_SHAPES } from '#test/corpus/tables.ts';

const TESTS = fileURLToPath(new URL('..', import.meta.url));
/** Without those that a table runs as a whole. */
const idsOf = (file: string): readonly string[] => {
  const text = readFileSync(join(TESTS, 'corpus', file), 'utf8');
  const { entries } = JSON.parse(text) as { entries: readonly { id: string; class: string }[] };
  return entries.filter((entry) => !APPROVAL_SHAPES.has(entry.class)).map(({ id }) => id);
};
const sources = readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.ts') && !path.includes('node_modules'))
  .map((path) => readFileSync(join(TESTS, path), 'utf8'))
  .join('\n');
const cited = new Set([...sources.matchAll(/(?:corpus|race|mcp) ([AMPR]\d{3})|\['(M\d{3})',/g)].map(([, one, other]) => one ?? other));
const readme = readFileSync(join(TESTS, 'README.md'), 'utf8');
const written = new Set([...readme.matchAll(/\b([AMPR]\d{3})\b/g)].map(([, id]) => id));

for (const file of ['approval-binding.json', 'mcp-protocol.json', 'races.json']) {
  test(`${file}: each entry is run, or it is written why not`, () => {
    const lost = idsOf(file).filter((id) => !cited.has(id) && !written.has(id));
    assert.deepEqual(lost, []);
  });
}
