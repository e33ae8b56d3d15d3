// Schema of the log. The bytes are the truth; the columns beside them are an index (contract 7).
import type { Migration } from '#platform/storage/migration.ts';

export const migrations: readonly Migration[] = [
  {
    number: 1,
    name: 'audit',
    sql: `
CREATE TABLE audit_entries (
  seq INTEGER PRIMARY KEY,
  entry_id TEXT NOT NULL UNIQUE,
  timestamp INTEGER NOT NULL,
  actor_id TEXT NOT NULL,
  agent_id TEXT,
  session_id TEXT,
  passport_jti TEXT,
  action TEXT NOT NULL,
  outcome TEXT NOT NULL,
  refers_to TEXT,
  bytes TEXT NOT NULL,
  entry_hash TEXT NOT NULL,
  salt TEXT
) STRICT;
CREATE INDEX audit_by_agent ON audit_entries (agent_id, seq);
CREATE INDEX audit_by_passport ON audit_entries (passport_jti, seq);
CREATE INDEX audit_by_session ON audit_entries (session_id, seq);
CREATE INDEX audit_by_actor ON audit_entries (actor_id, seq);
CREATE INDEX audit_by_reference ON audit_entries (refers_to) WHERE refers_to IS NOT NULL;
CREATE INDEX audit_pending ON audit_entries (seq) WHERE outcome = 'pending';
CREATE TABLE audit_head (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, entry_hash TEXT NOT NULL) STRICT;
CREATE TRIGGER audit_entries_fixed BEFORE UPDATE OF seq, entry_id, bytes, entry_hash ON audit_entries
BEGIN SELECT RAISE(ABORT, 'audit entries do not change'); END;
CREATE TRIGGER audit_entries_kept BEFORE DELETE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'audit entries are not deleted'); END;`,
  },
  {
    number: 6,
    name: 'audit_sessions',
    sql: `
CREATE INDEX audit_sessions_opened ON audit_entries (actor_id, session_id)
  WHERE action = 'passport.issue' AND outcome = 'success';`,
  },
];
