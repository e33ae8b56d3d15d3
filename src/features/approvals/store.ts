// The SQL of approvals and of their uses. `card` and `body` are ciphertext.
import { sql } from 'kysely';
import { APPROVALS_PENDING_MAX, APPROVALS_PENDING_PER_AGENT_MAX } from '#kernel/limits.ts';
import type { Statement } from '#kernel/unit.ts';
import { compiler, type Reader, statement } from '#platform/storage/compiler.ts';
import type { Ended, Standing, UseOutcome } from './model.ts';

export type ApprovalRow = Standing & {
  id: string;
  ended_at: number | null;
  agent_id: string;
  agent_name: string;
  session_id: string;
  passport_jti: string;
  /** The key or person that minted the passport. */
  minted_by: string;
  service: string;
  action: string;
  method: string;
  created_at: number;
  /** A person first looked at the card. */
  opened_at: number | null;
  decided_at: number | null;
  decided_by: string | null;
  note: string | null;
  /** JSON of the names of the fields that the decision left free. */
  free: string;
  receipt: string | null;
  body_bytes: number;
  card: Uint8Array;
};
type WholeRow = ApprovalRow & { body: Uint8Array | null };
type UseRow = { intent: string; approval_id: string; used_at: number; outcome: UseOutcome | null };

const db = compiler<{ approvals: WholeRow; approval_uses: UseRow }>();

const COLUMNS = [
  ...(['id', 'status', 'ended', 'ended_at', 'agent_id', 'agent_name', 'session_id', 'passport_jti'] as const),
  ...(['minted_by', 'service', 'action', 'method', 'created_at', 'expires_at', 'opened_at'] as const),
  ...(['decided_at', 'decided_by', 'note', 'uses_left', 'free', 'receipt', 'body_bytes', 'card'] as const),
] as const;
/** Literals, so that the partial indexes serve them. */
const WAITING = sql<boolean>`status = 'pending' AND ended IS NULL`;
const OPEN = sql<boolean>`status IN ('pending', 'approved') AND ended IS NULL AND (status = 'pending' OR uses_left > 0)`;

/** How the last use ended; null while it is under way, and before the first. */
const LAST_OUTCOME = sql<UseOutcome | null>`(SELECT outcome FROM approval_uses WHERE approval_id = approvals.id ORDER BY used_at DESC, rowid DESC LIMIT 1)`;

export type Shown = ApprovalRow & { readonly outcome: UseOutcome | null };
const shown = () => db.selectFrom('approvals').select([...COLUMNS, LAST_OUTCOME.as('outcome')]);

export const approvalRow = (reader: Reader, id: string): Promise<Shown | undefined> =>
  reader.first(shown().where('id', '=', id));

export async function storedBody(reader: Reader, id: string): Promise<Uint8Array | null> {
  const row = await reader.first(db.selectFrom('approvals').select('body').where('id', '=', id));
  return row?.body ?? null;
}

export type ApprovalFilter = {
  readonly agentId: string | undefined;
  readonly sessionId: string | undefined;
  readonly mintedBy: string | undefined;
  /** Only what waits for a person, or may still be used. */
  readonly open: boolean;
  /** Created before: the place where the page before ended. */
  readonly before: { readonly createdAt: number; readonly id: string } | undefined;
  readonly limit: number;
};

/** The newest first. */
export function approvals(reader: Reader, filter: ApprovalFilter): Promise<Shown[]> {
  let query = shown();
  if (filter.agentId !== undefined) query = query.where('agent_id', '=', filter.agentId);
  if (filter.sessionId !== undefined) query = query.where('session_id', '=', filter.sessionId);
  if (filter.mintedBy !== undefined) query = query.where('minted_by', '=', filter.mintedBy);
  if (filter.open) query = query.where(OPEN);
  const { before } = filter;
  if (before !== undefined)
    query = query.where((where) =>
      where.or([
        where('created_at', '<', before.createdAt),
        where.and([where('created_at', '=', before.createdAt), where('id', '<', before.id)]),
      ]),
    );
  return reader.all(query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(filter.limit));
}

