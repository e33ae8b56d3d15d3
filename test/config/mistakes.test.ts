// Every wrong YAML of the corpus against its rule: the mistake is found at its line, with the words that help.
// The corpus guesses at the layout; ADAPTED has the same mistake in ours. test/README.md says why an entry is not met.
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { folderProblem } from '#platform/host/files.ts';
import { keyFileProblem } from '#platform/host/key-file.ts';
import { configReloader, loadConfig, readConfig } from '../../src/config.ts';
import corpus from '../corpus/config-mistakes.json' with { type: 'json' };

type Adapted = {
  readonly yaml: readonly string[];
  readonly line?: number;
  readonly words?: readonly string[];
};

const service = (...lines: readonly string[]): string[] => [
  'version: 1',
  'services:',
  '  gh:',
  '    base_url: https://api.github.com',
  ...lines,
];

/** The same mistake in our layout: services and agents are mappings by name, and some keys have other names. */
const ADAPTED: Readonly<Record<string, Adapted>> = {
  C006: {
    yaml: [
      'version: 1',
      'a: &a [x,x,x,x,x,x,x,x,x]',
      'b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]',
      'c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]',
      'd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]',
    ],
  },
  C008: { yaml: ['version: 1', 'agents:', '  <<: {__proto__: {admin: true}}', '  agent-a: {}'] },
  C013: { yaml: ['version: 1', `x: ${'['.repeat(20_000)}${']'.repeat(20_000)}`] },
  C020: { yaml: service('    title: no'), line: 5, words: ['title', 'quote'] },
  C023: { yaml: ['version: 1', 'passports:', '  ttl: 12:30'], words: ['ttl', '12h30m'] },
  C025: {
    yaml: service('    actions:', '      gh:a:b: GET /x'),
    line: 6,
    words: ['actions', 'list'],
  },
  C026: {
    yaml: ['version: 1', 'services: { gh: { base_url: "https://a.test", hosts: { a: b } } }'],
    line: 2,
    words: ['hosts', 'list'],
  },
  C028: { yaml: ['version: 1', 'passports:', '  ttl: 24'], words: ['ttl', 'unit'] },
  C039: {
    yaml: service('    hosts:', '      - https://api.github.com/repos'),
    line: 6,
    words: ['hosts', 'path_prefix'],
  },
  C040: { yaml: service('    hosts:', '      - api.github.com:443'), line: 6, words: ['hosts', 'port'] },
  C043: {
    yaml: ['version: 1', 'services:', '  meta:', '    base_url: https://169.254.169.254'],
    words: ['169.254.169.254'],
  },
  C044: {
    yaml: service('    network: { private: [ 0.0.0.0/0 ] }'),
    words: ['network.private', 'RFC 1918'],
  },
  C049: {
    yaml: service('    headers: { allow: [Authorization] }'),
    words: ['headers.allow', 'Authorization'],
  },
  C052: {
    yaml: service(
      '    inject: { header: "Authorization: Bearer", value: "{secret}" }',
      '    secret: { vault: gh }',
    ),
    words: ['header', 'colon'],
  },
  C053: {
    yaml: service(
      '    secret: ghp_abcdefghijklmnopqrstuvwxyz0123456789',
      '    inject: { bearer: "{secret}" }',
    ),
    words: ['secret', 'vault'],
  },
  C056: {
    yaml: ['version: 1', 'vault:', '  key_file: /etc/stack/key'],
    words: ['/etc/stack/key', '0600'],
  },
  C057: { yaml: ['version: 1', 'vault:', '  key: "correct horse"'], words: ['key', 'key_file'] },
  C059: {
    yaml: ['version: 1', 'agents:', '  agent-a:', '    services: { gitlab: [ "gitlab:repos:read" ] }'],
    words: ['gitlab', 'services'],
  },
  C061: { yaml: ['version: 1', 'agents:', '  agent-a: {}', '  Agent-A: {}'], words: ['Agent-A', 'agent-a'] },
  C063: {
    yaml: service('    actions:', '      gh:a:b: [ "post /x" ]'),
    line: 6,
    words: ['post', 'POST'],
  },
};

/** Their section comes with a later part of the product; the whole section is refused until then. */
const LATER = ['C029', 'C035', 'C036', 'C037', 'C038', 'C066', 'C067', 'C070'];
/** Listed with reasons in test/README.md. */
const DISAGREEMENTS = ['C014'];
/** Files, not text: a test of their own below. */
const OF_FILES = ['C075', 'C076'];

const OPEN_TO_OTHERS = 0o666;
const NFS_FOLDER = '/mnt/nfs/stack';
const around = {
  path: '/etc/stack/config.yaml',
  environment: (): undefined => undefined,
  readFile: (): undefined => undefined,
  folderProblem: (path: string): string | undefined => {
    if (path === NFS_FOLDER) return `${path} is on a network file system (NFS); the state needs a local disk`;
    return path === '/var/lib/stack' ? `${path} cannot be written by this user; it needs write` : undefined;
  },
  keyFileProblem: (path: string): string | undefined =>
    path === '/etc/stack/key' ? `key file ${path} can be read by others; it must be 0600` : undefined,
};

