// Schema of approvals. What the call is stands in `card` and `body`, encrypted; the columns say whose it is and how it stands.
import type { Migration } from '#platform/storage/migration.ts';

export const migrations: readonly Migration[] = [
  {
    number: 14,
    name: 'approvals',
    // A use is a row under its intent, so that giving one back, or its outcome, cannot count twice.
    sql: `
CREATE TABLE approvals (
  id TEXT PRIMARY KEY,
  status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'rejected')),
  ended TEXT CHECK (ended IN ('time', 'withdrawn', 'passport_revoked')),
  ended_at INTEGER,
  agent_id TEXT NOT NULL,
  agent_name TEXT NOT NULL,
  session_id TEXT NOT NULL,
  passport_jti TEXT NOT NULL,
  minted_by TEXT NOT NULL,
  service TEXT NOT NULL,
  action TEXT NOT NULL,
  method TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  opened_at INTEGER,
  decided_at INTEGER,
  decided_by TEXT,
  note TEXT,
  uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
  free TEXT NOT NULL,
  receipt TEXT,
  body_bytes INTEGER NOT NULL,
  card BLOB NOT NULL,
  body BLOB
) STRICT;
CREATE INDEX approvals_by_agent ON approvals (agent_id, created_at);
CREATE INDEX approvals_by_session ON approvals (session_id, created_at);
CREATE INDEX approvals_by_age ON approvals (created_at);
CREATE INDEX approvals_waiting ON approvals (agent_id, body_bytes) WHERE status = 'pending' AND ended IS NULL;
CREATE INDEX approvals_open ON approvals (expires_at)
  WHERE status IN ('pending', 'approved') AND ended IS NULL AND (status = 'pending' OR uses_left > 0);
CREATE INDEX approvals_over ON approvals (expires_at);
CREATE TABLE approval_uses (
  intent TEXT PRIMARY KEY,
  approval_id TEXT NOT NULL,
  used_at INTEGER NOT NULL,
  outcome TEXT CHECK (outcome IN ('success', 'failure', 'unknown'))
) STRICT;
CREATE INDEX approval_uses_by_approval ON approval_uses (approval_id, used_at);`,
  },
];
