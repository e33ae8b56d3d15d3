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
      return time.ok ? live(deps, claims.value.jti) : time;
    },
    byJti: (jti) => live(deps, jti),
  };
}

type Judging = Deps & { readonly narrowed: ReturnType<typeof createNarrowing> };

function live(deps: Judging, jti: string): Result<LivePassport> {
  const row = passportBy(deps.reader, jti);
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
  return ok(deps.narrowed(row, agent));
}

/** What a row holds under an agent's grants, read once for as long as both are the same. */
function createNarrowing(): (row: PassportRow, agent: Agent) => LivePassport {
  const known = new WeakMap<PassportRow, { readonly grants: unknown; readonly live: LivePassport }>();
  return (row, { grants, mode }) => {
    const held = known.get(row);
    const wanted = stricter(row.mode, mode);
    if (held?.grants === grants && held.live.mode === wanted) return held.live;
    const live = { ...liveOf(row, narrow(servicesOf(row), grants)), mode: wanted };
    known.set(row, { grants, live });
    return live;
  };
}

export function liveOf(row: PassportRow, services: readonly PassportService[]): LivePassport {
  return {
    jti: row.jti,
    sessionId: row.session_id,
    agentId: row.agent_id,
    agentName: row.agent_name,
    mode: row.mode,
    services,
    intent: intentOf(row),
    expiresAtMs: row.expires_at,
    mintedBy: row.minted_by,
  };
}

/** What the passport holds and the agent still has. */
function narrow(held: readonly PassportService[], grants: readonly Grant[]): readonly PassportService[] {
  return held.flatMap((entry) => {
    const granted = grants.find(({ service }) => service === entry.service)?.scopes ?? [];
    const scopes = entry.scopes.flatMap((own) => granted.flatMap((wide) => intersect(own, wide) ?? []));
    return scopes.length === 0 ? [] : [{ ...entry, scopes: [...new Set(scopes)] }];
  });
}
