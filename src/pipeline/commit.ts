// The one committer: changes and their audit entries as one unit for the writer. Its worker half assigns seq and
// prev_entry_hash at the moment a unit has succeeded, so that a rolled-back unit leaves no hole (invariant 1).
import { entryCells } from '#features/audit/entry.ts';
import { Fault } from '#kernel/errors.ts';
import { type Result, refuse } from '#kernel/result.ts';
import type { Cell, Committed, EntryDraft, Unit } from '#kernel/unit.ts';
import { Undecided } from '#platform/storage/trouble.ts';
import type { Answer, Writer } from '#platform/storage/writer.ts';

export type Committer = {
  readonly commit: (unit: Unit) => Promise<Result<Committed>>;
  /** Entries of what has happened already, for which nobody waits: kept until the log takes them. */
  readonly note: (unit: Unit) => void;
  /** The same for a unit that was waited for and refused. Its statements may touch rows or none. */
  readonly keep: (unit: Unit, fault: Fault) => void;
};

/** Told of what has become durable. */
export type Committing = (entries: readonly EntryDraft[], at: Committed) => void;

type Told = Pick<Committer, 'keep'> & {
  readonly committed: Committing;
  /** Its caller was refused, since the disk did not answer; now it is durable all the same. */
  readonly late: (entries: readonly EntryDraft[]) => void;
};

export function createCommitter(writer: Pick<Writer, 'submit'>, { committed, late, keep }: Told): Committer {
  const submit = ({ statements, entries }: Unit, answer: Answer): void => {
    const cells = cellsOf(entries);
    if (cells.ok) {
      writer.submit({ statements, cells: cells.value }, (result) => {
        if (result.ok) committed(entries, result.value);
        else if (result.fault instanceof Undecided) followLater(entries, result.fault);
        answer(result);
      });
    } else answer(cells);
  };
  const followLater = (entries: readonly EntryDraft[], fault: Undecided<Committed>): void => {
    fault.later.then((result) => {
      if (!result.ok) return;
      committed(entries, result.value);
      late(entries);
    });
  };
  return {
    keep,
    commit: (unit) => new Promise((answer) => submit(unit, answer)),
    note: (unit) =>
      submit(unit, (result) => {
        if (!result.ok) keep(unit, result.fault);
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
