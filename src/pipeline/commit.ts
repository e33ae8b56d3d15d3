// The one committer: changes and their audit entries as one unit for the writer. Its worker half assigns seq and
// prev_entry_hash at the moment a unit has succeeded, so that a rolled-back unit leaves no hole (invariant 1).
import type { Result } from '#kernel/result.ts';
import type { Committed, EntryDraft, Unit } from '#kernel/unit.ts';
import type { Writer } from '#platform/storage/writer.ts';

export type Committer = { readonly commit: (unit: Unit) => Promise<Result<Committed>> };

/** Told of what has become durable. */
export type Committing = (entries: readonly EntryDraft[], at: Committed) => void;

export const createCommitter = (writer: Pick<Writer, 'submit'>, committed: Committing): Committer => ({
  commit: async (unit) => {
    const result = await writer.submit(unit);
    if (result.ok) committed(unit.entries, result.value);
    return result;
  },
});
