// A throwaway folder, units to commit in it, and the log read back by a connection of its own: what the tests of storage share.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { draftEntry } from '#features/audit/entry.ts';
import { headOf, scanEntries } from '#features/audit/store.ts';
import { type ChainReport, verifyChain } from '#features/audit/verify.ts';
import type { EntryDraft, SqlValue, Statement, Unit } from '#kernel/unit.ts';
import { type Db, openDatabase } from '#platform/storage/database.ts';
import { assetsOfTest } from '#test/support/assets.ts';

export const assets = assetsOfTest();
export const { addonPath } = assets;

export type Folder = { readonly path: string; readonly file: string; readonly remove: () => void };

export function throwawayFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'stack-storage-'));
  return { path, file: join(path, 'stack.db'), remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Runs on a connection that is closed afterwards, so that a test never holds the file open. */
export function look<T>(file: string, see: (db: Db) => T): T {
  const db = openDatabase(file, { addonPath, readonly: true });
  try {
    return see(db);
  } finally {
    db.close();
  }
}

export const chainOf = (file: string): ChainReport =>
  look(file, (db) => verifyChain(scanEntries(db), headOf(db)));

/** Actions in the order of the chain. */
export const actionsOf = (file: string): readonly string[] =>
  look(file, (db) => [...scanEntries(db)].map(({ action }) => action));

/** Ids of the agents that are there, sorted. */
export const agentsOf = (file: string): readonly string[] =>
  look(file, (db) => db.prepare('SELECT id FROM agents ORDER BY id').pluck().all() as string[]);

/** A committer's surroundings where nobody listens. */
export const UNHEARD = { committed: () => undefined, late: () => undefined, keep: () => undefined };

let made = 0;
export const entry = (action: string, more: Partial<EntryDraft> = {}): EntryDraft =>
  draftEntry({ ...more, entry_id: `aud_${++made}`, timestamp: made, action });

/** A row under its id, which is also its name; the same id twice breaks a constraint. */
export const insertAgent = (id: string): Statement => ({
  sql: 'INSERT INTO agents (id, name, description, mode, on_warning, on_critical, status, source, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  parameters: [id, id, '', 'enforced', 'notify', 'notify', 'active', 'api', 1],
  rows: 1,
});

/** Renames an agent; where there is none, the count is not met. */
export const renameAgent = (id: string, name: SqlValue): Statement => ({
  sql: 'UPDATE agents SET name = ? WHERE id = ?',
  parameters: [name, id],
  rows: 1,
});

/** One agent and its entry. */
export const adding = (id: string): Unit => ({
  statements: [insertAgent(id)],
  entries: [entry(`add.${id}`)],
});
