// Schema of passports: the server-side lease and state of every token that was minted.
import type { Migration } from '#platform/storage/migration.ts';

export const migrations: readonly Migration[] = [
  {
    number: 5,
    name: 'passports',
    sql: `
CREATE TABLE passports (
  jti TEXT PRIMARY KEY,
  session_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  agent_name TEXT NOT NULL,
  parent_jti TEXT,
  minted_by TEXT NOT NULL,
  mode TEXT NOT NULL,
  services TEXT NOT NULL,
  intent TEXT,
  issued_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  revoke_reason TEXT,
  standing INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX passports_by_agent ON passports (agent_id, expires_at);
CREATE INDEX passports_by_minter ON passports (minted_by, issued_at);
CREATE INDEX passports_standing ON passports (minted_by, agent_id, standing);
CREATE INDEX passports_by_session ON passports (session_id);`,
  },
  {
    number: 7,
    name: 'passports_ended',
    sql: 'CREATE INDEX passports_ended ON passports (standing, expires_at);',
  },
];
