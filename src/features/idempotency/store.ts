// The SQL of idempotency keys. `value` is ciphertext.
import { sql } from 'kysely';
import type { Statement } from '#kernel/unit.ts';
import { compiler, type Reader, statement } from '#platform/storage/compiler.ts';
import type { KeptState } from './model.ts';

export type KeyRow = {
  id: string;
  owner: string;
  intent: string;
  state: KeptState;
  /** Salted hash of the call's arguments. */
  fingerprint: string;
  salt: string;
  created_at: number;
  status: number | null;
  value: Uint8Array | null;
};

const db = compiler<{ idempotency_keys: KeyRow }>();

export const keyRow = (reader: Reader, id: string): Promise<KeyRow | undefined> =>
  reader.first(db.selectFrom('idempotency_keys').selectAll().where('id', '=', id));

/** A second one under the same id is a CONFLICT. */
export const insertKey = (row: KeyRow): Statement =>
  statement(db.insertInto('idempotency_keys').values(row), 1);

/** Makes room for the same key once its day is over. */
export const deleteExpiredKey = (id: string, beforeMs: number): Statement =>
  statement(db.deleteFrom('idempotency_keys').where('id', '=', id).where('created_at', '<', beforeMs));

type Running = Pick<KeyRow, 'id' | 'intent'>;

/** These three touch one row or none, and are never a conflict: the outcome entry beside them must not be lost. */
export const endKey = ({ id, intent }: Running, end: Pick<KeyRow, 'state' | 'status' | 'value'>): Statement =>
  statement(
    db
      .updateTable('idempotency_keys')
      .set(end)
      .where('id', '=', id)
      .where('intent', '=', intent)
      .where('state', '=', 'running'),
  );
export const releaseKey = ({ id, intent }: Running): Statement =>
  statement(
    db
      .deleteFrom('idempotency_keys')
      .where('id', '=', id)
      .where('intent', '=', intent)
      .where('state', '=', 'running'),
  );
/** The key of a call that was not sent, where only its intent is known. */
export const freeKey = (intent: string): Statement =>
  statement(
    db
      .deleteFrom('idempotency_keys')
      .where('intent', '=', intent)
      // A literal, so that the partial index serves it.
      .where(sql<boolean>`state = 'running'`),
  );
/** After a crash: what was running has ended, nobody knows how. */
export const loseKeys = (intents: readonly string[]): Statement =>
  statement(
    db
      .updateTable('idempotency_keys')
      .set({ state: 'unknown' })
      .where('intent', 'in', intents)
      // A literal, so that the partial index serves it.
      .where(sql<boolean>`state = 'running'`),
  );

export type Usage = { readonly owner: string; readonly rows: number; readonly bytes: number };
export const usages = (reader: Reader): Promise<Usage[]> =>
  reader.all(
    db
      .selectFrom('idempotency_keys')
      .select((of) => [
        'owner',
        of.fn.countAll<number>().as('rows'),
        sql<number>`total(length(value))`.as('bytes'),
      ])
      .groupBy('owner'),
  );

export async function oldestKeyMs(reader: Reader, owner: string): Promise<number | undefined> {
  const row = await reader.first(
    db
      .selectFrom('idempotency_keys')
      .select('created_at')
      .where('owner', '=', owner)
      .orderBy('created_at')
      .limit(1),
  );
  return row?.created_at;
}

type Old = { readonly beforeMs: number; readonly limit: number };
export async function oldKeys(reader: Reader, { beforeMs, limit }: Old): Promise<readonly string[]> {
  const rows = await reader.all(
    db
      .selectFrom('idempotency_keys')
      .select('id')
      .where('created_at', '<', beforeMs)
      .orderBy('created_at')
      .limit(limit),
  );
  return rows.map(({ id }) => id);
}
export const deleteKeys = (ids: readonly string[]): Statement =>
  statement(db.deleteFrom('idempotency_keys').where('id', 'in', ids));
