// The one committer: changes and their audit entries as one unit for the writer. Its worker half assigns seq and
// prev_entry_hash at the moment a unit has succeeded, so that a rolled-back unit leaves no hole (invariant 1).
import { entryCells } from '#features/audit/entry.ts';
import { Fault } from '#kernel/errors.ts';
import { type Result, refuse } from '#kernel/result.ts';
import type { Cell, Committed, EntryDraft, Unit } from '#kernel/unit.ts';
import type { Answer, Writer } from '#platform/storage/writer.ts';

export type Committer = {
  readonly commit: (unit: Unit) => Promise<Result<Committed>>;
  /** For a unit that nobody waits for; `failed` is told why it was not committed. */
  readonly note: (unit: Unit, failed: (fault: Fault) => void) => void;
};

/** Told of what has become durable. */
export type Committing = (entries: readonly EntryDraft[], at: Committed) => void;

export function createCommitter(writer: Pick<Writer, 'submit'>, committed: Committing): Committer {
  const submit = ({ statements, entries }: Unit, answer: Answer): void => {
    const cells = cellsOf(entries);
    if (cells.ok) {
      writer.submit({ statements, cells: cells.value }, (result) => {
        if (result.ok) committed(entries, result.value);
        answer(result);
      });
    } else answer(cells);
  };
  return {
    commit: (unit) => new Promise((answer) => submit(unit, answer)),
    note: (unit, failed) =>
      submit(unit, (result) => {
        if (!result.ok) failed(result.fault);
      }),
  };
}

/** An entry that cannot be written down is our mistake; what it was to record must not happen. */
function cellsOf(entries: readonly EntryDraft[]): Result<readonly Cell[]> {
  const [only] = entries;
  try {
    const value = entries.length === 1 && only !== undefined ? entryCells(only) : entries.flatMap(entryCells);
    return { ok: true, value };
  } catch (thrown) {
    return refuse(new Fault('AUDIT_UNAVAILABLE', { detail: String(thrown) }));
  }
}
