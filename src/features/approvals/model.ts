// An approval: a person's decision about one exact call of one session, which is stored when it is asked for and is what is
// sent (invariant 5). Its state is what the row says and what time and the passport have made of it since.
import { createHash } from 'node:crypto';
import type { ApprovalRule } from '#features/policy/model.ts';
import type { SecretReference, Service } from '#features/services/model.ts';
import { canonicalize, type Json } from '#kernel/canonical.ts';

export const APPROVAL_STATUSES = ['pending', 'approved', 'rejected', 'expired'] as const;
export type ApprovalStatus = (typeof APPROVAL_STATUSES)[number];
export const USE_OUTCOMES = ['success', 'failure', 'unknown'] as const;
export type UseOutcome = (typeof USE_OUTCOMES)[number];
/** Why nobody can decide it, or use it, any more. */
export const ENDINGS = ['time', 'withdrawn', 'passport_revoked'] as const;
export type Ended = (typeof ENDINGS)[number];

/** Contract 3. */
export type GateReason =
  | 'approval_required'
  | 'approval_pending'
  | 'approval_rejected'
  | 'approval_expired'
  | 'approval_spent'
  | 'approval_not_found'
  | 'wrong_passport'
  | 'call_mismatch'
  | 'definition_changed';

export const APPROVAL_ID = /^apr_[0-9a-f]{32}$/;

/** What was asked for, in clear. `headers` are those the caller gave, as they were sent. */
export type Card = {
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly reason: string;
  /** The body was given as a JSON value: it is stored in its canonical form (RFC 8785), and compared as a value. */
  readonly structured: boolean;
  readonly rule: ApprovalRule | null;
  readonly bodySha256: string | null;
  readonly definitionHash: string;
  readonly callHash: string;
};

/** What a sealed card or body is bound to: a swapped or edited row does not open. */
export type CardBinding = {
  readonly id: string;
  readonly agent_id: string;
  readonly session_id: string;
  readonly service: string;
  readonly method: string;
};

/**
 * What makes an approval of before no approval of now: a restored state gets another one, so that what was approved in the
 * copy does not run in the original. There is no restore yet.
 */
export const EPOCH = 1;

/** Everything that a decision is about; its hash stands in the receipt. */
export type Binding = {
  readonly agent_id: string;
  readonly session_id: string;
  readonly service: string;
  readonly credential: string;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body_sha256: string | null;
  readonly structured: boolean;
  readonly definition_hash: string;
  readonly rule_hash: string;
  readonly epoch: number;
};

export const sha256 = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex');

/** SHA-256 over the canonical form, hex. */
export const callHash = (binding: Binding): string => sha256(canonicalize(binding));

export const ruleHash = (rule: ApprovalRule | undefined): string => sha256(canonicalize(plain(rule ?? null)));

/** The service as its config has it, without its credential's value and without what is only shown. */
export function definitionHash({ secret, title: _title, verify: _verify, ...definition }: Service): string {
  return sha256(canonicalize(plain({ ...definition, credential: credentialName(secret) })));
}

/** Which credential, not which version of it: a rotated one is the same. */
export function credentialName(secret: SecretReference | undefined): string {
  if (secret === undefined) return 'none';
  if (secret.kind === 'sealed') return 'sealed';
  return `${secret.kind}:${secret.kind === 'file' ? secret.path : secret.name}`;
}

/** Members that are undefined are not there. */
const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;

export type Standing = {
  readonly status: 'pending' | 'approved' | 'rejected';
  readonly ended: Ended | null;
  readonly expires_at: number;
  readonly uses_left: number;
};
export type State = {
  readonly status: ApprovalStatus;
  readonly usesLeft: number;
  readonly ended: Ended | undefined;
};

type Now = { readonly nowMs: number; readonly passportRevoked: boolean };

/** `expired` is never what a person decided: a question that nobody answered, or an approval that ended before it was used up. */
export function stateOf(row: Standing, { nowMs, passportRevoked }: Now): State {
  if (row.status === 'rejected') return { status: 'rejected', usesLeft: 0, ended: undefined };
  const spent = row.status === 'approved' && row.uses_left === 0;
  if (spent) return { status: 'approved', usesLeft: 0, ended: undefined };
  const ended = row.ended ?? endingOf(row, { nowMs, passportRevoked });
  if (ended !== undefined) return { status: 'expired', usesLeft: 0, ended };
  return { status: row.status, usesLeft: row.status === 'approved' ? row.uses_left : 0, ended: undefined };
}

export function endingOf({ expires_at }: Standing, { nowMs, passportRevoked }: Now): Ended | undefined {
  if (passportRevoked) return 'passport_revoked';
  return expires_at <= nowMs ? 'time' : undefined;
}

/** A free field frees what is below it: `body` the whole body, `body.customer` its members, too. */
export const isFree = (field: string, free: readonly string[]): boolean =>
  free.some((name) => field === name || field.startsWith(`${name}.`));

export const FREE_FIELD = /^(?:body(?:\.[^.]+)*|headers\.[a-z0-9-]+)$/;
