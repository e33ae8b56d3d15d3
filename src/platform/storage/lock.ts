// One process per data folder: an exclusive SQLite lock, which the kernel drops when its holder dies, kill -9 included.
import { join } from 'node:path';
import { type Db, openDatabase } from './database.ts';

export type Lock = { readonly release: () => void };

/** `undefined`: another instance holds the folder. Taken before the database is touched. Throws what else SQLite says. */
export function lockFolder(folder: string, addonPath: string): Lock | undefined {
  const db: Db = openLockFile(join(folder, 'stack.lock'), addonPath);
  try {
    db.pragma('busy_timeout = 0');
    db.exec('BEGIN EXCLUSIVE');
  } catch (thrown) {
    db.close();
    if ((thrown as { code?: unknown }).code === 'SQLITE_BUSY') return undefined;
    throw thrown;
  }
  return { release: () => db.close() };
}

/** A rollback journal, not WAL: the lock is on the file itself. */
function openLockFile(file: string, addonPath: string): Db {
  const db = openDatabase(file, { addonPath, readonly: false, journal: 'delete' });
  return db;
}
