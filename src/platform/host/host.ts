// Time, chance and ids: the only place that knows them (invariant 11), so that tests can replace all three.
import { randomBytes, randomFillSync } from 'node:crypto';
import { type Clock, createClock } from './clock.ts';

export type IdPrefix = 'agt' | 'agk' | 'ses' | 'key' | 'apr' | 'msg' | 'aud' | 'pp' | 'sec' | 'trc';

export type Host = {
  /** Wall clock, unix ms; does not go back while the process runs. */
  readonly nowMs: () => number;
  /** For durations and windows; never goes back. */
  readonly monotonicMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  /**
   * `prefix_` and 32 hex digits: 128 random bits; in ids of log entries the time and 80 random bits, so that the indexes of
   * the log grow at their end and a commit touches few pages.
   */
  readonly id: (prefix: IdPrefix) => string;
};

export type SystemHost = Host & { readonly clock: Clock };

/** Random bytes are drawn by the page: a call needs a handful of small ones, and drawing costs the same for any number. */
const POOL_BYTES = 4_096;
const POOLED_BYTES_MAX = 64;
const ID_BYTES = 16;
/** Unix ms fit into six bytes until the year 10889. */
const TIME_BYTES = 6;

export function systemHost(): SystemHost {
  const random = pooledBytes();
  const monotonicMs = (): number => performance.now();
  const clock = createClock({ wallMs: () => Date.now(), monotonicMs });
  const time = timeText(clock.nowMs);
  return {
    clock,
    nowMs: clock.nowMs,
    monotonicMs,
    randomBytes: random,
    id: (prefix) => {
      if (prefix !== 'aud') return `${prefix}_${hex(random(ID_BYTES))}`;
      return `${prefix}_${time()}${hex(random(ID_BYTES - TIME_BYTES))}`;
    },
  };
}

const hex = (bytes: Buffer): string => bytes.toString('hex');

/** The present ms in hex; written anew once a ms. */
function timeText(nowMs: () => number): () => string {
  let ms = 0;
  let text = '';
  return () => {
    const now = nowMs();
    if (now !== ms) text = now.toString(16).padStart(2 * TIME_BYTES, '0');
    ms = now;
    return text;
  };
}

function pooledBytes(): (length: number) => Buffer {
  const pool = Buffer.alloc(POOL_BYTES);
  let used = POOL_BYTES;
  return (length) => {
    if (length > POOLED_BYTES_MAX) return randomBytes(length);
    if (used + length > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    const bytes = Buffer.from(pool.subarray(used, used + length));
    // Given out once: what became a key must not stand here as well.
    pool.fill(0, used, used + length);
    used += length;
    return bytes;
  };
}
