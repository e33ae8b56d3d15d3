// Rows of passports that ended long ago are deleted, so that the table stays as large as its recent use (invariant 9).
// The deletion is a change like any other: each unit carries its entry (invariant 1).
import type { Job } from '#kernel/job.ts';
import { PASSPORT_KEPT_MS, PASSPORT_PRUNE_EVERY_MS, PASSPORT_PRUNE_ROWS_MAX } from '#kernel/limits.ts';
import type { Result } from '#kernel/result.ts';
import type { Committed, EntryDraft, Unit } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { deletePassports, endedPassports } from './store.ts';

type Deps = {
  readonly reader: Reader;
  readonly commit: (unit: Unit) => Promise<Result<Committed>>;
  readonly draft: (fields: Partial<EntryDraft>) => EntryDraft;
  readonly host: Pick<Host, 'nowMs'>;
};

/** A token whose row is gone stays refused: by its own end, and as an unknown passport should the clock go back. */
export function prunePassports(deps: Deps): Job {
  return { name: 'prune passports', everyMs: PASSPORT_PRUNE_EVERY_MS, run: () => prune(deps) };
}

async function prune({ reader, commit, draft, host }: Deps): Promise<void> {
  const endedBeforeMs = host.nowMs() - PASSPORT_KEPT_MS;
  for (;;) {
    const ended = await endedPassports(reader, { endedBeforeMs, limit: PASSPORT_PRUNE_ROWS_MAX });
    if (ended.length === 0) return;
    const entry = draft({
      layer: 'vault',
      action: 'passport.prune',
      detail: { passports: ended.length, ended_before_ms: endedBeforeMs },
    });
    const committed = await commit({ statements: [deletePassports(ended)], entries: [entry] });
    if (!committed.ok) throw committed.fault;
    if (ended.length < PASSPORT_PRUNE_ROWS_MAX) return;
  }
}
