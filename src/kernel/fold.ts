// Says once per window what happens again and again: a flood from outside becomes one line or one entry per key. Where each
// one counts, the rest is told as a number.

type Bounds = { readonly windowMs: number; readonly keysMax: number };

export type Fold = {
  /** Whether this is to be said now. `nowMs` is of a clock that never goes back. */
  readonly due: (key: string, nowMs: number) => boolean;
};

/** Beyond `keysMax` the key that was said longest ago is forgotten, and would be said again. */
export function createFold({ windowMs, keysMax }: Bounds): Fold {
  const said = new Map<string, number>();
  return {
    due: (key, nowMs) => {
      const last = said.get(key);
      if (last !== undefined && nowMs - last < windowMs) return false;
      said.delete(key);
      const [oldest] = said.keys();
      if (said.size >= keysMax && oldest !== undefined) said.delete(oldest);
      said.set(key, nowMs);
      return true;
    },
  };
}

export type Tally<T> = {
  /**
   * How many of this kind have gone unsaid, where this one is to be said now; else it is counted. `nowMs` is of a clock that
   * never goes back.
   */
  readonly note: (key: string, what: T, nowMs: number) => number | undefined;
  /** What has gone unsaid in windows that are over, or in all; it counts as said from here on. */
  readonly unsaid: (nowMs: number, all?: boolean) => readonly { readonly what: T; readonly times: number }[];
};

type Window<T> = { sinceMs: number; what: T; times: number };

/** With `keysMax` windows open, one of a further key is said each time. */
export function createTally<T>({ windowMs, keysMax }: Bounds): Tally<T> {
  const windows = new Map<string, Window<T>>();
  return {
    note: (key, what, nowMs) => {
      const open = windows.get(key);
      if (open !== undefined && nowMs - open.sinceMs < windowMs) {
        open.what = what;
        open.times += 1;
        return undefined;
      }
      const times = open?.times ?? 0;
      if (open !== undefined || windows.size < keysMax) windows.set(key, { sinceMs: nowMs, what, times: 0 });
      return times;
    },
    unsaid: (nowMs, all = false) => {
      const over = [...windows].filter(([, { sinceMs }]) => all || nowMs - sinceMs >= windowMs);
      for (const [key] of over) windows.delete(key);
      return over.filter(([, { times }]) => times > 0).map(([, { what, times }]) => ({ what, times }));
    },
  };
}
