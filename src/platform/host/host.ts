// Time, chance and ids: the only place that knows them (invariant 11), so that tests can replace all three.
import { randomBytes } from 'node:crypto';

export type IdPrefix = 'agt' | 'ses' | 'key' | 'apr' | 'aud' | 'pp' | 'sec' | 'trc';

export type Host = {
  /** Wall clock, unix ms. */
  readonly nowMs: () => number;
  /** For durations and windows; never goes back. */
  readonly monotonicMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  /** `prefix_` and 128 random bits in base64url-free lower case hex. */
  readonly id: (prefix: IdPrefix) => string;
};

export function systemHost(): Host {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    randomBytes: (length) => randomBytes(length),
    id: (prefix) => `${prefix}_${randomBytes(16).toString('hex')}`,
  };
}
