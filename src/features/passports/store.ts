// The SQL of passports.
import { sql } from 'kysely';
import { DELEGATION_HOPS_MAX } from '#kernel/limits.ts';
import type { Statement } from '#kernel/unit.ts';
import { compiler, lookup, type Reader, statement } from '#platform/storage/compiler.ts';
import type { Intent, PassportService } from './model.ts';

export type PassportRow = {
  jti: string;
  session_id: string;
  agent_id: string;
  agent_name: string;
  parent_jti: string | null;
  minted_by: string;
  mode: 'enforced' | 'logged' | 'standard';
  /** JSON of PassportService[]. */
  services: string;
  /** JSON of Intent, or null. */
  intent: string | null;
  issued_at: number;
  expires_at: number;
  revoked_at: number | null;
  revoke_reason: string | null;
  standing: number;
  /** Hops from the first passport of its chain. */
  depth: number;
  /** What was asked for, within what was allowed; the lease may be shorter. */
  ttl_seconds: number;
  /** Seconds; null: the holder reports when it likes. */
  checkpoint_interval: number | null;
  last_checkpoint_at: number | null;
  /** No lease of the session goes beyond it. */
  mission_ends_at: number;
  /** Ended by its holder, for good. The row keeps `revoked_at` null: it was not revoked. */
  ended_at: number | null;
  ended_by: 'checkout' | 'refresh' | null;
  /** The passport that this one has replaced, and the one that has replaced it, by a refresh or as the next standing one. */
  refreshed_from: string | null;
  successor_jti: string | null;
  /** Its place in the status list; null: from before there was one. */
  status_index: number | null;
};

const db = compiler<{ passports: PassportRow }>();

const byJti = lookup(1, (jti) => db.selectFrom('passports').selectAll().where('jti', '=', jti));
export const passportBy = (reader: Reader, jti: string): PassportRow | undefined => reader.recall(byJti, jti);

const standing = lookup(2, (mintedBy, agentId) =>
  db
    .selectFrom('passports')
    .selectAll()
    .where('minted_by', '=', mintedBy)
    .where('agent_id', '=', agentId)
    .where('standing', '=', 1)
    .orderBy('revoked_at', (order) => order.desc().nullsLast())
    .orderBy('issued_at', 'desc')
    .limit(1),
);
/** The standing passport that one key holds for one agent: a revoked one before any other, else the newest. */
export const standingOf = (reader: Reader, mintedBy: string, agentId: string): PassportRow | undefined =>
  reader.recall(standing, mintedBy, agentId);

export type LiveFilter = {
  readonly nowMs: number;
  readonly mintedBy: string | undefined;
  readonly agentId: string | undefined;
  readonly sessionId: string | undefined;
  readonly after: string;
  readonly limit: number;
};

export function livePassports(reader: Reader, filter: LiveFilter): Promise<PassportRow[]> {
  let query = db
    .selectFrom('passports')
    .selectAll()
    .where('revoked_at', 'is', null)
    .where('ended_at', 'is', null)
    .where('expires_at', '>', filter.nowMs);
  if (filter.mintedBy !== undefined) query = query.where('minted_by', '=', filter.mintedBy);
  if (filter.agentId !== undefined) query = query.where('agent_id', '=', filter.agentId);
  if (filter.sessionId !== undefined) query = query.where('session_id', '=', filter.sessionId);
  return reader.all(query.where('jti', '>', filter.after).orderBy('jti').limit(filter.limit));
}

/** When and why a passport ends. */
export type Ending = { readonly nowMs: number; readonly reason: string };

export const insertPassport = (row: PassportRow): Statement =>
  statement(db.insertInto('passports').values(row), 1);
/** `endedByMs`: the latest time that was ever told; it may have been a wrong one. */
export type Over = { readonly endedByMs: number; readonly nowMs: number };

/**
 * The clock went back: what had ended stays so, and what was minted later than now would live too long. The standing ones
 * among them leave their session, so that the next call gets another.
 */
