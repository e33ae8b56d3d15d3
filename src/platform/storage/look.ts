// Whether the files of the state are still those that were opened, may be written, and have room. SQLite holds them by their
// open descriptors and would write on into files that nobody finds again.
import type { BigIntStats } from 'node:fs';
import { constants, statSync } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DISK_FREE_BYTES_MIN } from '#kernel/limits.ts';
import type { Trouble } from './trouble.ts';

export type Sight = {
  /** It ends by itself or by the operator's hand, and calls go on. */
  readonly trouble?: Trouble;
  /** Only a new start mends it. */
  readonly fatal?: Trouble;
  /** On the disk of the data folder; undefined where it does not say. */
  readonly freeBytes?: number;
};

const moved = (text: string): Trouble => ({ kind: 'moved', text });
const facts = (path: string): Promise<BigIntStats | undefined> =>
  stat(path, { bigint: true }).catch(() => undefined);
const same = (one: BigIntStats, other: BigIntStats): boolean =>
  one.ino === other.ino && one.dev === other.dev;

/** Remembers the files as they are now. One look at a time: each step waits in a thread that name resolution needs, too. */
export function createLook(file: string): () => Promise<Sight> {
  const wal = `${file}-wal`;
  const opened = { file: statSync(file, { bigint: true }), wal: statSync(wal, { bigint: true }) };
  let walMissed = false;
  return async () => {
    const [now, nowWal] = [await facts(file), await facts(wal)];
    if (now === undefined)
      return {
        trouble: moved(`${file} is gone; put it back, or stop stack and start it on what is to be its state`),
      };
    if (!same(now, opened.file))
      return { trouble: moved(`${file} is another file than the one in use; restart stack to use this one`) };
    const lost = nowWal === undefined || !same(nowWal, opened.wal);
    // Twice: files that are being moved go one by one.
    if (lost && walMissed) return { fatal: moved(`${wal} was removed or replaced under stack`) };
    walMissed = lost;
    if (lost) return { trouble: moved(`${wal} is gone`) };
    const denied = (await refusal(file)) ?? (await refusal(dirname(file)));
    if (denied !== undefined) return { trouble: denied };
    return room(file);
  };
}

async function refusal(path: string): Promise<Trouble | undefined> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (thrown) {
    const { code } = thrown as { readonly code?: string };
    if (code === 'EROFS') return { kind: 'read_only', text: `${path} is on a read-only file system` };
    return { kind: 'cannot_open', text: `${path} may no longer be read and written by this user (${code})` };
  }
}

async function room(file: string): Promise<Sight> {
  const { bavail, bsize, blocks } = await statfs(dirname(file));
  // Some file systems do not count.
  if (blocks === 0) return {};
  const freeBytes = bavail * bsize;
  if (freeBytes >= DISK_FREE_BYTES_MIN) return { freeBytes };
  const text = `the disk of ${dirname(file)} is full: less than ${DISK_FREE_BYTES_MIN} bytes are free`;
  return { freeBytes, trouble: { kind: 'disk_full', text } };
}
