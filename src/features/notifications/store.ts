// The SQL of deliveries.
import { sql } from 'kysely';
import type { Statement } from '#kernel/unit.ts';
import { compiler, type Reader, statement } from '#platform/storage/compiler.ts';

export type DeliveryState = 'waiting' | 'delivered' | 'dead';
export type DeliveryRow = {
  id: string;
  destination: string;
  event: string;
  approval_id: string;
  body: string;
  state: DeliveryState;
  attempts: number;
  created_at: number;
  next_at: number;
  ended_at: number | null;
  last_error: string | null;
};

const db = compiler<{ notification_deliveries: DeliveryRow }>();
/** A literal, so that the partial index serves it. */
const WAITING = sql<boolean>`state = 'waiting'`;

export const insertDelivery = (row: DeliveryRow): Statement =>
  statement(db.insertInto('notification_deliveries').values(row), 1);

type Due = { readonly nowMs: number; readonly limit: number };
export const dueDeliveries = (reader: Reader, { nowMs, limit }: Due): Promise<DeliveryRow[]> =>
  reader.all(
    db
      .selectFrom('notification_deliveries')
      .selectAll()
      .where(WAITING)
      .where('next_at', '<=', nowMs)
      .orderBy('next_at')
      .limit(limit),
  );

export type Attempted = Pick<DeliveryRow, 'state' | 'attempts' | 'next_at' | 'ended_at' | 'last_error'>;
export const recordAttempt = (id: string, attempted: Attempted): Statement =>
  statement(db.updateTable('notification_deliveries').set(attempted).where('id', '=', id).where(WAITING), 1);

type Filter = {
  readonly state: DeliveryState | undefined;
  readonly before: { readonly createdAt: number; readonly id: string } | undefined;
  readonly limit: number;
};
/** The newest first. */
export function deliveries(reader: Reader, { state, before, limit }: Filter): Promise<DeliveryRow[]> {
  let query = db.selectFrom('notification_deliveries').selectAll();
  if (state !== undefined) query = query.where('state', '=', state);
  if (before !== undefined)
    query = query.where((where) =>
      where.or([
        where('created_at', '<', before.createdAt),
        where.and([where('created_at', '=', before.createdAt), where('id', '<', before.id)]),
      ]),
    );
  return reader.all(query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit));
}

type Old = { readonly beforeMs: number; readonly limit: number };
export async function oldDeliveries(reader: Reader, { beforeMs, limit }: Old): Promise<readonly string[]> {
  const rows = await reader.all(
    db
      .selectFrom('notification_deliveries')
      .select('id')
      .where('created_at', '<', beforeMs)
      .orderBy('created_at')
      .limit(limit),
  );
  return rows.map(({ id }) => id);
}
export const deleteDeliveries = (ids: readonly string[]): Statement =>
  statement(
    db
      .deleteFrom('notification_deliveries')
      .where('id', 'in', sql<string>`(SELECT value FROM json_each(${JSON.stringify(ids)}))`),
  );
