// Schema of agents. Grants are not stored: the live config is the only source.
import type { Migration } from '#platform/storage/migration.ts';

export const migrations: readonly Migration[] = [
  {
    number: 4,
    name: 'agents',
    sql: `
CREATE TABLE agents (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  mode TEXT NOT NULL,
  on_warning TEXT NOT NULL,
  on_critical TEXT NOT NULL,
  status TEXT NOT NULL,
  source TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;`,
  },
];
