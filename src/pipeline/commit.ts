// The one committer: changes and their audit entries as one unit for the writer. Its worker half assigns seq and
// prev_entry_hash at the moment a unit has succeeded, so that a rolled-back unit leaves no hole (invariant 1).
import type { Result } from '#kernel/result.ts';
import type { Committed, Unit } from '#kernel/unit.ts';
import type { Writer } from '#platform/storage/writer.ts';

export type Committer = { readonly commit: (unit: Unit) => Promise<Result<Committed>> };

export const createCommitter = (writer: Pick<Writer, 'submit'>): Committer => ({
  commit: (unit) => writer.submit(unit),
});
