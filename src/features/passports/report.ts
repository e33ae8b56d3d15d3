// The whole story of a mission, out of the log. Pure: the rows of its session and their entries are arguments.
import { missedCheckpoint } from './lease.ts';
import type { MissionReport } from './report-shape.ts';
import { showListed } from './shape.ts';
import { intentOf, type PassportRow } from './store.ts';

/** Of an entry, what a report reads; in the order of the log. */
export type MissionEntry = {
  readonly entry_id: string;
  readonly timestamp: number;
  readonly action: string;
  readonly outcome: MissionReport['calls'][number]['outcome'];
  readonly agent_id: string | null;
  readonly passport_jti: string | null;
  readonly service: string | null;
  readonly service_action: string | null;
  readonly method: string | null;
  readonly path: string | null;
  readonly status: number | null;
  readonly error_code: string | null;
  readonly duration_ms: number | null;
  readonly bytes_in: number | null;
  readonly bytes_out: number | null;
  readonly refers_to: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
};

export type MissionLog = {
  readonly rows: readonly PassportRow[];
  readonly entries: readonly MissionEntry[];
  /** There are older entries than these. */
  readonly isCut: boolean;
};

/** Of a first passport the mission is the whole session; of a delegated one, what has replaced it and what descends from these. */
export function familyOf(row: PassportRow, rows: readonly PassportRow[]): readonly PassportRow[] {
  if (row.parent_jti === null) return rows;
  const family = new Set([row.jti]);
  for (let size = 0; size !== family.size; ) {
    size = family.size;
    for (const { jti, parent_jti, refreshed_from, successor_jti, depth } of rows) {
      const before = refreshed_from !== null && family.has(refreshed_from);
      const after = successor_jti !== null && family.has(successor_jti);
      const below = parent_jti !== null && family.has(parent_jti) && depth > row.depth;
      if (before || after || below) family.add(jti);
    }
  }
  return rows.filter(({ jti }) => family.has(jti));
}

export function reportOf(row: PassportRow, log: MissionLog, now: Now): Omit<MissionReport, 'markdown'> {
  const family = new Set(familyOf(row, log.rows).map(({ jti }) => jti));
  const entries = log.entries.filter(({ passport_jti }) => passport_jti !== null && family.has(passport_jti));
  const names = namesOf(log.rows);
  const calls = callsOf(entries, names);
  const last = lastGeneration(row, log.rows);
  const intent = intentOf(row);
  return {
    passport: {
      ...showListedPlain(row),
      agent_name: row.agent_name,
      mode: row.mode,
      depth: row.depth,
      issued_at: iso(Math.min(...log.rows.map((one) => one.issued_at), row.issued_at)),
    },
    intent:
      intent === undefined
        ? null
        : {
            summary: intent.summary,
            services: [...intent.services],
            will_delegate: intent.willDelegate,
            estimated_duration_seconds: intent.estimatedDurationSeconds ?? null,
          },
    calls: calls.slice(-now.callsMax),
    approvals: [],
    events: entries.filter(({ action }) => action.startsWith('event.')).map(eventOf),
    delegations: entries.filter(isDone('passport.delegate')).map((entry) => delegationOf(entry, names)),
    checkpoints: entries.filter(isDone('passport.checkpoint')).map(checkpointOf),
    totals: { ...totalsOf(calls), complete: !log.isCut },
    outcome: outcomeOf(last, entries, now),
  };
}

export type Now = {
  readonly nowMs: number;
  readonly callsMax: number;
  /** Whether the passport that is in use would be taken right now. */
  readonly isLive: (jti: string) => boolean;
};

const iso = (ms: number): string => new Date(ms).toISOString();
const showListedPlain = (
  row: PassportRow,
): Omit<MissionReport['passport'], 'agent_name' | 'mode' | 'depth' | 'issued_at'> =>
  JSON.parse(JSON.stringify(showListed(row)));
const isDone =
  (wanted: string) =>
  ({ action, outcome }: MissionEntry): boolean =>
    action === wanted && outcome === 'success';

/** The passport that is in use now, by the successors of the one that was asked for. */
function lastGeneration(row: PassportRow, rows: readonly PassportRow[]): PassportRow {
  let last = row;
  for (let steps = 0; last.successor_jti !== null && steps < rows.length; steps += 1) {
    const next = rows.find(({ jti }) => jti === last.successor_jti);
    if (next === undefined) break;
    last = next;
  }
  return last;
}

/** Names as the passports of the mission say them, by the agents' ids. */
type Names = ReadonlyMap<string | null, string>;
const namesOf = (rows: readonly PassportRow[]): Names =>
  new Map(rows.map(({ agent_id, agent_name }) => [agent_id, agent_name]));

const CALL = 'credential.proxy';