export type Waiting = { readonly ofAgent: number; readonly bytes: number; readonly ofAll: number };
export async function waiting(reader: Reader, agentId: string): Promise<Waiting> {
  const own = await reader.first(
    db
      .selectFrom('approvals')
      .select((of) => [of.fn.countAll<number>().as('rows'), sql<number>`total(body_bytes)`.as('bytes')])
      .where(WAITING)
      .where('agent_id', '=', agentId),
  );
  const all = await reader.first(
    db
      .selectFrom('approvals')
      .select((of) => of.fn.countAll<number>().as('rows'))
      .where(WAITING),
  );
  return { ofAgent: own?.rows ?? 0, bytes: own?.bytes ?? 0, ofAll: all?.rows ?? 0 };
}

/** Touches no row where the agent, or all agents together, have as many that wait as may be. */
export function insertApproval(row: WholeRow): Statement {
  const names = [...COLUMNS, 'body'] as const;
  const waitingOf = sql<number>`(SELECT count(*) FROM approvals WHERE status = 'pending' AND ended IS NULL AND agent_id = ${row.agent_id})`;
  const waitingOfAll = sql<number>`(SELECT count(*) FROM approvals WHERE status = 'pending' AND ended IS NULL)`;
  const query = db
    .insertInto('approvals')
    .columns(names)
    .expression(
      db
        .selectNoFrom(names.map((name) => sql.val(row[name]).as(name)))
        .where(waitingOf, '<', APPROVALS_PENDING_PER_AGENT_MAX)
        .where(waitingOfAll, '<', APPROVALS_PENDING_MAX),
    );
  return statement(query, 1);
}

export type Decision = {
  readonly status: 'approved' | 'rejected';
  readonly nowMs: number;
  readonly by: string;
  readonly note: string | null;
  readonly usesLeft: number;
  readonly expiresAt: number;
  readonly free: readonly string[];
  readonly receipt: string;
};

/** Once, and only while it waits. */
export const decideApproval = (id: string, decision: Decision): Statement =>
  statement(
    db
      .updateTable('approvals')
      .set({
        status: decision.status,
        decided_at: decision.nowMs,
        decided_by: decision.by,
        note: decision.note,
        uses_left: decision.usesLeft,
        expires_at: decision.expiresAt,
        free: JSON.stringify(decision.free),
        receipt: decision.receipt,
      })
      .where('id', '=', id)
      .where(WAITING)
      .where('expires_at', '>', decision.nowMs),
    1,
  );

export const withdrawApproval = (id: string, nowMs: number): Statement =>
  statement(
    db
      .updateTable('approvals')
      .set({ ended: 'withdrawn', ended_at: nowMs })
      .where('id', '=', id)
      .where(OPEN)
      .where('status', '=', 'approved')
      .where('expires_at', '>', nowMs),
    1,
  );

export const openCard = (id: string, nowMs: number): Statement =>
  statement(
    db
      .updateTable('approvals')
      .set({ opened_at: sql<number>`coalesce(opened_at, ${nowMs})` })
      .where('id', '=', id),
    1,
  );

type Use = { readonly id: string; readonly intent: string; readonly nowMs: number };

/** One use, in the unit of its intent: of any number of tries at once only as many as are left find a row. */
export const spendUse = ({ id, intent, nowMs }: Use): readonly Statement[] => [
  statement(
    db
      .updateTable('approvals')
      .set({ uses_left: sql<number>`uses_left - 1` })
      .where('id', '=', id)
      .where('status', '=', 'approved')
      .where('ended', 'is', null)
      .where('uses_left', '>', 0)
      .where('expires_at', '>', nowMs),
    1,
  ),
  statement(
    db.insertInto('approval_uses').values({ intent, approval_id: id, used_at: nowMs, outcome: null }),
    1,
  ),
];

