// Fairness of the processor: while several callers are active, each starts only so many requests in one round of the event
// loop. The requests of a flood wait here, before they cost anything, and not in the way of what others have begun.
import { REQUESTS_PER_ROUND, TURNS_REMEMBERED_MS, TURNS_WAITING_MAX } from '#kernel/limits.ts';

export type Turns = {
  /** Nothing where the request may go on at once; else what it waits for. Never rejects. */
  readonly take: (holder: string) => Promise<void> | undefined;
};

type Line = { started: number; readonly waiting: (() => void)[] };

/** `nowMs` never goes back. */
export function createTurns(nowMs: () => number): Turns {
  const lines = new Map<string, Line>();
  let lastHolder: string | undefined;
  let otherMs = Number.NEGATIVE_INFINITY;
  let waiting = 0;
  let running = false;
  /** A lone caller never waits: whose turn should it be? */
  const several = (): boolean => nowMs() - otherMs < TURNS_REMEMBERED_MS;
  const grant = (line: Line, most: number): void => {
    for (const go of line.waiting.splice(0, most)) {
      line.started += 1;
      waiting -= 1;
      go();
    }
  };
  const round = (): void => {
    const most = several() ? REQUESTS_PER_ROUND : TURNS_WAITING_MAX;
    for (const [holder, line] of lines) {
      line.started = 0;
      if (line.waiting.length === 0) lines.delete(holder);
      else grant(line, most);
    }
    running = lines.size > 0;
    if (running) setImmediate(round);
  };
  const lineOf = (holder: string): Line => {
    const known = lines.get(holder);
    if (known !== undefined) return known;
    const fresh: Line = { started: 0, waiting: [] };
    lines.set(holder, fresh);
    if (!running) setImmediate(round);
    running = true;
    return fresh;
  };
  return {
    take: (holder) => {
      if (lastHolder !== holder) {
        if (lastHolder !== undefined) otherMs = nowMs();
        lastHolder = holder;
      }
      if (!several()) return undefined;
      const line = lineOf(holder);
      const next = line.waiting.length === 0 && line.started < REQUESTS_PER_ROUND;
      if (next || waiting >= TURNS_WAITING_MAX) {
        line.started += 1;
        return undefined;
      }
      waiting += 1;
      return new Promise((go) => line.waiting.push(go));
    },
  };
}
