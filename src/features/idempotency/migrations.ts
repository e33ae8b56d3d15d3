// Schema of idempotency keys. Neither a key nor an answer stands in it in clear.
import type { Migration } from '#platform/storage/migration.ts';

export const migrations: readonly Migration[] = [
  {
    number: 10,
    name: 'idempotency_keys',
    // The primary key is the guard: of any number of tries at once one inserts, and the others are a conflict.
    sql: `
CREATE TABLE idempotency_keys (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  intent TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'unknown')),
  fingerprint TEXT NOT NULL,
  salt TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  status INTEGER,
  value BLOB
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_by_owner ON idempotency_keys (owner, created_at);
CREATE UNIQUE INDEX idempotency_running ON idempotency_keys (intent) WHERE state = 'running';`,
  },
];