/** These touch what they are about or nothing, and are never a conflict: the outcome entry beside them must not be lost. */
export const endUse = (intent: string, outcome: UseOutcome): readonly Statement[] => [
  statement(
    db
      .updateTable('approval_uses')
      .set({ outcome })
      .where('intent', '=', intent)
      .where('outcome', 'is', null),
  ),
];
/** Nothing was sent: the use is as if it had not been. */
export const giveBackUse = (intent: string): readonly Statement[] => [
  statement(
    db
      .updateTable('approvals')
      .set({ uses_left: sql<number>`uses_left + 1` })
      .where(
        sql<boolean>`id = (SELECT approval_id FROM approval_uses WHERE intent = ${intent} AND outcome IS NULL)`,
      ),
  ),
  statement(db.deleteFrom('approval_uses').where('intent', '=', intent).where('outcome', 'is', null)),
];
/** After a crash: what was under way has ended, nobody knows how. It stays spent. */
export const loseUses = (intents: readonly string[]): Statement =>
  statement(
    db
      .updateTable('approval_uses')
      .set({ outcome: 'unknown' })
      .where('intent', 'in', sql<string>`(SELECT value FROM json_each(${JSON.stringify(intents)}))`)
      .where('outcome', 'is', null),
  );

const OVER = [
  ...(['id', 'agent_id', 'agent_name', 'session_id', 'passport_jti'] as const),
  ...(['service', 'action', 'method', 'status', 'expires_at'] as const),
] as const;
export type Over = Pick<ApprovalRow, (typeof OVER)[number]>;
const over = () => db.selectFrom('approvals').select(OVER).where(OPEN);

type Due = { readonly nowMs: number; readonly limit: number };
export const dueApprovals = (reader: Reader, { nowMs, limit }: Due): Promise<Over[]> =>
  reader.all(over().where('expires_at', '<=', nowMs).orderBy('expires_at').limit(limit));

export async function openPassports(reader: Reader): Promise<readonly string[]> {
  const rows = await reader.all(db.selectFrom('approvals').select('passport_jti').distinct().where(OPEN));
  return rows.map(({ passport_jti }) => passport_jti);
}
type Of = { readonly jtis: readonly string[]; readonly limit: number };
export const openOf = (reader: Reader, { jtis, limit }: Of): Promise<Over[]> =>
  reader.all(
    over()
      .where('passport_jti', 'in', sql<string>`(SELECT value FROM json_each(${JSON.stringify(jtis)}))`)
      .limit(limit),
  );

/** How many of these passports' approvals wait, or may still be used. */
export async function countOpenOf(reader: Reader, jtis: readonly string[]): Promise<number> {
  if (jtis.length === 0) return 0;
  const row = await reader.first(
    db
      .selectFrom('approvals')
      .select((of) => of.fn.countAll<number>().as('rows'))
      .where('passport_jti', 'in', sql<string>`(SELECT value FROM json_each(${JSON.stringify(jtis)}))`)
      .where(OPEN),
  );
  return row?.rows ?? 0;
}

type Ending = { readonly ended: Ended; readonly nowMs: number };
export const endApprovals = (ids: readonly string[], { ended, nowMs }: Ending): Statement =>
  statement(
    db
      .updateTable('approvals')
      .set({ ended, ended_at: nowMs })
      .where('id', 'in', sql<string>`(SELECT value FROM json_each(${JSON.stringify(ids)}))`)
      .where(OPEN),
  );

type Old = { readonly beforeMs: number; readonly limit: number };
export async function oldApprovals(reader: Reader, { beforeMs, limit }: Old): Promise<readonly string[]> {
  const rows = await reader.all(
    db
      .selectFrom('approvals')
      .select('id')
      .where('expires_at', '<', beforeMs)
      .orderBy('expires_at')
      .limit(limit),
  );
  return rows.map(({ id }) => id);
}
export const deleteApprovals = (ids: readonly string[]): readonly Statement[] => {
  const among = sql<string>`(SELECT value FROM json_each(${JSON.stringify(ids)}))`;
  return [
    statement(db.deleteFrom('approval_uses').where('approval_id', 'in', among)),
    statement(db.deleteFrom('approvals').where('id', 'in', among)),
  ];
};
