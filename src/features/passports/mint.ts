// From a plan to a row and its token. The row is what counts; the token is what travels.
import type { Agent } from '#features/agents/model.ts';
import { MISSION_SECONDS_MAX } from '#kernel/limits.ts';
import type { SigningKey } from '#platform/crypto/signing.ts';
import type { Host } from '#platform/host/host.ts';
import type { Intent, PassportService } from './model.ts';
import { intentOf, type PassportRow, servicesOf } from './store.ts';
import { signToken } from './token.ts';

const MS = 1000;

export type Plan = {
  readonly agent: Agent;
  readonly services: readonly PassportService[];
  readonly intent: Intent | undefined;
  readonly ttlSeconds: number;
  readonly mintedBy: string;
  /** Kept over renewals of one session. */
  readonly sessionId: string | undefined;
  readonly standing: boolean;
};

export function newPassport(plan: Plan, host: Host): PassportRow {
  // Whole seconds, as the token's claims have them.
  const nowMs = Math.floor(host.nowMs() / MS) * MS;
  return {
    jti: host.id('pp'),
    session_id: plan.sessionId ?? host.id('ses'),
    agent_id: plan.agent.id,
    agent_name: plan.agent.name,
    parent_jti: null,
    minted_by: plan.mintedBy,
    mode: plan.agent.mode,
    services: JSON.stringify(plan.services),
    intent: plan.intent === undefined ? null : JSON.stringify(plan.intent),
    issued_at: nowMs,
    expires_at: nowMs + plan.ttlSeconds * MS,
    revoked_at: null,
    revoke_reason: null,
    standing: plan.standing ? 1 : 0,
    depth: 0,
    ttl_seconds: plan.ttlSeconds,
    checkpoint_interval: null,
    last_checkpoint_at: null,
    mission_ends_at: nowMs + MISSION_SECONDS_MAX * MS,
    ended_at: null,
    ended_by: null,
    refreshed_from: null,
    successor_jti: null,
  };
}

type Signing = {
  readonly key: SigningKey;
  readonly issuer: string;
  readonly checkpointIntervalSeconds: number | undefined;
};

export function tokenOf(row: PassportRow, { key, issuer, checkpointIntervalSeconds }: Signing): string {
  const intent = intentOf(row);
  const iat = row.issued_at / MS;
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
    delegation_depth: 0,
    session_id: row.session_id,
    accountability: row.mode,
    intent_summary: intent?.summary ?? null,
    intent_services: intent?.services ?? [],
    checkpoint_interval: checkpointIntervalSeconds ?? null,
    parent_jti: row.parent_jti,
    chain: [],
  };
  const times = { iat, nbf: iat, exp: row.expires_at / MS };
  return signToken({ iss: issuer, aud: issuer, sub: row.agent_id, ...times, jti: row.jti, stk }, key);
}
