// Keys whose day is over are deleted with what is kept under them, in small units, each with its entry (invariants 1 and 9).
import type { Job } from '#kernel/job.ts';
import {
  IDEMPOTENCY_KEPT_MS,
  IDEMPOTENCY_PRUNE_EVERY_MS,
  IDEMPOTENCY_PRUNE_ROWS_MAX,
} from '#kernel/limits.ts';
import type { Result } from '#kernel/result.ts';
import type { Committed, EntryDraft, Unit } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { deleteKeys, oldKeys } from './store.ts';

type Deps = {
  readonly reader: Reader;
  readonly commit: (unit: Unit) => Promise<Result<Committed>>;
  readonly draft: (fields: Partial<EntryDraft>) => EntryDraft;
  readonly host: Pick<Host, 'nowMs'>;
  /** Counts anew how much there is. */
  readonly pruned: () => Promise<void>;
};

export const pruneIdempotencyKeys = (deps: Deps): Job => ({
  name: 'prune idempotency keys',
  everyMs: IDEMPOTENCY_PRUNE_EVERY_MS,
  run: () => prune(deps),
});

async function prune({ reader, commit, draft, host, pruned }: Deps): Promise<void> {
  const beforeMs = host.nowMs() - IDEMPOTENCY_KEPT_MS;
  for (;;) {
    const old = await oldKeys(reader, { beforeMs, limit: IDEMPOTENCY_PRUNE_ROWS_MAX });
    if (old.length === 0) return;
    const detail = { keys: old.length, made_before_ms: beforeMs };
    const entry = draft({ action: 'idempotency.prune', detail });
    const committed = await commit({ statements: [deleteKeys(old)], entries: [entry] });
    if (!committed.ok) throw committed.fault;
    await pruned();
    if (old.length < IDEMPOTENCY_PRUNE_ROWS_MAX) return;
  }
}
