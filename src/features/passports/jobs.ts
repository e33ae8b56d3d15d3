// Rows of passports that ended long ago are deleted, so that the table stays as large as its recent use (invariant 9).
// The deletion is a change like any other: each unit carries its entry (invariant 1).
import type { Job } from '#kernel/job.ts';
import { PASSPORT_KEPT_MS, PASSPORT_PRUNE_EVERY_MS, PASSPORT_PRUNE_ROWS_MAX } from '#kernel/limits.ts';
import { type JobDeps, prune } from '#platform/storage/jobs.ts';
import { deletePassports, endedPassports } from './store.ts';

/** A token whose row is gone stays refused: by its own end, and as an unknown passport should the clock go back. */
export function prunePassports(deps: JobDeps): Job {
  return { name: 'prune passports', everyMs: PASSPORT_PRUNE_EVERY_MS, run: () => pruneEnded(deps) };
}

function pruneEnded({ reader, commit, draft, host }: JobDeps): Promise<void> {
  const endedBeforeMs = host.nowMs() - PASSPORT_KEPT_MS;
  return prune(commit, {
    rowsMax: PASSPORT_PRUNE_ROWS_MAX,
    old: (limit) => endedPassports(reader, { endedBeforeMs, limit }),
    unit: (ended) => {
      const detail = { passports: ended.length, ended_before_ms: endedBeforeMs };
      const entry = draft({ layer: 'vault', action: 'passport.prune', detail });
      return { statements: [deletePassports(ended)], entries: [entry] };
    },
  });
}
