// Schema of notifications: an outbox, written in the unit of what it tells of, so that nothing is told that did not happen and
// nothing that happened is left untold. Bodies name approvals and agents, and nothing of the call.
import type { Migration } from '#platform/storage/migration.ts';

export const migrations: readonly Migration[] = [
  {
    number: 15,
    name: 'notifications',
    sql: `
CREATE TABLE notification_deliveries (
  id TEXT PRIMARY KEY,
  destination TEXT NOT NULL,
  event TEXT NOT NULL,
  approval_id TEXT NOT NULL,
  body TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
  attempts INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  ended_at INTEGER,
  last_error TEXT
) STRICT;
CREATE INDEX notification_deliveries_due ON notification_deliveries (next_at) WHERE state = 'waiting';
CREATE INDEX notification_deliveries_by_age ON notification_deliveries (created_at);`,
  },
];
