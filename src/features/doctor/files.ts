// The files of one installation: who may read and change them, and whether there is room.
import { existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DISK_FREE_BYTES_LOW, DISK_FREE_BYTES_NONE } from '#kernel/limits.ts';
import { keyFileProblem } from '#platform/host/key-file.ts';
import type { Finding } from './model.ts';

const READ_BY_ALL = 0o004;
const WRITE_BY_OTHERS = 0o022;
const ANY_BY_OTHERS = 0o077;
const STICKY = 0o1000;
const ROOT = 0;
const MEGABYTE = 1_000_000;

export type Places = {
  readonly configPath: string;
  readonly dataDir: string;
  readonly keyFile: string;
  /** Files with a secret that the config names. */
  readonly secretFiles: readonly string[];
  /** User of the appliance. */
  readonly uid: number;
};

export function examineFiles(places: Places): readonly Finding[] {
  const found = [
    ...configFile(places),
    ...keyFile(places),
    ...dataFolder(places),
    ...places.secretFiles.flatMap(secretFile),
    ...room(places.dataDir),
  ];
  return found.length > 0
    ? found
    : [{ topic: 'files', level: 'ok', message: 'files and permissions are right' }];
}

const problem = (message: string, next: string): Finding => ({
  topic: 'files',
  level: 'problem',
  message,
  next,
});
const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

function configFile({ configPath, uid }: Places): readonly Finding[] {
  const facts = statSync(configPath, { throwIfNoEntry: false });
  if (facts === undefined) return [];
  const found: Finding[] = [];
  if ((facts.mode & WRITE_BY_OTHERS) !== 0)
    found.push(
      problem(`${configPath} can be written by others (${octal(facts.mode)})`, `chmod 600 ${configPath}`),
    );
  if (facts.uid !== uid && facts.uid !== ROOT)
    found.push(
      problem(
        `${configPath} belongs to user ${facts.uid}, who could grant anything`,
        `chown root ${configPath}, or to the appliance's user ${uid}`,
      ),
    );
  const folder = dirname(configPath);
  const { mode } = statSync(folder);
  if ((mode & WRITE_BY_OTHERS) !== 0 && (mode & STICKY) === 0)
    found.push(
      problem(
        `others may write in ${folder} (${octal(mode)}) and put another config in its place`,
        `chmod go-w ${folder}`,
      ),
    );
  return found;
}

function keyFile({ keyFile: path, dataDir, uid }: Places): readonly Finding[] {
  const state = join(dataDir, 'stack.db');
  if (!existsSync(path)) {
    if (existsSync(state))
      return [problem(`the root key ${path} is missing, and ${state} needs it`, 'Put the key file back.')];
    return [
      { topic: 'files', level: 'warning', message: `no root key yet at ${path}; the first start makes one` },
    ];
  }
  const wrong = keyFileProblem(path);
  const { uid: owner } = statSync(path);
  return [
    ...(wrong === undefined ? [] : [problem(wrong, `chmod 600 ${path}`)]),
    ...(owner === uid || owner === ROOT
      ? []
      : [problem(`the root key ${path} belongs to user ${owner}`, `chown ${uid} ${path}`)]),
  ];
}

function dataFolder({ dataDir }: Places): readonly Finding[] {
  const paths = [dataDir, ...['stack.db', 'stack.db-wal', 'stack.sock'].map((name) => join(dataDir, name))];
  return paths.flatMap((path) => {
    const facts = statSync(path, { throwIfNoEntry: false });
    // The socket's own bits do not count: nobody else gets through the folder.
    if (facts === undefined || facts.isSocket() || (facts.mode & ANY_BY_OTHERS) === 0) return [];
    return [
      problem(
        `${path} is open to others (${octal(facts.mode)})`,
        `chmod go= ${path}; whoever can open the socket in it is the operator`,
      ),
    ];
  });
}

function secretFile(path: string): readonly Finding[] {
  const facts = statSync(path, { throwIfNoEntry: false });
  if (facts === undefined || (facts.mode & READ_BY_ALL) === 0) return [];
  return [problem(`everybody may read the secret in ${path} (${octal(facts.mode)})`, `chmod 600 ${path}`)];
}

function room(dataDir: string): readonly Finding[] {
  if (!existsSync(dataDir)) return [];
  const { bavail, bsize } = statfsSync(dataDir);
  const free = bavail * bsize;
  if (free >= DISK_FREE_BYTES_LOW) return [];
  const level = free < DISK_FREE_BYTES_NONE ? 'problem' : 'warning';
  const message = `${Math.round(free / MEGABYTE)} MB are free for ${dataDir}; without room for the log no call goes out`;
  return [{ topic: 'files', level, message, next: 'Make room.' }];
}