export const endPassportsOver = ({ endedByMs, nowMs }: Over): Statement =>
  statement(
    db
      .updateTable('passports')
      .set({ revoked_at: nowMs, revoke_reason: 'ended before the clock was set back', standing: 0 })
      .where('revoked_at', 'is', null)
      .where((where) => where.or([where('expires_at', '<=', endedByMs), where('issued_at', '>', nowMs)])),
  );
/** Of a renewal; rolls its unit back if the passport was ended meanwhile: no renewal outruns a revocation or a checkout. */
export const renewBy = (jti: string, successor: string): Statement =>
  statement(
    db
      .updateTable('passports')
      .set({ successor_jti: successor })
      .where('jti', '=', jti)
      .where('revoked_at', 'is', null)
      .where('ended_at', 'is', null),
    1,
  );
/** Changes nothing, and rolls its unit back if the passport was ended meanwhile, by whomever. */
export const guardLive = (jti: string): Statement =>
  statement(
    db
      .updateTable('passports')
      .set((row) => ({ depth: row.ref('depth') }))
      .where('jti', '=', jti)
      .where('revoked_at', 'is', null)
      .where('ended_at', 'is', null),
    1,
  );
/** A checkpoint; counts only where nobody has ended the passport meanwhile. */
export const extendLease = ({ jti, expires_at, last_checkpoint_at }: PassportRow): Statement =>
  statement(
    db
      .updateTable('passports')
      .set({ expires_at, last_checkpoint_at })
      .where('jti', '=', jti)
      .where('revoked_at', 'is', null)
      .where('ended_at', 'is', null),
    1,
  );
/** An approval that waits, or may be used, keeps its passport alive; a lease that is longer stays so. */
export const extendLeaseTo = (jti: string, untilMs: number): Statement =>
  statement(
    db
      .updateTable('passports')
      .set({ expires_at: untilMs })
      .where('jti', '=', jti)
      .where('expires_at', '<', untilMs)
      .where('revoked_at', 'is', null)
      .where('ended_at', 'is', null),
  );
/** X-Stack-Agent begins another session afterwards. */
export const checkOut = (jti: string, nowMs: number): Statement =>
  statement(
    db
      .updateTable('passports')
      .set({ ended_at: nowMs, ended_by: 'checkout', standing: 0 })
      .where('jti', '=', jti)
      .where('revoked_at', 'is', null)
      .where('ended_at', 'is', null),
    1,
  );

/** Whether `jti` is `above`, or descends from it. Four hops at most; a chain that is longer is none of ours. */
export function descendsFrom(
  reader: Reader,
  { jti, above }: { readonly jti: string; readonly above: string },
): boolean {
  let at = passportBy(reader, jti);
  for (let hops = 0; at !== undefined && hops <= DELEGATION_HOPS_MAX; hops += 1) {
    if (at.jti === above) return true;
    at = at.parent_jti === null ? undefined : passportBy(reader, at.parent_jti);
  }
  return false;
}

/** Whether it was delegated, by whatever hops, from a passport of another agent. */
export function wasHandedOn(reader: Reader, row: PassportRow): boolean {
  let at: PassportRow | undefined = row;
  for (let hops = 0; at?.parent_jti != null && hops <= DELEGATION_HOPS_MAX; hops += 1) {
    at = passportBy(reader, at.parent_jti);
    if (at?.agent_id !== row.agent_id) return true;
  }
  return false;
}

/** The passports of one session, the older first. */
export const sessionPassports = (
  reader: Reader,
  { sessionId, limit }: { readonly sessionId: string; readonly limit: number },
): Promise<PassportRow[]> =>
  reader.all(
    db
      .selectFrom('passports')
      .selectAll()
      .where('session_id', '=', sessionId)
      .orderBy('issued_at')
      .limit(limit),
  );
