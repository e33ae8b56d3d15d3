// Who asks for a decision may wait for it for a moment: woken by whatever is committed about approvals, it looks again.
// Also where the outcome of a use is on its way to the log: an answer may overtake it.
import { setTimeout as delay } from 'node:timers/promises';
import { APPROVAL_SETTLE_MS } from '#kernel/limits.ts';

export type Waiting = {
  /** Something about approvals has been committed. */
  readonly wake: () => void;
  /** Ends when woken, when the time is over, or when the caller has gone. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** The outcome of a use of this approval is being committed. */
  readonly settling: (approvalId: string, decided: Promise<void>) => void;
  readonly settled: (approvalId: string) => Promise<void>;
};

export function createWaiting(): Waiting {
  const sleepers = new Set<() => void>();
  const open = new Map<string, Set<Promise<void>>>();
  return {
    wake: () => {
      for (const sleeper of sleepers) sleeper();
    },
    pause: async (ms, signal) => {
      const woken = Promise.withResolvers<void>();
      const done = new AbortController();
      sleepers.add(woken.resolve);
      const either = AbortSignal.any([signal, done.signal]);
      const over = delay(ms, undefined, { signal: either }).catch(() => undefined);
      await Promise.race([woken.promise, over]);
      done.abort();
      sleepers.delete(woken.resolve);
    },
    settling: (approvalId, decided) => {
      const own = open.get(approvalId) ?? new Set();
      open.set(approvalId, own.add(decided));
      const over = (): void => {
        own.delete(decided);
        if (own.size === 0) open.delete(approvalId);
      };
      decided.then(over, over);
    },
    settled: async (approvalId) => {
      const own = open.get(approvalId);
      if (own === undefined) return;
      const done = new AbortController();
      const late = delay(APPROVAL_SETTLE_MS, undefined, { signal: done.signal }).catch(() => undefined);
      await Promise.race([Promise.allSettled(own), late]);
      done.abort();
    },
  };
}
