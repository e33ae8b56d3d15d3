// Says once per window what happens again and again: a flood from outside becomes one line or one entry per key.

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
