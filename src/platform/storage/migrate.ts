// Brings the schema forward, one numbered step per transaction; a newer or altered database is left untouched.
import { createHash } from 'node:crypto';
import type { Db } from './database.ts';
import type { Migration } from './migration.ts';

type Applied = { readonly number: number; readonly sha256: string };

export class SchemaMismatch extends Error {}

const digest = (sql: string): string => createHash('sha256').update(sql).digest('hex');

/** `nowMs` is written beside each step. Throws SchemaMismatch before anything is changed. */
export function migrate(db: Db, migrations: readonly Migration[], nowMs: number): void {
  const applied = readApplied(db);
  for (const step of applied) {
    const known = migrations.find((migration) => migration.number === step.number);
    if (known === undefined) throw new SchemaMismatch('the database was written by a newer version of stack');
    if (digest(known.sql) !== step.sha256)
      throw new SchemaMismatch(`migration ${step.number} differs from the one applied`);
  }
  db.exec(
    'CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT',
  );
  const done = new Set(applied.map((step) => step.number));
  for (const migration of [...migrations].sort((a, b) => a.number - b.number)) {
    if (!done.has(migration.number)) apply(db, migration, nowMs);
  }
}

function readApplied(db: Db): readonly Applied[] {
  const table = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'").get();
  if (table === undefined) return [];
  return db.prepare('SELECT number, sha256 FROM schema_migrations ORDER BY number').all() as Applied[];
}

function apply(db: Db, migration: Migration, nowMs: number): void {
  db.transaction(() => {
    db.exec(migration.sql);
    db.prepare('INSERT INTO schema_migrations (number, name, sha256, applied_at) VALUES (?, ?, ?, ?)').run(
      migration.number,
      migration.name,
      digest(migration.sql),
      nowMs,
    );
  }).immediate();
}
