// What the program reads besides its code: the database addon, the programs of its threads, and texts it carries along.
// From source they lie in the tree, beside the built file under assets/, and inside the one executable.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unpackAddon } from './addon.ts';
import type { WorkerProgram } from './worker.ts';

/** Set by the builder; absent when the source runs as it is. */
declare const STACK_BUNDLED: boolean | undefined;

export type Assets = {
  readonly addonPath: string;
  readonly program: (name: 'commit-worker' | 'scan-worker') => WorkerProgram;
};

/** The executable carries its addon inside, and loads it by way of the data folder, or else of the one for temporary files. */
export function locateAssets(dataDir = tmpdir()): Assets {
  if (typeof STACK_BUNDLED === 'undefined') return fromSource();
  const program = (name: string): WorkerProgram => ({ kind: 'text', text: readAsset(`${name}.cjs`) });
  const inside = executable();
  const addonPath =
    inside === undefined
      ? join(folder(), ADDON)
      : unpackAddon(new Uint8Array(inside.getRawAsset(ADDON)), [dataDir, tmpdir()]);
  return { addonPath, program };
}

const ADDON = 'better_sqlite3.node';

function fromSource(): Assets {
  const manifest = createRequire(import.meta.url).resolve('better-sqlite3/package.json');
  return {
    addonPath: join(dirname(manifest), 'prebuilds', `${platform()}-${arch()}.node`),
    program: (name) => ({ kind: 'file', url: new URL(`../../pipeline/${name}.ts`, import.meta.url) }),
  };
}

/** The text of a file that the builder's table EMBEDDED lists; its name is its path below the root of the sources. */
export const readAsset = (name: string): string =>
  executable()?.getAsset(name, 'utf8') ?? readFileSync(join(folder(), name), 'utf8');

/** Names of the files that lie in an embedded folder, in order. */
export function assetNames(name: string): readonly string[] {
  const carried =
    executable()?.getAssetKeys() ?? filesIn(join(folder(), name)).map((file) => `${name}/${file}`);
  return carried.filter((key) => posix.dirname(key) === name).sort();
}

export type CatalogueTexts = {
  readonly names: () => readonly string[];
  readonly text: (name: string) => string | undefined;
};

const CATALOGUE = 'src/features/services/catalogue';
const ENTRY = '.yaml';

export function catalogueTexts(): CatalogueTexts {
  const names = assetNames(CATALOGUE)
    .filter((path) => path.endsWith(ENTRY))
    .map((path) => posix.basename(path, ENTRY));
  const text = (name: string): string | undefined =>
    names.includes(name) ? readAsset(`${CATALOGUE}/${name}${ENTRY}`) : undefined;
  return { names: () => names, text };
}

const filesIn = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);

/** Only what is asked for is loaded: an older Node, which the built file merely tells to go, need not have this module. */
function executable(): typeof import('node:sea') | undefined {
  const sea = createRequire(import.meta.url)('node:sea') as typeof import('node:sea');
  return sea.isSea() ? sea : undefined;
}

const folder = (): string =>
  fileURLToPath(new URL(typeof STACK_BUNDLED === 'undefined' ? '../../..' : 'assets', import.meta.url));
