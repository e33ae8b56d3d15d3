// The passport: a short-lived signed token for one agent and one mission, and its live state on the server.
import type { Mode } from '#features/agents/model.ts';
import type { Constraint } from '#features/policy/model.ts';
import type { SigningKey } from '#platform/crypto/signing.ts';

export type PassportService = {
  readonly service: string;
  readonly scopes: readonly string[];
  readonly constraints: readonly Constraint[];
};

export type Intent = {
  readonly summary: string;
  readonly services: readonly string[];
  readonly willDelegate: boolean;
  readonly estimatedDurationSeconds: number | undefined;
};

/** What signs passports, and what verifies them: the keys before the current one do, until their passports are over. */
export type PassportKeys = {
  readonly current: () => SigningKey;
  readonly verifying: () => readonly SigningKey[];
};

/** A passport that verified just now: signature, claims, lease, revocation, agent. */
export type LivePassport = {
  readonly jti: string;
  readonly sessionId: string;
  readonly agentId: string;
  readonly agentName: string;
  readonly mode: Mode;
  readonly services: readonly PassportService[];
  readonly intent: Intent | undefined;
  readonly expiresAtMs: number;
  /** The key or person that minted it. */
  readonly mintedBy: string;
};
