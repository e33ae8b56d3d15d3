// Schema of the vault: everything in it is ciphertext or public.
import type { Migration } from '#platform/storage/migration.ts';

export const migrations: readonly Migration[] = [
  {
    number: 2,
    name: 'vault',
    sql: `
CREATE TABLE keyring (
  id TEXT PRIMARY KEY,
  public_key BLOB NOT NULL,
  private_key BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  retired_at INTEGER
) STRICT;
CREATE TABLE secrets (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  service TEXT NOT NULL,
  binding TEXT NOT NULL,
  ring_key TEXT NOT NULL REFERENCES keyring (id),
  data_key BLOB NOT NULL,
  value BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (name, version)
) STRICT;
CREATE TABLE signing_keys (
  kid TEXT PRIMARY KEY,
  purpose TEXT NOT NULL,
  ring_key TEXT NOT NULL REFERENCES keyring (id),
  data_key BLOB NOT NULL,
  value BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  retired_at INTEGER
) STRICT;`,
  },
  {
    number: 9,
    name: 'vault_generations',
    // Unique: of two rotations that begin together one is a conflict.
    sql: `
ALTER TABLE keyring ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX keyring_generations ON keyring (generation);
CREATE INDEX secrets_by_ring ON secrets (ring_key, id);
CREATE INDEX signing_keys_by_ring ON signing_keys (ring_key, kid);`,
  },
];
