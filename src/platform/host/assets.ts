// Where the parts of the program that are not text lie: the database addon and the worker programs.
// From source they are found in the tree, in the built file beside it under assets/.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkerProgram } from './worker.ts';

/** Set by the builder; absent when the source runs as it is. */
declare const STACK_BUNDLED: boolean | undefined;
/** The catalogue's files by name, set by the builder. */
declare const STACK_CATALOGUE: Readonly<Record<string, string>>;

export type Assets = {
  readonly addonPath: string;
  readonly program: (name: 'commit-worker' | 'scan-worker') => WorkerProgram;
};

export function locateAssets(): Assets {
  return typeof STACK_BUNDLED === 'undefined' ? fromSource() : fromBundle();
}

function fromSource(): Assets {
  const manifest = createRequire(import.meta.url).resolve('better-sqlite3/package.json');
  return {
    addonPath: join(dirname(manifest), 'prebuilds', `${platform()}-${arch()}.node`),
    program: (name) => ({ kind: 'file', url: new URL(`../../pipeline/${name}.ts`, import.meta.url) }),
  };
}

function fromBundle(): Assets {
  const folder = join(dirname(fileURLToPath(import.meta.url)), 'assets');
  return {
    addonPath: join(folder, 'better_sqlite3.node'),
    program: (name) => ({ kind: 'text', text: readFileSync(join(folder, `${name}.cjs`), 'utf8') }),
  };
}

export type CatalogueTexts = {
  readonly names: () => readonly string[];
  readonly text: (name: string) => string | undefined;
};

/** Text inside the program itself once it is built, so that it travels with whatever form that takes. */
export const catalogueTexts = (): CatalogueTexts =>
  typeof STACK_BUNDLED === 'undefined' ? catalogueFromSource() : catalogueFromBundle();

function catalogueFromBundle(): CatalogueTexts {
  const texts = new Map(Object.entries(STACK_CATALOGUE));
  return { names: () => [...texts.keys()], text: (name) => texts.get(name) };
}

function catalogueFromSource(): CatalogueTexts {
  const folder = new URL('../../features/services/catalogue/', import.meta.url);
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();
  const text = (name: string): string | undefined =>
    names.includes(name) ? readFileSync(new URL(`${name}.yaml`, folder), 'utf8') : undefined;
  return { names: () => names, text };
}
