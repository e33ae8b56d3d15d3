// The SQL of the log: the worker half inserts and keeps the head, the main half reads pages.
import { sql } from 'kysely';
import type { Cell } from '#kernel/unit.ts';
import { compiler, type Reader } from '#platform/storage/compiler.ts';
import { ENTRY_CELLS, type Link, type Pieces, seal } from './entry.ts';
import type { Entry } from './shape.ts';

export type EntryRow = {
  seq: number;
  entry_id: string;
  timestamp: number;
  actor_id: string;
  agent_id: string | null;
  session_id: string | null;
  passport_jti: string | null;
  action: string;
  outcome: string;
  refers_to: string | null;
  bytes: string;
  entry_hash: string;
  salt: string | null;
};
export type HeadRow = { id: number; seq: number; entry_hash: string };

// Pure: the threads of the log, which prepare their few statements as text, are built without Kysely.
const db = /* @__PURE__ */ compiler<{ audit_entries: EntryRow; audit_head: HeadRow }>();

type Prepared = {
  readonly run: (...values: readonly unknown[]) => unknown;
  readonly get: (...values: readonly unknown[]) => unknown;
  readonly iterate: () => IterableIterator<unknown>;
};
/** The part of a SQLite connection that the worker half needs. */
export type Database = { readonly prepare: (sql: string) => unknown };

const prepare = (database: Database, text: string): Prepared => database.prepare(text) as Prepared;

export type ChainStore = {
  readonly head: () => HeadRow | undefined;
  /** Cells of one entry. */
  readonly width: number;
  /** The entry whose cells begin at `at`; answers its hash. */
  readonly append: (cells: readonly Cell[], at: number, link: Link) => string;
  readonly move: (seq: number, entryHash: string) => void;
};

/** Prepared once in the worker: this is the hot path. */
export function chainStore(database: Database): ChainStore {
  const head = prepare(database, 'SELECT id, seq, entry_hash FROM audit_head WHERE id = 1');
  const insert = prepare(
    database,
    'INSERT INTO audit_entries (seq, entry_id, timestamp, actor_id, agent_id, session_id, passport_jti, action, outcome, refers_to, bytes, entry_hash, salt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const move = prepare(
    database,
    'INSERT INTO audit_head (id, seq, entry_hash) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, entry_hash = excluded.entry_hash',
  );
  return {
    head: () => head.get() as HeadRow | undefined,
    width: ENTRY_CELLS,
    append: (cells, at, link) => {
      const pieces = [cells[at + 10], cells[at + 11], cells[at + 12]] as readonly unknown[] as Pieces;
      const { bytes, entryHash } = seal(pieces, link);
      // Cell by cell: this runs twice for every call.
      insert.run(
        link.seq,
        cells[at],
        cells[at + 1],
        cells[at + 2],
        cells[at + 3],
        cells[at + 4],
        cells[at + 5],
        cells[at + 6],
        cells[at + 7],
        cells[at + 8],
        bytes,
        entryHash,
        cells[at + 9],
      );
      return entryHash;
    },
    move: (seq, entryHash) => {
      move.run(seq, entryHash);
    },
  };
}

export const scanEntries = (database: Database): IterableIterator<EntryRow> =>
  prepare(database, 'SELECT * FROM audit_entries ORDER BY seq').iterate() as IterableIterator<EntryRow>;

export const headOf = (database: Database): HeadRow | undefined =>
  prepare(database, 'SELECT id, seq, entry_hash FROM audit_head WHERE id = 1').get() as HeadRow | undefined;

/** One snapshot: entries that come while we walk belong to the next walk. */
export function inSnapshot<T>(
  database: Database & { readonly exec: (text: string) => unknown },
  walk: () => T,
): T {
  database.exec('BEGIN');
  const result = walk();
  database.exec('COMMIT');
  return result;
}

/** Whose entries a caller may see; `undefined` members do not restrict. */
export type Filter = {
  readonly visibleTo: { readonly keyId: string } | { readonly sessionId: string } | 'all';
  readonly agentId: string | undefined;
  readonly passportJti: string | undefined;
  readonly sinceMs: number | undefined;
  readonly beforeSeq: number | undefined;
  readonly limit: number;
};

