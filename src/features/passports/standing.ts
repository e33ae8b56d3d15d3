// X-Stack-Agent beside a key: one automatic passport per (key, agent), one session across renewals (contract 2), until its
// mission is as old as one may be; then another begins.
// Once revoked it stays so until the key issues a passport with a declared intent or a person unblocks the agent.
import type { Agent } from '#features/agents/model.ts';
import type { Constraint } from '#features/policy/model.ts';
import { Fault } from '#kernel/errors.ts';
import { INTENT_SUMMARY_CHARS_MAX, STANDING_RENEW_BEFORE_MS } from '#kernel/limits.ts';
import type { Trace } from '#kernel/operation.ts';
import { type Result, refuse } from '#kernel/result.ts';
import type { Committed, EntryDraft, Unit } from '#kernel/unit.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { type MintingHost, newPassport } from './mint.ts';
import type { LivePassport } from './model.ts';
import { insertPassport, type PassportRow, renewBy, retireStanding, standingOf } from './store.ts';
import type { PassportVerifier } from './verify.ts';

export type StandingRequest = {
  readonly key: string;
  readonly agentName: string;
  readonly intent: string | undefined;
  /** The key may read only; so then may its passport, whoever names it. */
  readonly readOnly: boolean;
  readonly trace: Trace;
};
/** Waits only where a passport has to be issued. */
export type Standing = {
  readonly ensure: (request: StandingRequest) => Result<LivePassport> | Promise<Result<LivePassport>>;
};

type Deps = {
  readonly reader: Reader;
  readonly verifier: Pick<PassportVerifier, 'byJti'>;
  readonly findAgent: (idOrName: string) => Agent | undefined;
  readonly commit: (unit: Unit) => Promise<Result<Committed>>;
  readonly draft: (fields: Partial<EntryDraft>) => EntryDraft;
  readonly ttlSeconds: () => number;
  /** `passports.mission_max`. */
  readonly missionSeconds: () => number;
  readonly host: MintingHost;
};

const MS_PER_SECOND = 1000;
/** RFC 9110 9.2.1, without OPTIONS, for which services have other uses, too. */
const READS_ONLY: Constraint = { path: 'method', op: 'in', value: ['GET', 'HEAD'] };

/** At most half the lifetime: the shortest one would else be renewed at every call. */
const renewBeforeMs = ({ issued_at, expires_at }: PassportRow): number =>
  Math.min(STANDING_RENEW_BEFORE_MS, (expires_at - issued_at) / 2);

export function createStanding(deps: Deps): Standing {
  // Single flight: parallel first calls of one agent share one passport.
  const flights = new Map<string, Promise<Result<LivePassport>>>();
  return {
    ensure: (request) => {
      const now = judge(deps, request);
      if (!('row' in now)) return now;
      const id = `${request.key} ${request.agentName}`;
      const known = flights.get(id);
      if (known !== undefined) return known;
      const flight = renew(deps, request, now).finally(() => flights.delete(id));
      flights.set(id, flight);
      return flight;
    },
  };
}

/** The passport, why there can be none, or what a new one has to be made from. */
function judge(deps: Deps, request: StandingRequest): Result<LivePassport> | Base {
  const agent = deps.findAgent(request.agentName);
  if (agent === undefined) return refuse(new Fault('NOT_FOUND', { detail: `no agent ${request.agentName}` }));
  if (agent.status === 'blocked') return refuse(new Fault('PASSPORT_BLOCKED'));
  const row = standingOf(deps.reader, request.key, agent.id);
  if (row !== undefined && row.revoked_at !== null) return revoked(row.revoke_reason);
  const fresh = row !== undefined && row.expires_at - deps.host.nowMs() > renewBeforeMs(row);
  return fresh ? deps.verifier.byJti(row.jti) : { agent, row };
}

function revoked(reason: string | null): Result<never> {
  const next = 'Issue a passport with a declared intent, or ask a person to unblock the agent.';
  return refuse(new Fault('PASSPORT_REVOKED', { detail: reason ?? 'standing passport revoked', next }));
}

type Base = { readonly agent: Agent; readonly row: PassportRow | undefined };

async function renew(
  deps: Deps,
  request: StandingRequest,
  { agent, row }: Base,
): Promise<Result<LivePassport>> {
  const summary = (request.intent ?? `standing session of ${agent.name}`).slice(0, INTENT_SUMMARY_CHARS_MAX);
  const constraints = request.readOnly ? [READS_ONLY] : [];
  const services = agent.grants.map(({ service, scopes }) => ({ service, scopes, constraints }));
  const names = services.map(({ service }) => service);
  const intent = { summary, services: names, willDelegate: false, estimatedDurationSeconds: undefined };
  const ttlSeconds = deps.ttlSeconds();
  const plan = { agent, mode: agent.mode, services, intent, ttlSeconds };
  // Its renewals are its checkpoints: it lives until the next one is due.
  const term = { checkpointInterval: null, mintedBy: request.key, ...missionOf(deps, { row, ttlSeconds }) };
  const before = row === undefined ? {} : { refreshedFrom: row.jti };
  const next = newPassport({ ...plan, ...term, ...before, standing: true }, deps.host);
  const entry = deps.draft({
    layer: 'vault',
    action: term.sessionId === undefined ? 'passport.issue' : 'passport.checkpoint',
    actor: { kind: 'key', id: request.key },
    agent_id: agent.id,
    session_id: next.session_id,
    passport_jti: next.jti,
    trace_id: request.trace.traceId,
    span_id: request.trace.spanId,
    detail: { standing: true, services: names, ...(row === undefined ? {} : { from: row.jti }) },
  });
  // The guard first: what was revoked after it was read must not be retired before it is noticed.
  const retire = retireStanding(request.key, agent.id, deps.host.nowMs());
  const guards = row === undefined ? [] : [renewBy(row.jti, next.jti), retire];
  const committed = await deps.commit({ statements: [...guards, insertPassport(next)], entries: [entry] });
  if (committed.ok) return deps.verifier.byJti(next.jti);
  // The guard is the only count that can fail: the passport was ended after it was read.
  if (row === undefined || committed.fault.code !== 'CONFLICT') return committed;
  const now = judge(deps, request);
  // Its holder has checked out: this is the first call of another session.
  return 'row' in now && now.row === undefined ? renew(deps, request, now) : revoked(null);
}

/**
 * A renewal goes on with its session; where the mission would end within the new lease, another begins. A session that
 * outlived `mission_max` would use its budget of calls up for good (`limits.calls_per_mission`).
 */
function missionOf(
  { host, missionSeconds }: Pick<Deps, 'host' | 'missionSeconds'>,
  { row, ttlSeconds }: Pick<Base, 'row'> & { readonly ttlSeconds: number },
) {
  const leaseEndsAtMs = host.nowMs() + ttlSeconds * MS_PER_SECOND;
  if (row === undefined || row.mission_ends_at < leaseEndsAtMs)
    return { sessionId: undefined, missionSeconds: missionSeconds() };
  return { sessionId: row.session_id, missionEndsAtMs: row.mission_ends_at };
}
