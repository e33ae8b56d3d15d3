// Keys whose day is over are deleted with what is kept under them, in small units, each with its entry (invariants 1 and 9).
import type { Job } from '#kernel/job.ts';
import {
  IDEMPOTENCY_KEPT_MS,
  IDEMPOTENCY_PRUNE_EVERY_MS,
  IDEMPOTENCY_PRUNE_ROWS_MAX,
} from '#kernel/limits.ts';
import { type JobDeps, prune } from '#platform/storage/jobs.ts';
import { deleteKeys, oldKeys } from './store.ts';

type Deps = JobDeps & {
  /** Counts anew how much there is. */
  readonly pruned: () => Promise<void>;
};

export const pruneIdempotencyKeys = (deps: Deps): Job => ({
  name: 'prune idempotency keys',
  everyMs: IDEMPOTENCY_PRUNE_EVERY_MS,
  run: () => pruneOld(deps),
});

function pruneOld({ reader, commit, draft, host, pruned }: Deps): Promise<void> {
  const beforeMs = host.nowMs() - IDEMPOTENCY_KEPT_MS;
  return prune(commit, {
    rowsMax: IDEMPOTENCY_PRUNE_ROWS_MAX,
    old: (limit) => oldKeys(reader, { beforeMs, limit }),
    unit: (old) => {
      const detail = { keys: old.length, made_before_ms: beforeMs };
      const entry = draft({ action: 'idempotency.prune', detail });
      return { statements: [deleteKeys(old)], entries: [entry] };
    },
    pruned,
  });
}
