// What the config says of the life of passports, and what of it a caller gets.
import type { Mode } from '#features/agents/model.ts';
import { INTENT_NOTED_CHARS_MAX } from '#kernel/limits.ts';
import { intentOf, type PassportRow } from './store.ts';

export type PassportTerms = {
  readonly ttlSeconds: number;
  readonly ttlSecondsMax: number;
  readonly missionSeconds: number;
  readonly checkpointIntervalSeconds: number;
};

type Asked = {
  readonly ttl_seconds?: number | undefined;
  readonly checkpoint_interval_seconds?: number | undefined;
};

/** Nobody reports under a passport of standard mode, so none is due. */
export function termsOf(terms: PassportTerms, mode: Mode, asked: Asked) {
  const interval = asked.checkpoint_interval_seconds ?? terms.checkpointIntervalSeconds;
  return {
    ttlSeconds: Math.min(asked.ttl_seconds ?? terms.ttlSeconds, terms.ttlSecondsMax),
    checkpointInterval: mode === 'standard' ? null : interval,
    missionSeconds: terms.missionSeconds,
  };
}

/** What the log keeps of a new passport; the row goes some days later. */
export function noted(row: PassportRow) {
  return {
    intent: intentOf(row)?.summary.slice(0, INTENT_NOTED_CHARS_MAX) ?? null,
    mode: row.mode,
    ttl_seconds: row.ttl_seconds,
    expires_at: new Date(row.expires_at).toISOString(),
  };
}
