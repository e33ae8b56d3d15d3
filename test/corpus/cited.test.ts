// Every entry of the corpora that are taken one by one is run by a test that names it, or stands in test/README.md.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const TESTS = fileURLToPath(new URL('..', import.meta.url));
const idsOf = (file: string): readonly string[] => {
  const text = readFileSync(join(TESTS, 'corpus', file), 'utf8');
  return (JSON.parse(text) as { entries: readonly { id: string }[] }).entries.map(({ id }) => id);
};
const sources = readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.ts') && !path.includes('node_modules'))
  .map((path) => readFileSync(join(TESTS, path), 'utf8'))
  .join('\n');
const cited = new Set([...sources.matchAll(/(?:corpus|race|mcp) ([MPR]\d{3})|\['(M\d{3})',/g)].map(([, one, other]) => one ?? other));
const readme = readFileSync(join(TESTS, 'README.md'), 'utf8');
const written = new Set([...readme.matchAll(/\b([MPR]\d{3})\b/g)].map(([, id]) => id));

for (const file of ['mcp-protocol.json', 'races.json']) {
  test(`${file}: each entry is run, or it is written why not`, () => {
    const lost = idsOf(file).filter((id) => !cited.has(id) && !written.has(id));
    assert.deepEqual(lost, []);
  });
}
