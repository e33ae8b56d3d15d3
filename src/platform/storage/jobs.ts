// What a job that changes rows is given, and the loop of one that deletes those whose time is over: in small units, so that no
// call waits long for the writer (invariant 9), each with its entry (invariant 1).
import type { Result } from '#kernel/result.ts';
import type { Committed, EntryDraft, Unit } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from './compiler.ts';

export type JobDeps = {
  readonly reader: Reader;
  readonly commit: (unit: Unit) => Promise<Result<Committed>>;
  readonly draft: (fields: Partial<EntryDraft>) => EntryDraft;
  readonly host: Pick<Host, 'nowMs'>;
};

export type Pruning<Row> = {
  /** Rows whose time is over, at most `rowsMax` of them. */
  readonly old: (rowsMax: number) => Promise<readonly Row[]>;
  readonly rowsMax: number;
  /** Their deletion. */
  readonly unit: (rows: readonly Row[]) => Unit;
  /** After each unit. */
  readonly pruned?: () => Promise<void>;
};

/** Ends when fewer than a unit's rows are left; throws what a unit was refused with. */
export async function prune<Row>(commit: JobDeps['commit'], pruning: Pruning<Row>): Promise<void> {
  const { old, rowsMax, unit, pruned } = pruning;
  for (;;) {
    const rows = await old(rowsMax);
    if (rows.length === 0) return;
    const committed = await commit(unit(rows));
    if (!committed.ok) throw committed.fault;
    await pruned?.();
    if (rows.length < rowsMax) return;
  }
}
