// The unit in README is one that systemd takes, and that locks the appliance in; its config is one that we take.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readConfig } from '../../src/config.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const section = /^## As a service\n(.*?)^## /ms.exec(readme)?.[1] ?? '';
const block = (language: string): string =>
  new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'ms').exec(section)?.[1] ?? '';
const unit = block('ini');
const INSTALLED = '/usr/local/bin/stack';
/** 0 is fully locked in, 10 is root. What is left is what a program needs that talks to the world. */
const EXPOSURE_MAX = 1.5;
const ANALYZE_MS = 60_000;

const analyze = (...args: readonly string[]) =>
  spawnSync('systemd-analyze', args, { encoding: 'utf8', timeout: ANALYZE_MS });
const version = Number(/^systemd (\d+)/.exec(analyze('--version').stdout ?? '')?.[1] ?? 0);
const absent = version === 0 ? 'systemd-analyze is not installed; CI has it' : false;
/** `security` reads a file that no manager has loaded since version 250. */
const old = version < 250 ? absent || `systemd ${version} judges loaded units only` : false;

let folder = '';
let file = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'stack-unit-'));
  file = join(folder, 'stack.service');
  // The program must exist where the unit says.
  writeFileSync(file, unit.replace(INSTALLED, process.execPath));
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe('the unit of README', () => {
  it('is there, and starts the installed program with the config of root', () => {
    assert.ok(unit.includes(`ExecStart=${INSTALLED} serve --config /etc/stack/config.yaml`));
  });

  it('has no mistake that systemd knows', { skip: absent }, () => {
    const { status, stdout, stderr } = analyze('verify', '--man=no', file);
    assert.deepEqual([status, stdout, stderr], [0, '', '']);
  });

  it('would be found out by systemd with a mistake in it', { skip: absent }, () => {
    const broken = join(folder, 'broken.service');
    writeFileSync(broken, readFileSync(file, 'utf8').replace('ProtectHome=yes', 'ProtectHom=yes'));
    assert.match(analyze('verify', '--man=no', broken).stderr, /ProtectHom/);
  });

  it('leaves the appliance nothing that it does not need', { skip: old }, (t) => {
    const { stdout } = analyze('security', '--offline=yes', '--no-pager', file);
    const exposure = Number(/Overall exposure level for stack\.service: ([\d.]+)/.exec(stdout)?.[1]);
    t.diagnostic(`exposure ${exposure}`);
    assert.ok(exposure <= EXPOSURE_MAX, stdout);
  });
});

describe('the config of README’s unit', () => {
  const nothing = (): undefined => undefined;
  const read = readConfig(block('yaml'), {
    path: '/etc/stack/config.yaml',
    environment: nothing,
    readFile: (path) => (path === '/run/credentials/stack.service/billing' ? 'a-credential' : undefined),
    folderProblem: nothing,
    keyFileProblem: nothing,
  });

  it('is taken without a warning, and finds its secret among the credentials', () => {
    assert.ok('config' in read, JSON.stringify(read));
    assert.deepEqual(read.warnings, []);
    const { secret } = read.config.services.get('billing') ?? {};
    assert.deepEqual(secret, { kind: 'file', path: '/run/credentials/stack.service/billing' });
  });

  it('names the folder and the credentials that the unit gives', () => {
    assert.ok('config' in read);
    assert.equal(read.config.dataDir, `/var/lib/${/^StateDirectory=(.+)$/m.exec(unit)?.[1]}`);
    const credentials = [...unit.matchAll(/^LoadCredential=([^:]+):/gm)].map(([, name]) => name);
    assert.deepEqual(credentials, ['stack.key', 'billing']);
    assert.equal(read.config.keyFile, '/run/credentials/stack.service/stack.key');
  });
});
