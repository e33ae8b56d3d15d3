// Is this passport live right now? The signature is checked once per token; the row, the agent and the key that minted it
// at every use. The live config stays a ceiling: a narrowed agent narrows at the next call, a widened one does not widen.
import { hash, type KeyObject } from 'node:crypto';
import { type Agent, type Grant, stricter } from '#features/agents/model.ts';
import { intersect } from '#features/policy/model.ts';
import { Fault } from '#kernel/errors.ts';
import { PASSPORT_CACHE_ENTRIES_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { firstLeaseEnd } from './lease.ts';
import type { LivePassport, PassportKeys, PassportService } from './model.ts';
import { intentOf, type PassportRow, passportBy, servicesOf } from './store.ts';
import { type Claims, judgeTime, openToken } from './token.ts';

export type PassportVerifier = {
  readonly verify: (token: string) => Result<LivePassport>;
  /** For callers who may name a passport without its token. */
  readonly byJti: (jti: string) => Result<LivePassport>;
};

type Deps = {
  readonly reader: Reader;
  readonly keys: Pick<PassportKeys, 'verifying'>;
  readonly issuer: () => string;
  readonly findAgent: (id: string) => Agent | undefined;
  /** Whether the key of this id has ended: what it minted ends with it. */
  readonly keyEnded: (id: string) => boolean;
  readonly host: Host;
};

/** By key id, as a token names it. */
export const verifyingKeys = (keys: Pick<PassportKeys, 'verifying'>): ReadonlyMap<string, KeyObject> =>
  new Map(keys.verifying().map(({ kid, publicKey }) => [kid, publicKey]));

export function createPassportVerifier(given: Deps): PassportVerifier {
  const deps = { ...given, narrowed: createNarrowing() };
  const opened = new Map<string, Claims>();
  const open = (token: string): Result<Claims> => {
    const id = hash('sha256', token, 'base64');
    const known = opened.get(id);
    // The issuer may change while the token is kept.
    if (known !== undefined && known.iss === deps.issuer()) return ok(known);
    const claims = openToken(token, { keys: verifyingKeys(deps.keys), issuer: deps.issuer() });
    if (!claims.ok) return claims;
    const [oldest] = opened.keys();
    if (opened.size >= PASSPORT_CACHE_ENTRIES_MAX && oldest !== undefined) opened.delete(oldest);
    opened.set(id, claims.value);
    return claims;
  };
  return {
    verify: (token) => {
      const claims = open(token);
      if (!claims.ok) return claims;
      const time = judgeTime(claims.value, deps.host.nowMs());
      const over = !time.ok && time.fault.code === 'PASSPORT_EXPIRED';
      if (!time.ok && !(over && wasExtended(deps, claims.value))) return time;
      return live(deps, { jti: claims.value.jti });
    },
    byJti: (jti) => live(deps, { jti }),
  };
}

const MS_PER_SECOND = 1_000;

type Judging = Deps & { readonly narrowed: ReturnType<typeof createNarrowing> };

/** A checkpoint or an approval has moved the end of the lease, and a token cannot move its own: the row says when it is over. */
function wasExtended({ reader }: Deps, { jti, exp }: Claims): boolean {
  const row = passportBy(reader, jti);
  if (row === undefined) return false;
  // `exp` is what the lease was when it was signed, so a token that says less was not made for this row.
  const extended = row.expires_at > firstLeaseEnd(row) && exp * MS_PER_SECOND === firstLeaseEnd(row);
  return row.last_checkpoint_at !== null || extended;
}

/** `depth`: what a child says its parent has; it grows smaller with every step, so that no row leads in a circle. */
type Named = { readonly jti: string; readonly depth?: number };

function live(deps: Judging, { jti, depth }: Named): Result<LivePassport> {
  const row = passportBy(deps.reader, jti);
  if (row !== undefined && depth !== undefined && row.depth !== depth)
    return refuse(new Fault('PASSPORT_INVALID', { detail: 'the chain does not fit together' }));
  if (row === undefined) return refuse(new Fault('PASSPORT_INVALID', { detail: 'unknown jti' }));
  if (row.revoked_at !== null)
    return refuse(new Fault('PASSPORT_REVOKED', { detail: row.revoke_reason ?? 'revoked' }));
  if (row.ended_at !== null)
    return refuse(new Fault('PASSPORT_REVOKED', { detail: `ended by ${row.ended_by ?? 'its holder'}` }));
  if (row.expires_at <= deps.host.nowMs())
    return refuse(new Fault('PASSPORT_EXPIRED', { detail: 'the lease has ended' }));
  if (deps.keyEnded(row.minted_by))
    return refuse(new Fault('PASSPORT_REVOKED', { detail: 'the key that minted it has ended' }));
  const agent = deps.findAgent(row.agent_id);
  if (agent === undefined) return refuse(new Fault('PASSPORT_REVOKED', { detail: 'the agent is gone' }));
  if (agent.status === 'blocked')
    return refuse(new Fault('PASSPORT_BLOCKED', { detail: 'the agent is blocked' }));
  if (row.parent_jti === null) return ok(deps.narrowed(row, agent, undefined));
  const above = live(deps, { jti: row.parent_jti, depth: row.depth - 1 });
  return above.ok ? ok(deps.narrowed(row, agent, above.value)) : orphaned(row, above.fault);
}

/** A delegated passport borrows its authority: with any passport above it, it is over (invariant 4). */
function orphaned({ parent_jti }: PassportRow, { code, detail = '' }: Fault): Result<never> {
  return refuse(
    new Fault(code === 'PASSPORT_EXPIRED' ? code : 'PASSPORT_REVOKED', {
      detail: `parent ${parent_jti ?? ''}: ${detail}`,
      next: 'The passport that it was delegated from is over. Ask whoever delegated it for another one.',
    }),
  );
}

type Narrowed = {
  readonly grants: unknown;
  readonly above: LivePassport | undefined;
  readonly live: LivePassport;
};

/** What a row holds under its agent's grants and under its parent, read once for as long as all of them are the same. */
function createNarrowing() {
  const known = new WeakMap<PassportRow, Narrowed>();
  return (row: PassportRow, { grants, mode }: Agent, above: LivePassport | undefined): LivePassport => {
    const held = known.get(row);
    const wanted = stricter(stricter(row.mode, mode), above?.mode ?? mode);
    if (held?.grants === grants && held.above === above && held.live.mode === wanted) return held.live;
    const live = { ...liveOf(row, narrow(servicesOf(row), grants), above), mode: wanted };
    known.set(row, { grants, above, live });
    return live;
  };
}

function liveOf(
  row: PassportRow,
  held: readonly PassportService[],
  above: LivePassport | undefined,
): LivePassport {
  const services = above === undefined ? held : narrow(held, above.services);
  return {
    jti: row.jti,
    sessionId: row.session_id,
    agentId: row.agent_id,
    agentName: row.agent_name,
    mode: row.mode,
    services,
    intent: intentOf(row),
    expiresAtMs: Math.min(row.expires_at, above?.expiresAtMs ?? row.expires_at),
    missionEndsAtMs: row.mission_ends_at,
    parentEndsAtMs: above?.expiresAtMs,
    mintedBy: row.minted_by,
    ancestors: above === undefined ? [] : [above.jti, ...above.ancestors],
    above: above === undefined ? [] : agentsAbove(row, above),
  };
}

const agentsAbove = ({ agent_id }: PassportRow, { agentId, agentName, above }: LivePassport) =>
  [{ agentId, agentName }, ...above.filter((one) => one.agentId !== agentId)].filter(
    (one) => one.agentId !== agent_id,
  );

/** What is held and also granted; constraints stay those of the holder. */
function narrow(held: readonly PassportService[], grants: readonly Grant[]): readonly PassportService[] {
  return held.flatMap((entry) => {
    const granted = grants.find(({ service }) => service === entry.service)?.scopes ?? [];
    const scopes = entry.scopes.flatMap((own) => granted.flatMap((wide) => intersect(own, wide) ?? []));
    return scopes.length === 0 ? [] : [{ ...entry, scopes: [...new Set(scopes)] }];
  });
}