/** All that one agent has handed on in one session: passports of other agents, by whatever hops. */
export const handedOn = async (
  reader: Reader,
  { agentId, sessionId }: { readonly agentId: string; readonly sessionId: string },
): Promise<readonly string[]> => {
  const rows = await reader.all(
    db
      .withRecursive('below(jti)', (cte) =>
        cte
          .selectFrom('passports')
          .select('jti')
          .where('session_id', '=', sessionId)
          .where('agent_id', '=', agentId)
          .union(
            cte
              .selectFrom('below')
              .innerJoin('passports as child', 'child.parent_jti', 'below.jti')
              .select('child.jti'),
          ),
      )
      .selectFrom('passports')
      .select('jti')
      .where('jti', 'in', (of) => of.selectFrom('below').select('below.jti'))
      .where('agent_id', '<>', agentId),
  );
  return rows.map(({ jti }) => jti);
};
/** Ends a passport in favour of another one; only one of two refreshes at once gets a row. */
export const succeed = (
  jti: string,
  { successor, nowMs }: { readonly successor: string; readonly nowMs: number },
): Statement =>
  statement(
    db
      .updateTable('passports')
      .set({ ended_at: nowMs, ended_by: 'refresh', successor_jti: successor })
      .where('jti', '=', jti)
      .where('revoked_at', 'is', null)
      .where('ended_at', 'is', null),
    1,
  );
/** What was delegated from a passport goes on under its successor, within its own lease. */
export const moveChildren = (from: string, to: string): Statement =>
  statement(db.updateTable('passports').set({ parent_jti: to }).where('parent_jti', '=', from));

/** Live passports that were delegated from this one, by the index of parents. */
export async function countLive(
  reader: Reader,
  {
    nowMs,
    ...of
  }: ({ readonly parentJti: string } | { readonly sessionId: string }) & { readonly nowMs: number },
): Promise<number> {
  const live = db
    .selectFrom('passports')
    .select((each) => each.fn.countAll<number>().as('count'))
    .where('expires_at', '>', nowMs)
    .where('revoked_at', 'is', null);
  const row = await reader.first(
    'parentJti' in of
      ? live.where('parent_jti', '=', of.parentJti)
      : live.where('session_id', '=', of.sessionId),
  );
  return row?.count ?? 0;
}
/** Earlier generations that are over leave the standing session, so that it stays a handful of rows (invariant 9). */
export const retireStanding = (mintedBy: string, agentId: string, nowMs: number): Statement =>
  statement(
    db
      .updateTable('passports')
      .set({ standing: 0 })
      .where('minted_by', '=', mintedBy)
      .where('agent_id', '=', agentId)
      .where('standing', '=', 1)
      .where('revoked_at', 'is', null)
      .where('expires_at', '<=', nowMs),
  );
/** Revoked standing passports no longer bar X-Stack-Agent: of one key, or of all. They stay revoked. */
export function releaseStanding(agentId: string, mintedBy?: string): Statement {
  const query = db
    .updateTable('passports')
    .set({ standing: 0 })
    .where('agent_id', '=', agentId)
    .where('standing', '=', 1)
    .where('revoked_at', 'is not', null);
  return statement(mintedBy === undefined ? query : query.where('minted_by', '=', mintedBy));
}
/**
 * Passports that ended at `endedBeforeMs` or before, oldest first. A standing one stays: ended, it carries its session on to
 * the next renewal; revoked, it bars X-Stack-Agent. There is a handful of them for each key and agent.
 */
export async function endedPassports(
  reader: Reader,
  { endedBeforeMs, limit }: { readonly endedBeforeMs: number; readonly limit: number },
): Promise<readonly string[]> {
  const rows = await reader.all(
    db
      .selectFrom('passports')
      .select('jti')
      .where('standing', '=', 0)
      .where('expires_at', '<=', endedBeforeMs)
      .orderBy('expires_at')
      .limit(limit),
  );
  return rows.map(({ jti }) => jti);
}
export const deletePassports = (jtis: readonly string[]): Statement =>
  statement(
    db
      .deleteFrom('passports')
      .where('jti', 'in', sql<string>`(SELECT value FROM json_each(${JSON.stringify(jtis)}))`),
    jtis.length,
  );

export const servicesOf = (row: PassportRow): readonly PassportService[] =>
  JSON.parse(row.services) as PassportService[];
export const intentOf = (row: PassportRow): Intent | undefined =>
  row.intent === null ? undefined : (JSON.parse(row.intent) as Intent);
