// The SQL of API keys.
import type { Statement } from '#kernel/unit.ts';
import { compiler, lookup, type Reader, statement } from '#platform/storage/compiler.ts';

export type KeyRow = {
  id: string;
  name: string;
  hash: string;
  created_at: number;
  revoked_at: number | null;
  /** The only agent it may act for, or null for any. */
  agent_id: string | null;
  agent_name: string | null;
  read_only: number;
  expires_at: number | null;
};

const db = compiler<{ api_keys: KeyRow }>();

const byHash = lookup(1, (hash) => db.selectFrom('api_keys').selectAll().where('hash', '=', hash));
export const keyByHash = (reader: Reader, hash: string): KeyRow | undefined => reader.recall(byHash, hash);
export const liveKeys = (reader: Reader, nowMs: number): Promise<KeyRow[]> =>
  reader.all(
    db
      .selectFrom('api_keys')
      .selectAll()
      .where('revoked_at', 'is', null)
      .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', nowMs)]))
      .orderBy('created_at'),
  );
/** By id, after `after`; expired ones, too, until they are revoked. */
export const keysAfter = (reader: Reader, after: string, limit: number): Promise<KeyRow[]> =>
  reader.all(
    db
      .selectFrom('api_keys')
      .selectAll()
      .where('revoked_at', 'is', null)
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit),
  );
const byId = lookup(1, (id) => db.selectFrom('api_keys').selectAll().where('id', '=', id));
export const keyBy = (reader: Reader, id: string): KeyRow | undefined => reader.recall(byId, id);
export const insertKey = (row: KeyRow): Statement => statement(db.insertInto('api_keys').values(row), 1);
/** The clock went back: keys that had ended by then stay so, and an end that was set later than now would be far away. */
export const endKeysOver = ({ endedByMs, nowMs }: { endedByMs: number; nowMs: number }): Statement =>
  statement(
    db
      .updateTable('api_keys')
      .set({ revoked_at: nowMs })
      .where('revoked_at', 'is', null)
      .where('expires_at', 'is not', null)
      .where((where) => where.or([where('expires_at', '<=', endedByMs), where('created_at', '>', nowMs)])),
  );
export const revokeKey = (id: string, nowMs: number): Statement =>
  statement(
    db
      .updateTable('api_keys')
      .set({ revoked_at: nowMs })
      .where('id', '=', id)
      .where('revoked_at', 'is', null),
    1,
  );
