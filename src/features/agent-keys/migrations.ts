// Schema of agent keys and of the challenges that enrol them. One of each per agent: another one replaces it.
import type { Migration } from '#platform/storage/migration.ts';

export const migrations: readonly Migration[] = [
  {
    number: 13,
    name: 'agent_keys',
    // Of a challenge only its hash is kept: whoever knows it may enrol a key.
    sql: `
CREATE TABLE agent_keys (
  agent_id TEXT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kid TEXT NOT NULL UNIQUE,
  x TEXT NOT NULL,
  enrolled_at INTEGER NOT NULL,
  enrolled_by TEXT NOT NULL
) STRICT;
CREATE TABLE agent_challenges (
  agent_id TEXT PRIMARY KEY,
  hash TEXT NOT NULL,
  created_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;`,
  },
];
