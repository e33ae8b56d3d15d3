// From a plan to a row and its token. The row is what counts; the token is what travels.
import type { Agent, Mode } from '#features/agents/model.ts';
import { Fault } from '#kernel/errors.ts';
import { MISSION_SECONDS_MAX, PASSPORT_TOKEN_BYTES_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { SigningKey } from '#platform/crypto/signing.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { leaseEnd, wholeSeconds } from './lease.ts';
import type { Intent, LivePassport, PassportKeys, PassportService } from './model.ts';
import { statusListUri } from './status-list.ts';
import { intentOf, type PassportRow, servicesOf } from './store.ts';
import type { PassportTerms } from './terms.ts';
import { signToken } from './token.ts';
import type { PassportVerifier } from './verify.ts';

/** What a verb has that makes passports. */
export type Minting = {
  readonly reader: Reader;
  readonly host: MintingHost;
  readonly keys: PassportKeys;
  readonly issuer: () => string;
  readonly findAgent: (idOrName: string) => Agent | undefined;
  readonly terms: () => PassportTerms;
  readonly verifier: PassportVerifier;
};

const MS = 1000;

export type Plan = {
  readonly agent: Pick<Agent, 'id' | 'name'>;
  readonly mode: Mode;
  readonly services: readonly PassportService[];
  readonly intent: Intent | undefined;
  readonly ttlSeconds: number;
  readonly checkpointInterval: number | null;
  readonly mintedBy: string;
  /** Kept over renewals of one session, and by all that is delegated in it. */
  readonly sessionId: string | undefined;
  /** Of a mission that begins now. */
  readonly missionSeconds?: number;
  /** Of one that began before. */
  readonly missionEndsAtMs?: number;
  readonly parent?: LivePassport | undefined;
  readonly refreshedFrom?: string;
  readonly standing: boolean;
};

/** What a passport is made with: time, ids, and the next place in the status list. */
export type MintingHost = Host & { readonly statusIndex: () => number };

export function newPassport(plan: Plan, host: MintingHost): PassportRow {
  const nowMs = wholeSeconds(host.nowMs());
  const { mode, ttlSeconds, checkpointInterval, parent } = plan;
  const missionEndsAtMs = plan.missionEndsAtMs ?? nowMs + (plan.missionSeconds ?? MISSION_SECONDS_MAX) * MS;
  const term = { mode, ttlSeconds, checkpointInterval, missionEndsAtMs, parentEndsAtMs: parent?.expiresAtMs };
  return {
    jti: host.id('pp'),
    session_id: plan.sessionId ?? host.id('ses'),
    agent_id: plan.agent.id,
    agent_name: plan.agent.name,
    parent_jti: parent?.jti ?? null,
    minted_by: plan.mintedBy,
    mode,
    services: JSON.stringify(plan.services),
    intent: plan.intent === undefined ? null : JSON.stringify(plan.intent),
    issued_at: nowMs,
    expires_at: leaseEnd(term, nowMs),
    revoked_at: null,
    revoke_reason: null,
    standing: plan.standing ? 1 : 0,
    depth: parent === undefined ? 0 : parent.ancestors.length + 1,
    ttl_seconds: ttlSeconds,
    checkpoint_interval: checkpointInterval,
    last_checkpoint_at: null,
    mission_ends_at: missionEndsAtMs,
    ended_at: null,
    ended_by: null,
    refreshed_from: plan.refreshedFrom ?? null,
    successor_jti: null,
    status_index: host.statusIndex(),
  };
}

type Signing = {
  readonly key: SigningKey;
  readonly issuer: string;
  /** Passports above it, the first of the chain first. */
  readonly chain: readonly string[];
};

/** One that verifies nowhere, since it is too long, is not handed out. */
export function tokenOf(row: PassportRow, signing: Signing): Result<string> {
  const token = signed(row, signing);
  if (Buffer.byteLength(token) <= PASSPORT_TOKEN_BYTES_MAX) return ok(token);
  const message = `scopes and constraints make a passport of more than ${PASSPORT_TOKEN_BYTES_MAX} bytes`;
  return refuse(new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: 'constraints', message }] } }));
}

function signed(row: PassportRow, { key, issuer, chain }: Signing): string {
  const intent = intentOf(row);
  // Of a lease that was extended, the token is signed anew and begins with the extension.
  const iat = (row.last_checkpoint_at ?? row.issued_at) / MS;
  const services = servicesOf(row).map(({ service, scopes, constraints }) => ({
    service_id: service,
    service_name: service,
    scopes,
    credential_ref: `service:${service}`,
    constraints,
  }));
  const stk = {
    operator_id: 'local',
    agent_id: row.agent_id,
    agent_name: row.agent_name,
    services,
    identity_claims: [],
    delegation_depth: row.depth,
    session_id: row.session_id,
    accountability: row.mode,
    intent_summary: intent?.summary ?? null,
    intent_services: intent?.services ?? [],
    checkpoint_interval: row.checkpoint_interval,
    parent_jti: row.parent_jti,
    chain,
  };
  const times = { iat, nbf: iat, exp: row.expires_at / MS };
  const claims = { iss: issuer, aud: issuer, sub: row.agent_id, ...times, jti: row.jti, stk };
  const { status_index: idx } = row;
  if (idx === null) return signToken(claims, key);
  return signToken({ ...claims, status: { status_list: { idx, uri: statusListUri(issuer) } } }, key);
}
