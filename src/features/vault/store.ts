// The SQL of the vault. Every value in these rows is ciphertext.

import type { Statement } from '#kernel/unit.ts';
import { compiler, type Reader, statement } from '#platform/storage/compiler.ts';

export type KeyringRow = {
  id: string;
  public_key: Uint8Array;
  private_key: Uint8Array;
  created_at: number;
  retired_at: number | null;
};
export type SecretRow = {
  id: string;
  name: string;
  version: number;
  service: string;
  binding: string;
  ring_key: string;
  data_key: Uint8Array;
  value: Uint8Array;
  created_at: number;
};
export type SigningKeyRow = {
  kid: string;
  purpose: string;
  ring_key: string;
  data_key: Uint8Array;
  value: Uint8Array;
  created_at: number;
  retired_at: number | null;
};

const db = compiler<{ keyring: KeyringRow; secrets: SecretRow; signing_keys: SigningKeyRow }>();

export const allKeyring = (reader: Reader): Promise<KeyringRow[]> =>
  reader.all(db.selectFrom('keyring').selectAll());
export const allSecrets = (reader: Reader): Promise<SecretRow[]> =>
  reader.all(db.selectFrom('secrets').selectAll().orderBy('name').orderBy('version', 'desc'));
export const liveSigningKeys = (reader: Reader, purpose: string): Promise<SigningKeyRow[]> =>
  reader.all(
    db
      .selectFrom('signing_keys')
      .selectAll()
      .where('purpose', '=', purpose)
      .where('retired_at', 'is', null)
      .orderBy('created_at', 'desc'),
  );

export const insertKeyring = (row: KeyringRow): Statement =>
  statement(db.insertInto('keyring').values(row), 1);
export const insertSigningKey = (row: SigningKeyRow): Statement =>
  statement(db.insertInto('signing_keys').values(row), 1);
/** The unique (name, version) makes two writers of one version a CONFLICT. */
export const insertSecret = (row: SecretRow): Statement => statement(db.insertInto('secrets').values(row), 1);
export const deleteSecretVersions = (name: string, below: number): Statement =>
  statement(db.deleteFrom('secrets').where('name', '=', name).where('version', '<', below));
export const deleteSecret = (name: string, rows: number): Statement =>
  statement(db.deleteFrom('secrets').where('name', '=', name), rows);
