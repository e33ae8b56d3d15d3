// Opens the SQLite file under the settings that make a commit durable, and checks that they hold (security.md 0.2, 0.3).

import Database from 'better-sqlite3';
import { DATABASE_BUSY_TIMEOUT_MS } from '#kernel/limits.ts';
import { loadAddon } from '#platform/host/addon.ts';

export type Db = Database.Database;
export type SelfCheck = { readonly sqliteVersion: string; readonly synchronous: 'full' | 'other' };

/** 3.51.3 mends the WAL-reset bug that loses committed writes. */
const SQLITE_VERSION_MIN: readonly [number, number, number] = [3, 51, 3];
const SYNCHRONOUS_FULL = 2;

type Options = {
  readonly addonPath: string;
  readonly readonly?: boolean;
  readonly journal?: 'wal' | 'delete';
};

export function openDatabase(file: string, { addonPath, readonly = false, journal = 'wal' }: Options): Db {
  // The package takes the addon itself, too; its types do not know it.
  const nativeBinding = loadAddon(addonPath) as unknown as string;
  const db = new Database(file, { nativeBinding, readonly });
  db.pragma(`busy_timeout = ${DATABASE_BUSY_TIMEOUT_MS}`);
  db.pragma('trusted_schema = OFF');
  if (readonly) return db;
  if (journal === 'delete') return db;
  db.pragma('journal_mode = WAL');
  // FULL: an acknowledged commit survives power loss; NORMAL lost 259 of 576 simulated crashes.
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  db.pragma('secure_delete = ON');
  // What a savepoint may have to undo is kept here and in no file: nothing of it outlives the process.
  db.pragma('temp_store = MEMORY');
  return db;
}

/**
 * At a start: what the last run left in the write-ahead log goes into the database before anything is added. After a failed
 * fsync it may be in memory only, and what follows it in that log would be lost with it.
 */
export function putAway(db: Db): void {
  db.pragma('wal_checkpoint(TRUNCATE)');
}

/** What SQLite finds wrong with its file, first of all; undefined when it is whole. Reads all of it. */
export function damageOf(db: Db): string | undefined {
  const found = db.pragma('integrity_check(1)', { simple: true });
  return found === 'ok' ? undefined : String(found);
}

/** Throws where the library is too old or the durability setting did not take. */
export function selfCheck(db: Db): SelfCheck {
  const sqliteVersion = db.prepare('SELECT sqlite_version()').pluck().get() as string;
  const [major = 0, minor = 0, patch = 0] = sqliteVersion.split('.').map(Number);
  const [wantMajor, wantMinor, wantPatch] = SQLITE_VERSION_MIN;
  const order = major - wantMajor || minor - wantMinor || patch - wantPatch;
  if (order < 0) throw new Error(`SQLite ${sqliteVersion} is older than ${SQLITE_VERSION_MIN.join('.')}`);
  const synchronous = db.pragma('synchronous', { simple: true }) === SYNCHRONOUS_FULL ? 'full' : 'other';
  if (synchronous !== 'full') throw new Error('SQLite did not accept synchronous=FULL');
  return { sqliteVersion, synchronous };
}