export function selectPage(filter: Filter) {
  let query = db.selectFrom('audit_entries').selectAll().orderBy('seq', 'desc').limit(filter.limit);
  if (filter.beforeSeq !== undefined) query = query.where('seq', '<', filter.beforeSeq);
  if (filter.sinceMs !== undefined) query = query.where('timestamp', '>', filter.sinceMs);
  if (filter.agentId !== undefined) query = query.where('agent_id', '=', filter.agentId);
  if (filter.passportJti !== undefined) query = query.where('passport_jti', '=', filter.passportJti);
  if (filter.visibleTo === 'all') return query;
  if ('sessionId' in filter.visibleTo) return query.where('session_id', '=', filter.visibleTo.sessionId);
  const { keyId } = filter.visibleTo;
  // What the key did itself, and what was done in the sessions it opened. The log says which: it outlives the passports.
  return query.where((where) =>
    where.or([
      where('actor_id', '=', keyId),
      where(
        'session_id',
        'in',
        // Literals, so that the partial index serves it.
        sql<string>`(SELECT session_id FROM audit_entries WHERE actor_id = ${keyId} AND action = 'passport.issue' AND outcome = 'success')`,
      ),
    ]),
  );
}

/** When this actor last did something that is chained; one step of an index. */
export async function lastEntryMs(reader: Reader, actorId: string): Promise<number | undefined> {
  const row = await reader.first(
    db
      .selectFrom('audit_entries')
      .select('timestamp')
      .where('actor_id', '=', actorId)
      .orderBy('seq', 'desc')
      .limit(1),
  );
  return row?.timestamp;
}

/** Whether anything was noticed under this passport: the first event that the index of its entries leads to. */
export async function hasEvents(reader: Reader, passportJti: string): Promise<boolean> {
  const row = await reader.first(
    db
      .selectFrom('audit_entries')
      .select('seq')
      .where('passport_jti', '=', passportJti)
      .where('action', 'like', 'event.%')
      .limit(1),
  );
  return row !== undefined;
}

/** The newest entries of one session in the order of the log, and whether there are older ones. */
export async function sessionEntries(
  reader: Reader,
  { sessionId, limit }: { readonly sessionId: string; readonly limit: number },
): Promise<{ readonly entries: readonly Entry[]; readonly isCut: boolean }> {
  const rows = await reader.all(
    db
      .selectFrom('audit_entries')
      .select(['bytes', 'entry_hash'])
      .where('session_id', '=', sessionId)
      .orderBy('seq', 'desc')
      .limit(limit + 1),
  );
  const newest = rows.slice(0, limit).reverse();
  return { entries: newest.map(openEntry), isCut: rows.length > limit };
}

/** The bytes are ours, written by `seal` and covered by the hash beside them. */
export const openEntry = ({ bytes, entry_hash }: Pick<EntryRow, 'bytes' | 'entry_hash'>): Entry => ({
  ...(JSON.parse(bytes) as Omit<Entry, 'entry_hash'>),
  entry_hash,
});

/** When the last entry was written; undefined where there is none. */
export async function newestEntryMs(reader: Reader): Promise<number | undefined> {
  const row = await reader.first(
    db.selectFrom('audit_entries').select('timestamp').orderBy('seq', 'desc').limit(1),
  );
  return row?.timestamp;
}

/** Intents that a crash left without an outcome. */
export function selectOrphans(limit: number) {
  return db
    .selectFrom('audit_entries as intent')
    .selectAll('intent')
    .where('intent.outcome', '=', 'pending')
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('audit_entries as later')
            .select('later.seq')
            .whereRef('later.refers_to', '=', 'intent.entry_id'),
        ),
      ),
    )
    .orderBy('intent.seq')
    .limit(limit);
}

type Intents = { readonly agentId: string; readonly beforeSeq: number; readonly limit: number };

/** The same in one session, by the index of sessions; and what was called by these passports. */
export const intentsOfMission = (
  reader: Reader,
  { agentId, sessionId, jtis, beforeSeq, limit }: Intents & OfMission,
): Promise<{ seq: number }[]> =>
  reader.all(
    db
      .selectFrom('audit_entries')
      .select('seq')
      .where('session_id', '=', sessionId)
      .where(
        sql<boolean>`(+agent_id = ${agentId} OR +passport_jti IN (SELECT value FROM json_each(${JSON.stringify(jtis)})))`,
      )
      .where(sql`+outcome`, '=', 'pending')
      .where('seq', '<', beforeSeq)
      .orderBy('seq', 'desc')
      .limit(limit),
  );
type OfMission = { readonly sessionId: string; readonly jtis: readonly string[] };

/** Intents of calls of one agent, newest first, by the index of its entries. */
export const intentsOf = (
  reader: Reader,
  { agentId, beforeSeq, limit }: Intents,
): Promise<{ seq: number; timestamp: number }[]> =>
  reader.all(
    db
      .selectFrom('audit_entries')
      .select(['seq', 'timestamp'])
      .where('agent_id', '=', agentId)
      // Hidden from the planner: the index of all pending entries would be walked from its beginning.
      .where(sql`+outcome`, '=', 'pending')
      .where('seq', '<', beforeSeq)
      .orderBy('seq', 'desc')
      .limit(limit),
  );