/** An intent and its outcome are one call; a refusal stands alone. An answer that was only repeated is none. */
function callsOf(entries: readonly MissionEntry[], names: Names): MissionReport['calls'] {
  const ends = new Map(
    entries.flatMap((entry) => (entry.refers_to === null ? [] : [[entry.refers_to, entry]])),
  );
  return entries
    .filter(({ action, outcome }) => action === CALL && (outcome === 'pending' || outcome === 'blocked'))
    .map((begun) => ({
      ...callOf(begun, ends.get(begun.entry_id) ?? begun),
      agent_name: names.get(begun.agent_id) ?? null,
    }));
}

type Call = Omit<MissionReport['calls'][number], 'agent_name'>;
const callOf = (begun: MissionEntry, end: MissionEntry): Call => ({
  at: iso(begun.timestamp),
  entry_id: begun.entry_id,
  agent_id: begun.agent_id,
  passport_jti: begun.passport_jti,
  service: begun.service,
  action: begun.service_action,
  method: begun.method,
  path: begun.path,
  outcome: end.outcome,
  status: end.status,
  error_code: end.error_code,
  duration_ms: end.duration_ms,
  bytes_in: end.bytes_in,
  bytes_out: end.bytes_out ?? begun.bytes_out,
});

function totalsOf(calls: MissionReport['calls']): Omit<MissionReport['totals'], 'complete'> {
  const totals = {
    calls: calls.length,
    success: 0,
    failure: 0,
    blocked: 0,
    unknown: 0,
    pending: 0,
    bytes_in: 0,
    bytes_out: 0,
    duration_ms: 0,
  };
  for (const call of calls) {
    totals[call.outcome] += 1;
    totals.bytes_in += call.bytes_in ?? 0;
    totals.bytes_out += call.bytes_out ?? 0;
    totals.duration_ms += call.duration_ms ?? 0;
  }
  return totals;
}

const textIn = (detail: MissionEntry['detail'], name: string): string | null =>
  typeof detail[name] === 'string' ? detail[name] : null;
const textsIn = (detail: MissionEntry['detail'], name: string): string[] =>
  Array.isArray(detail[name]) ? detail[name].map(String) : [];

const eventOf = ({
  timestamp,
  action,
  passport_jti,
  detail,
}: MissionEntry): MissionReport['events'][number] => ({
  at: iso(timestamp),
  type: action.replace(/^event\./, ''),
  severity: textIn(detail, 'severity'),
  passport_jti,
  services: textsIn(detail, 'services'),
});

const delegationOf = (entry: MissionEntry, names: Names): MissionReport['delegations'][number] => ({
  at: iso(entry.timestamp),
  jti: entry.passport_jti ?? '',
  parent_jti: textIn(entry.detail, 'parent'),
  agent_id: entry.agent_id,
  agent_name: names.get(entry.agent_id) ?? null,
  intent: textIn(entry.detail, 'intent'),
  scopes: textsIn(entry.detail, 'scopes'),
});

const checkpointOf = ({
  timestamp,
  passport_jti,
  detail,
}: MissionEntry): MissionReport['checkpoints'][number] => ({
  at: iso(timestamp),
  passport_jti,
  services_used: textsIn(detail, 'services_used'),
  actions_count: typeof detail['actions_count'] === 'number' ? detail['actions_count'] : null,
  summary: textIn(detail, 'summary'),
});

function outcomeOf(row: PassportRow, entries: readonly MissionEntry[], now: Now): MissionReport['outcome'] {
  const said = entries.findLast(
    ({ action, outcome, passport_jti }) =>
      action === 'passport.checkout' && outcome === 'success' && passport_jti === row.jti,
  );
  const [result, summary] = [textIn(said?.detail ?? {}, 'result'), textIn(said?.detail ?? {}, 'summary')];
  const ended = (
    status: MissionReport['outcome']['status'],
    { atMs, reason = null }: { readonly atMs: number | null; readonly reason?: string | null },
  ) => ({ status, at: atMs === null ? null : iso(atMs), reason, result, summary });
  if (row.revoked_at !== null) {
    const status = wentWithParent(row, entries) ? 'parent_ended' : 'revoked';
    return ended(status, { atMs: row.revoked_at, reason: row.revoke_reason });
  }
  if (row.ended_by === 'checkout') return ended('checked_out', { atMs: row.ended_at });
  if (missedCheckpoint(row, now.nowMs)) return ended('missed_checkpoint', { atMs: row.expires_at });
  if (row.expires_at <= now.nowMs) return ended('expired', { atMs: row.expires_at });
  if (now.isLive(row.jti)) return ended('active', { atMs: null });
  return row.parent_jti === null
    ? ended('revoked', { atMs: null, reason: 'its agent or its key has ended, or the agent is blocked' })
    : ended('parent_ended', { atMs: null });
}

const wentWithParent = ({ jti }: PassportRow, entries: readonly MissionEntry[]): boolean =>
  entries.some(({ action, passport_jti }) => action === 'passport.revoke_cascade' && passport_jti === jti);
