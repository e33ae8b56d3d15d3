// The SQL of the vault. Every value in these rows is ciphertext.

import type { Statement } from '#kernel/unit.ts';
import { compiler, type Reader, statement } from '#platform/storage/compiler.ts';

export type KeyringRow = {
  id: string;
  public_key: Uint8Array;
  private_key: Uint8Array;
  created_at: number;
  retired_at: number | null;
  /** Later ones are current before earlier ones. */
  generation: number;
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

type Tables = { keyring: KeyringRow; secrets: SecretRow; signing_keys: SigningKeyRow };
const db = compiler<Tables & { sqlite_master: { name: string } }>();

export const allKeyring = (reader: Reader): Promise<KeyringRow[]> =>
  reader.all(db.selectFrom('keyring').selectAll());
/** For a look before the schema is brought forward: where its making was cut short there is no keyring yet. */
export async function keyringSoFar(reader: Reader): Promise<KeyringRow[]> {
  const table = db.selectFrom('sqlite_master').select('name').where('name', '=', 'keyring');
  return (await reader.first(table)) === undefined ? [] : allKeyring(reader);
}
export const allSecrets = (reader: Reader): Promise<SecretRow[]> =>
  reader.all(db.selectFrom('secrets').selectAll().orderBy('name').orderBy('version', 'desc'));
export const signingKeysOf = (reader: Reader, purpose: string): Promise<SigningKeyRow[]> =>
  reader.all(db.selectFrom('signing_keys').selectAll().where('purpose', '=', purpose));

export const insertKeyring = (row: KeyringRow): Statement =>
  statement(db.insertInto('keyring').values(row), 1);
/** Not under a retired ring key, as with secrets. */
export function insertSigningKey(row: SigningKeyRow): Statement {
  const columns = Object.keys(row) as (keyof SigningKeyRow)[];
  const values = db
    .selectFrom('keyring')
    .select((each) => columns.map((column) => each.val(row[column]).as(column)))
    .where('keyring.id', '=', row.ring_key)
    .where('keyring.retired_at', 'is', null);
  return statement(db.insertInto('signing_keys').columns(columns).expression(values), 1);
}
/** It signs no more; a second one that would retire it is a CONFLICT. */
export const retireSigningKey = (kid: string, nowMs: number): Statement =>
  statement(
    db
      .updateTable('signing_keys')
      .set({ retired_at: nowMs })
      .where('kid', '=', kid)
      .where('retired_at', 'is', null),
    1,
  );
/**
 * The unique (name, version) makes two writers of one version a CONFLICT. So does a ring key that was retired after the
 * value was wrapped: no row with its id may appear once a rotation has found none.
 */
export function insertSecret(row: SecretRow): Statement {
  const columns = Object.keys(row) as (keyof SecretRow)[];
  const values = db
    .selectFrom('keyring')
    .select((each) => columns.map((column) => each.val(row[column]).as(column)))
    .where('keyring.id', '=', row.ring_key)
    .where('keyring.retired_at', 'is', null);
  return statement(db.insertInto('secrets').columns(columns).expression(values), 1);
}
export const deleteSecretVersions = (name: string, below: number): Statement =>
  statement(db.deleteFrom('secrets').where('name', '=', name).where('version', '<', below));
export const deleteSecret = (name: string, rows: number): Statement =>
  statement(db.deleteFrom('secrets').where('name', '=', name), rows);

/** What is wrapped under ring keys. */
export const BOXED_TABLES = ['secrets', 'signing_keys'] as const;
/** One row of either table, as a rotation sees it. */
export type BoxedRow = { readonly id: string; readonly ring_key: string; readonly data_key: Uint8Array };
type Table = (typeof BOXED_TABLES)[number];
type Page = { readonly ringKey: string; readonly after: string; readonly limit: number };

/** By id, after `after`. */
export function boxedUnder(
  reader: Reader,
  table: Table,
  { ringKey, after, limit }: Page,
): Promise<BoxedRow[]> {
  return table === 'secrets'
    ? reader.all(
        db
          .selectFrom('secrets')
          .select(['id', 'ring_key', 'data_key'])
          .where('ring_key', '=', ringKey)
          .where('id', '>', after)
          .orderBy('id')
          .limit(limit),
      )
    : reader.all(
        db
          .selectFrom('signing_keys')
          .select(['kid as id', 'ring_key', 'data_key'])
          .where('ring_key', '=', ringKey)
          .where('kid', '>', after)
          .orderBy('kid')
          .limit(limit),
      );
}

/** Only the box moves. A row that was changed or deleted meanwhile is a CONFLICT. */
export function reboxRow(table: Table, from: BoxedRow, to: Omit<BoxedRow, 'id'>): Statement {
  const change = { ring_key: to.ring_key, data_key: to.data_key };
  return table === 'secrets'
    ? statement(
        db
          .updateTable('secrets')
          .set(change)
          .where('id', '=', from.id)
          .where('ring_key', '=', from.ring_key)
          .where('data_key', '=', from.data_key),
        1,
      )
    : statement(
        db
          .updateTable('signing_keys')
          .set(change)
          .where('kid', '=', from.id)
          .where('ring_key', '=', from.ring_key)
          .where('data_key', '=', from.data_key),
        1,
      );
}

export type RowCount = { readonly ring_key: string; readonly rows: number };
/** How many rows of either table are wrapped under each ring key. */
export async function boxedCounts(reader: Reader): Promise<readonly RowCount[]> {
  const [secrets, signingKeys] = await Promise.all([
    reader.all(
      db
        .selectFrom('secrets')
        .select((of) => ['ring_key', of.fn.countAll<number>().as('rows')])
        .groupBy('ring_key'),
    ),
    reader.all(
      db
        .selectFrom('signing_keys')
        .select((of) => ['ring_key', of.fn.countAll<number>().as('rows')])
        .groupBy('ring_key'),
    ),
  ]);
  return [...secrets, ...signingKeys];
}

/** Judged where it is written: as long as one row is left under it, the unit is a CONFLICT. */
export function retireRing(id: string, nowMs: number): Statement {
  return statement(
    db
      .updateTable('keyring')
      .set({ retired_at: nowMs })
      .where('id', '=', id)
      .where('retired_at', 'is', null)
      .where((where) =>
        where.and(
          BOXED_TABLES.map((table) =>
            where.not(where.exists(where.selectFrom(table).select('ring_key').where('ring_key', '=', id))),
          ),
        ),
      ),
    1,
  );
}
