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
  readonly missionEndsAtMs: number;
  /** `undefined`: it is the first of its chain. */
  readonly parentEndsAtMs: number | undefined;
  /** The key or person that minted it, or the first of its chain. */
  readonly mintedBy: string;
  /** Passports that it was delegated from, the direct parent first. All of them were live just now. */
  readonly ancestors: readonly string[];
  /** The other agents up its chain, each once: what they handed on is counted against their budgets, too. */
  readonly above: readonly Above[];
};
export type Above = Pick<LivePassport, 'agentId' | 'agentName'>;

/** The claim `chain`: the first passport first, the direct parent last. */
export const chainAbove = ({ ancestors }: LivePassport): readonly string[] => [...ancestors].reverse();
/** The same of what is delegated from it. */
export const chainBelow = (parent: LivePassport): readonly string[] => [...chainAbove(parent), parent.jti];

/**
 * Whether whoever holds one passport may name another in its place: itself, or what descends from it. The first of a session
 * has every passport that its own agent has in it; a delegated one has not, since its agent may hold a wider one there, too.
 */
export function within(held: LivePassport, named: LivePassport): boolean {
  if (named.jti === held.jti || named.ancestors.includes(held.jti)) return true;
  const same = named.agentId === held.agentId && named.sessionId === held.sessionId;
  return same && held.ancestors.length === 0;
}
