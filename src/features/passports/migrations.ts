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
  {
    number: 11,
    name: 'missions',
    // A passport from before it is the first of its chain, and its mission began with it.
    sql: `
ALTER TABLE passports ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE passports ADD COLUMN ttl_seconds INTEGER NOT NULL DEFAULT 900;
ALTER TABLE passports ADD COLUMN checkpoint_interval INTEGER;
ALTER TABLE passports ADD COLUMN last_checkpoint_at INTEGER;
ALTER TABLE passports ADD COLUMN mission_ends_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE passports ADD COLUMN ended_at INTEGER;
ALTER TABLE passports ADD COLUMN ended_by TEXT;
ALTER TABLE passports ADD COLUMN refreshed_from TEXT;
ALTER TABLE passports ADD COLUMN successor_jti TEXT;
UPDATE passports SET ttl_seconds = (expires_at - issued_at) / 1000, mission_ends_at = issued_at + 86400000;
CREATE INDEX passports_by_parent ON passports (parent_jti) WHERE parent_jti IS NOT NULL;
CREATE INDEX passports_by_predecessor ON passports (refreshed_from) WHERE refreshed_from IS NOT NULL;`,
  },
  {
    number: 12,
    name: 'passport_status',
    // A passport from before it is in no list; it is over within the hour.
    sql: 'ALTER TABLE passports ADD COLUMN status_index INTEGER;',
  },
];
