// The time that everything is judged by: the machine's clock, which never goes back. Where it is set back, time goes on from
// where it was by the monotonic clock, so that nothing that has ended lives again while this process runs.

type Sources = {
  /** Unix ms; whoever may set the machine's clock may move it either way. */
  readonly wallMs: () => number;
  /** Never goes back. */
  readonly monotonicMs: () => number;
};

export type Clock = {
  /** Unix ms. */
  readonly nowMs: () => number;
  /** How far the machine's clock is behind ours; 0 where it is not. */
  readonly behindMs: () => number;
  /** Ours is at least this from now on. */
  readonly notBefore: (ms: number) => void;
  /** By how much the machine's clock was set since this was last asked; negative: back. */
  readonly setByMs: () => number;
};

export function createClock({ wallMs, monotonicMs }: Sources): Clock {
  let at = wallMs();
  let since = monotonicMs();
  let offset = at - since;
  const nowMs = (): number => {
    const [wall, monotonic] = [wallMs(), monotonicMs()];
    const carried = at + (monotonic - since);
    // Its fraction is kept, or each question would lose up to a millisecond.
    if (wall < carried) return Math.floor(carried);
    at = wall;
    since = monotonic;
    return wall;
  };
  return {
    nowMs,
    behindMs: () => nowMs() - wallMs(),
    notBefore: (ms) => {
      if (ms <= nowMs()) return;
      at = ms;
      since = monotonicMs();
    },
    setByMs: () => {
      const before = offset;
      offset = wallMs() - monotonicMs();
      return offset - before;
    },
  };
}
