// The SQL of the ends of passports: what a revocation reaches, and what an offline verifier is told.
import { sql } from 'kysely';
import type { Statement } from '#kernel/unit.ts';
import { compiler, lookup, type Reader, statement } from '#platform/storage/compiler.ts';
import type { Ending, PassportRow } from './store.ts';

const db = compiler<{ passports: PassportRow }>();

/** What a revocation names. `mintedBy`: only of what this key minted. */
export type Selection =
  | { readonly by: 'jti'; readonly jti: string }
  | { readonly by: 'agents'; readonly agentIds: readonly string[]; readonly mintedBy?: string | undefined }
  | { readonly by: 'session'; readonly sessionId: string; readonly mintedBy?: string | undefined }
  | { readonly by: 'services'; readonly services: readonly string[] }
  | { readonly by: 'anyone'; readonly mintedBy?: string | undefined };

/** One passport that can still be used, or refreshed, and was not revoked. */
export type Revocable = Pick<PassportRow, 'jti' | 'session_id' | 'agent_id' | 'agent_name' | 'parent_jti'> & {
  /** 1: the revocation names it; 0: it descends from one that is named. */
  readonly named: number;
};

type Reach = {
  /** What ended before cannot come back. */
  readonly aliveAfterMs: number;
  /** Named is only what was there by then; see `newestRow`. */
  readonly rowMax: number;
  readonly limit: number;
};

/** Grows with every passport: whoever issues more and more must not keep a revocation from its end. */
export async function newestRow(reader: Reader): Promise<number> {
  const row = await reader.first(
    db.selectFrom('passports').select(sql<number | null>`max(passports.rowid)`.as('newest')),
  );
  return row?.newest ?? 0;
}

/** What is named and all that descends from it, a parent before its children. */
export function revocable(
  reader: Reader,
  selection: Selection,
  { aliveAfterMs, rowMax, limit }: Reach,
): Promise<Revocable[]> {
  const named = sql<boolean>`(${namedBy(selection)} AND passports.rowid <= ${rowMax})`;
  // What descends from one that is revoked is revoked; of a single one that is asked for, it is looked at all the same. So is
  // what has replaced one of them: it may have done so between a reading and its unit, in which it was not named.
  const isOpen = sql<boolean>`(revoked_at IS NULL OR successor_jti IS NOT NULL)`;
  const from = selection.by === 'jti' ? named : sql<boolean>`(${named} AND ${isOpen})`;
  return reader.all(
    db
      // Cycle-safe: UNION takes no passport twice.
      .withRecursive('tree(jti)', (cte) =>
        cte
          .selectFrom('passports')
          .select('jti')
          .where(from)
          .union(
            cte
              .selectFrom('tree')
              .innerJoin('passports as child', 'child.parent_jti', 'tree.jti')
              .select('child.jti'),
          )
          // A refreshed passport is the same one to its holder: what replaced it, and what it has replaced.
          .union(
            cte
              .selectFrom('tree')
              .innerJoin('passports as next', 'next.refreshed_from', 'tree.jti')
              .select('next.jti'),
          )
          .union(
            cte
              .selectFrom('tree')
              .innerJoin('passports as one', 'one.jti', 'tree.jti')
              .innerJoin('passports as before', 'before.jti', 'one.refreshed_from')
              // Not of a renewal: what it has replaced ends by its time, and there may be a thousand of them.
              .where('before.ended_at', 'is not', null)
              .select('before.jti'),
          ),
      )
      .selectFrom('passports')
      .select(['jti', 'session_id', 'agent_id', 'agent_name', 'parent_jti'])
      .select(sql<number>`${named}`.as('named'))
      .where('jti', 'in', (of) => of.selectFrom('tree').select('tree.jti'))
      .where('revoked_at', 'is', null)
      .where('ended_at', 'is', null)
      .where('expires_at', '>', aliveAfterMs)
      .orderBy('depth')
      .orderBy('issued_at')
      .orderBy('jti')
      .limit(limit),
  );
}

const listed = (values: readonly string[]) =>
  sql<string>`(SELECT value FROM json_each(${JSON.stringify(values)}))`;

function namedBy(selection: Selection) {
  const minted = (mintedBy: string | undefined) =>
    mintedBy === undefined ? sql<boolean>`TRUE` : sql<boolean>`minted_by = ${mintedBy}`;
  switch (selection.by) {
    case 'jti':
      return standingToo(selection.jti);
    case 'agents':
      return sql<boolean>`(agent_id IN ${listed(selection.agentIds)} AND ${minted(selection.mintedBy)})`;
    case 'session':
      return sql<boolean>`(session_id = ${selection.sessionId} AND ${minted(selection.mintedBy)})`;
    case 'services':
      return sql<boolean>`EXISTS (SELECT 1 FROM json_each(services) AS held WHERE held.value ->> 'service' IN ${listed(selection.services)})`;
    case 'anyone':
      return minted(selection.mintedBy);
  }
}

/** The passport behind X-Stack-Agent is one to its caller, whatever renewal or mission is in use: all are named with it. */
const standingToo = (jti: string) =>
  sql<boolean>`(jti = ${jti} OR (standing = 1 AND (minted_by, agent_id) = (SELECT minted_by, agent_id FROM passports AS one WHERE one.jti = ${jti} AND one.standing = 1)))`;

/** `exactly`: another number of them than was read rolls the unit back. */
export function revokeListed(
  jtis: readonly string[],
  { nowMs, reason }: Ending,
  { exactly }: { readonly exactly: boolean },
): Statement {
  const query = db
    .updateTable('passports')
    .set({ revoked_at: nowMs, revoke_reason: reason })
    // One statement for any number of them, so that it is prepared once.
    .where('jti', 'in', listed(jtis))
    .where('revoked_at', 'is', null);
  return exactly ? statement(query, jtis.length) : statement(query);
}

/** Of these, X-Stack-Agent is barred by none. */
export const releaseListed = (jtis: readonly string[]): Statement =>
  statement(
    db
      .updateTable('passports')
      .set({ standing: 0 })
      .where('jti', 'in', listed(jtis))
      .where('standing', '=', 1),
  );

/** Whose mission a session is: the agent of its first passport. */
export async function sessionAgent(reader: Reader, sessionId: string): Promise<string | undefined> {
  const first = await reader.first(
    db
      .selectFrom('passports')
      .select('agent_id')
      .where('session_id', '=', sessionId)
      .orderBy('issued_at')
      .limit(1),
  );
  return first?.agent_id;
}

export type StatusRow = Pick<
  PassportRow,
  'jti' | 'parent_jti' | 'revoked_at' | 'ended_at' | 'expires_at' | 'agent_id' | 'minted_by' | 'status_index'
>;

/** Of all passports that may still be out, parents before their children. */
export const statusRows = (reader: Reader, endsAfterMs: number): Promise<StatusRow[]> =>
  reader.all(
    db
      .selectFrom('passports')
      .select(['jti', 'parent_jti', 'revoked_at', 'ended_at', 'expires_at'])
      .select(['agent_id', 'minted_by', 'status_index'])
      .where('expires_at', '>', endsAfterMs)
      .orderBy('depth'),
  );

const newestStatus = lookup(0, () =>
  db
    .selectFrom('passports')
    .select('status_index')
    .where('status_index', 'is not', null)
    .orderBy(sql`passports.rowid`, 'desc')
    .limit(1),
);
export const newestStatusIndex = (reader: Reader): number => reader.recall(newestStatus)?.status_index ?? 0;