function isDue({ id }: { readonly id: string }): boolean {
  return ![...LATER, ...DISAGREEMENTS, ...OF_FILES].includes(id);
}

describe('config-mistakes.json', () => {
  for (const entry of corpus.entries.filter(isDue)) {
    const { id, class: kind, note = '' } = entry as typeof entry & { readonly note?: string };
    it(`${id} ${kind} ${note}`, () => {
      const adapted = ADAPTED[id];
      const text = (adapted?.yaml ?? entry.yaml).join('\n');
      const read = readConfig(text, around);
      assert.ok('mistakes' in read, 'the file was taken as good');
      const said = JSON.stringify(read.mistakes);
      const hit = read.mistakes.find(
        ({ line, path, message }) =>
          line === (adapted?.line ?? entry.line) &&
          (adapted?.words ?? entry.error_must_contain).every((word) => `${path} ${message}`.includes(word)),
      );
      assert.ok(hit !== undefined, said);
      assert.ok(!/ghp_|correct horse/.test(said), 'a value that may be a secret is shown');
    });
  }

  it('C075: a config that others may write is a warning that says 0600', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stack-config-'));
    try {
      const path = join(folder, 'config.yaml');
      await writeFile(path, 'version: 1\n');
      await chmod(path, OPEN_TO_OTHERS);
      const read = loadConfig(path, () => undefined);
      assert.ok('config' in read, JSON.stringify(read));
      assert.ok(read.warnings.some(({ message }) => message.includes('0600')));
    } finally {
      await chmod(folder, 0o700);
      await rm(folder, { recursive: true });
    }
  });

  it('C076: a config that was replaced by a link is not read again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stack-config-'));
    try {
      const path = join(folder, 'config.yaml');
      await writeFile(path, 'version: 1\n', { mode: 0o600 });
      const again = configReloader(path, () => undefined);
      assert.ok('config' in again());
      await rename(path, join(folder, 'elsewhere.yaml'));
      await symlink('elsewhere.yaml', path);
      const read = again();
      assert.ok('mistakes' in read && read.mistakes[0]?.message.includes('link'));
      assert.ok('config' in configReloader(path, () => undefined)(), 'a link at the start is the operator’s');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('says of an approval rule what is wrong in it, not that the list should have been a word', () => {
    const rule = '{ action: gh:a:b, where: [ { path: body.a, op: ">", value: 1 } ] }';
    const yaml = service('    actions: { "gh:a:b": [ "POST /a" ] }', `    approval: [ ${rule} ]`);
    const read = readConfig(yaml.join('\n'), around);
    assert.ok('mistakes' in read);
    assert.deepEqual(
      read.mistakes.map(({ path }) => path),
      ['services.gh.approval.0.where.0.op'],
    );
    assert.match(read.mistakes[0]?.message ?? '', /gte/);
  });

  it('refuses the sections of later versions by name, so that none of them is silently without effect', () => {
    for (const section of ['audit', 'dropoffs', 'detectors', 'people', 'oauth']) {
      const read = readConfig(`version: 1\n${section}: {}`, around);
      assert.ok('mistakes' in read && read.mistakes[0]?.message.includes('not in this version'), section);
    }
  });
});

/** The superuser may write everywhere; this is anybody else. */
const NOBODY = 65_534;
function asOrdinaryUser<T>(run: () => T): T {
  if (process.geteuid?.() !== 0) return run();
  process.seteuid?.(NOBODY);
  try {
    return run();
  } finally {
    process.seteuid?.(0);
  }
}

describe('the places of a config', () => {
  it('does not repeat a credential that was written where only its place belongs', () => {
    const text = [
      'version: 1',
      'services:',
      '  a: { base_url: "https://a.test", inject: { bearer: "canary-literal-77aa99bb" } }',
      '  b: { base_url: "https://b.test", inject: { basic: "user:canary-literal-77aa99bb" } }',
    ].join('\n');
    const said = JSON.stringify(readConfig(text, around));
    assert.match(said, /services\.a\.inject\.bearer/);
    assert.doesNotMatch(said, /canary-literal/);
  });

  it('knows a folder that can be made, one that cannot, and a file in its place', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stack-config-'));
    try {
      assert.equal(folderProblem(join(folder, 'a', 'b')), undefined);
      await writeFile(join(folder, 'file'), '');
      assert.match(folderProblem(join(folder, 'file')) ?? '', /not a folder/);
      await chmod(folder, 0);
      assert.match(asOrdinaryUser(() => folderProblem(join(folder, 'a'))) ?? '', /write|written/);
    } finally {
      await chmod(folder, 0o700);
      await rm(folder, { recursive: true });
    }
  });

  it('knows a key file that others may read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stack-config-'));
    try {
      const path = join(folder, 'stack.key');
      assert.equal(keyFileProblem(path), undefined, 'a missing one is made at the start');
      await writeFile(path, '', { mode: 0o600 });
      assert.equal(keyFileProblem(path), undefined);
      await chmod(path, OPEN_TO_OTHERS);
      assert.match(keyFileProblem(path) ?? '', /0600/);
    } finally {
      await chmod(folder, 0o700);
      await rm(folder, { recursive: true });
    }
  });
});
