// What storage needs when a test opens it in its own process. The programs of the threads are those that `build.mjs test` has
// just built, where it has: a thread from source takes a third of a second to lose its types, and there are two per storage.
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Assets, locateAssets } from '#platform/host/assets.ts';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

export function assetsOfTest(): Assets {
  const source = locateAssets();
  if (process.env['STACK_ENTRY'] !== 'dist/stack.mjs') return source;
  const built = (name: string): string => join(ROOT, 'dist/assets', `${name}.cjs`);
  return { ...source, program: (name) => ({ kind: 'text', text: readFileSync(built(name), 'utf8') }) };
}
