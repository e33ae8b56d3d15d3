// The root key's file: whose eyes it may be under, and what is said where it cannot be made.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { createKeyFile, keyFileProblem, ROOT_KEY_BYTES, readKeyFile } from '#platform/host/key-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stack-key-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const place = (name: string, mode: number): string => {
  const path = join(folder, name);
  writeFileSync(path, '');
  chmodSync(path, mode);
  return path;
};

test('a key is made for the owner alone, never over another, and read back', () => {
  const path = join(folder, 'stack.key');
  createKeyFile(path, new Uint8Array(ROOT_KEY_BYTES).fill(7));
  assert.equal(keyFileProblem(path), undefined);
  assert.deepEqual(readKeyFile(path).reveal(), new Uint8Array(ROOT_KEY_BYTES).fill(7));
  assert.throws(() => createKeyFile(path, new Uint8Array(ROOT_KEY_BYTES)), /EEXIST/);
});

test('a key made by the command that the message shows is a key', () => {
  const path = join(folder, 'stack.key');
  const key = Buffer.alloc(ROOT_KEY_BYTES, 9);
  writeFileSync(path, `stack-root-key-v1 ${key.toString('base64')}\n`, { mode: 0o600 });
  assert.deepEqual(Buffer.from(readKeyFile(path).reveal()), key);
});

test('where the folder takes no file, the message says how the key is made', () => {
  const path = join(folder, 'absent', 'stack.key');
  assert.throws(
    () => createKeyFile(path, new Uint8Array(ROOT_KEY_BYTES)),
    (thrown) => {
      const { message } = thrown as Error;
      return (
        message.includes(path) &&
        /does not exist and cannot be made here \(ENOENT\)/.test(message) &&
        /openssl rand -base64 32/.test(message)
      );
    },
  );
});

test('outside the credentials of systemd nobody else may read it', () => {
  for (const mode of [0o640, 0o440, 0o604, 0o666])
    assert.match(keyFileProblem(place('k', mode)) ?? '', /0600/);
  for (const mode of [0o600, 0o400]) assert.equal(keyFileProblem(place('k', mode)), undefined);
});

test('a credential of systemd may show the right of an access list, and no other', () => {
  const credentials = join(folder, 'credentials');
  mkdirSync(join(credentials, 'stack.service'), { recursive: true });
  const problem = (mode: number) =>
    keyFileProblem(place('credentials/stack.service/stack.key', mode), credentials);
  for (const mode of [0o400, 0o440, 0o600]) assert.equal(problem(mode), undefined, mode.toString(8));
  for (const mode of [0o444, 0o460, 0o404, 0o450])
    assert.match(problem(mode) ?? '', /0600/, mode.toString(8));
  const beside = place('credentials-of-mine', 0o440);
  assert.match(keyFileProblem(beside, credentials) ?? '', /0600/);
});

test('a link is no key file', () => {
  symlinkSync(place('k', 0o600), join(folder, 'link'));
  assert.match(keyFileProblem(join(folder, 'link')) ?? '', /not a regular file/);
});

test('a process that ends while it writes the key leaves none, so that the next start makes one', () => {
  const path = join(folder, 'stack.key');
  const making = `
    import { createKeyFile } from '#platform/host/key-file.ts';
    createKeyFile(${JSON.stringify(path)}, new Uint8Array(${ROOT_KEY_BYTES}));`;
  const node = [process.execPath, '--input-type=module', '--eval', making];
  // No byte of any file: the write is what fails.
  const cut = spawnSync('sh', ['-c', 'ulimit -f 0; exec "$0" "$@"', ...node], { encoding: 'utf8' });
  assert.notEqual(cut.status, 0, cut.stderr);
  assert.ok(!existsSync(path), 'a key that is not whole is there');
  createKeyFile(path, new Uint8Array(ROOT_KEY_BYTES).fill(7));
  assert.equal(readKeyFile(path).reveal().length, ROOT_KEY_BYTES);
});
