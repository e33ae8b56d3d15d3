// How long a passport may be used (contract 10): never beyond its mission or its parent, and in enforced mode never longer
// than until the next report of its holder is due.
import type { Mode } from '#features/agents/model.ts';
import { PASSPORT_REFRESH_GRACE_MS } from '#kernel/limits.ts';
import type { PassportRow } from './store.ts';

const MS = 1000;

/** The claims of a token are whole seconds; so is every lease. */
export const wholeSeconds = (ms: number): number => Math.floor(ms / MS) * MS;

export type Term = {
  readonly mode: Mode;
  readonly ttlSeconds: number;
  readonly checkpointInterval: number | null;
  readonly missionEndsAtMs: number;
  /** Of the direct parent, which ends no later than those above it. */
  readonly parentEndsAtMs: number | undefined;
};

export function leaseEnd(term: Term, fromMs: number): number {
  const interval = term.mode === 'enforced' ? term.checkpointInterval : null;
  const seconds = Math.min(term.ttlSeconds, interval ?? term.ttlSeconds);
  const own = Math.min(fromMs + seconds * MS, term.missionEndsAtMs);
  return wholeSeconds(Math.min(own, term.parentEndsAtMs ?? own));
}

type Minted = Pick<
  PassportRow,
  'mode' | 'ttl_seconds' | 'checkpoint_interval' | 'mission_ends_at' | 'issued_at'
>;

/** What the lease was when the passport was minted, where no parent made it shorter. */
export const firstLeaseEnd = (row: Minted): number =>
  leaseEnd(
    {
      mode: row.mode,
      ttlSeconds: row.ttl_seconds,
      checkpointInterval: row.checkpoint_interval,
      missionEndsAtMs: row.mission_ends_at,
      parentEndsAtMs: undefined,
    },
    row.issued_at,
  );

type Life = Pick<
  PassportRow,
  'mode' | 'checkpoint_interval' | 'last_checkpoint_at' | 'issued_at' | 'expires_at'
>;

/** Whether it ended because its holder did not report in time. */
export function missedCheckpoint(row: Life, nowMs: number): boolean {
  if (row.mode !== 'enforced' || row.checkpoint_interval === null) return false;
  const dueMs = (row.last_checkpoint_at ?? row.issued_at) + row.checkpoint_interval * MS;
  return row.expires_at <= nowMs && dueMs <= row.expires_at;
}

export const isPastGrace = ({ expires_at }: Pick<PassportRow, 'expires_at'>, nowMs: number): boolean =>
  nowMs >= expires_at + PASSPORT_REFRESH_GRACE_MS;
