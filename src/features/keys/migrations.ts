// Schema of API keys: only a keyed hash is kept.
import type { Migration } from '#platform/storage/migration.ts';

export const migrations: readonly Migration[] = [
  {
    number: 3,
    name: 'keys',
    sql: `
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT;`,
  },
  {
    number: 8,
    name: 'keys_bounds',
    // The agent by id, so that another one under the same name gets nothing of it.
    sql: `
ALTER TABLE api_keys ADD COLUMN agent_id TEXT;
ALTER TABLE api_keys ADD COLUMN agent_name TEXT;
ALTER TABLE api_keys ADD COLUMN read_only INTEGER NOT NULL DEFAULT 0 CHECK (read_only IN (0, 1));
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;`,
  },
];
