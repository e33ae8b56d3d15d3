// The time in which the log takes nothing. What it misses meanwhile, the outcomes of calls above all, is kept and written with
// a note of the outage as soon as it takes entries again; that note is the probe, so that the end is found without a caller.
import type { Fault } from '#kernel/errors.ts';
import { OUTAGE_ENTRIES_MAX, OUTAGE_ENTRIES_PER_UNIT } from '#kernel/limits.ts';
import type { Result } from '#kernel/result.ts';
import type { Committed, EntryDraft, Unit } from '#kernel/unit.ts';
import { Undecided } from '#platform/storage/trouble.ts';
import type { DraftEntry } from './record.ts';

export type Outage = {
  /** Why the log takes nothing, until the note of it is written. */
  readonly reason: () => string | undefined;
  readonly begin: (reason: string) => void;
  /** A unit that was refused, about something that has happened already; its statements are never a conflict. */
  readonly keep: (unit: Unit, fault: Fault) => void;
  /** Tries to end the outage, if there is one. Waits for nothing: the disk may not answer. */
  readonly probe: () => void;
};

/** Entries that were written late, and those beyond the bound. */
export type Ended = { readonly kept: number; readonly lost: number };

type Deps = {
  readonly commit: (unit: Unit) => Promise<Result<Committed>>;
  readonly draft: DraftEntry;
  readonly nowMs: () => number;
  readonly began: (reason: string) => void;
  readonly ended: (facts: Ended) => void;
  /** An entry that can never be written: a mistake of ours. */
  readonly unfit: (entry: EntryDraft, fault: Fault) => void;
};

type Current = { readonly reason: string; readonly sinceMs: number; kept: number; lost: number };

/** A mistake in the entry itself has no such word. */
const isTrouble = (fault: Fault): boolean => typeof fault.metadata['reason'] === 'string';

export function createOutage(deps: Deps): Outage {
  const waiting: Unit[] = [];
  let current: Current | undefined;
  const begin = (reason: string): Current => {
    if (current === undefined) {
      current = { reason, sinceMs: deps.nowMs(), kept: 0, lost: 0 };
      deps.began(reason);
    }
    return current;
  };
  const keep = (unit: Unit, fault: Fault): void => {
    if (!isTrouble(fault)) {
      for (const entry of unit.entries) deps.unfit(entry, fault);
      return;
    }
    const outage = begin(fault.detail ?? fault.code);
    if (fault instanceof Undecided) {
      // What the disk may still take must not be written twice.
      fault.later.then((later) => (later.ok ? undefined : keep(unit, later.fault)));
    } else if (waiting.length < OUTAGE_ENTRIES_MAX) {
      waiting.push(unit);
      outage.kept += 1;
    } else outage.lost += 1;
  };
  /** Whether they need no further try. */
  const taken = async (units: readonly Unit[]): Promise<boolean> => {
    const entries = units.flatMap((unit) => unit.entries);
    const statements = units.flatMap((unit) => unit.statements);
    const result = await decided(deps.commit({ statements, entries }));
    if (result.ok) return true;
    if (isTrouble(result.fault)) return false;
    for (const entry of entries) deps.unfit(entry, result.fault);
    return true;
  };
  const end = async (outage: Current): Promise<void> => {
    while (waiting.length > 0) {
      const some = waiting.slice(0, OUTAGE_ENTRIES_PER_UNIT);
      if (!(await taken(some))) return;
      waiting.splice(0, some.length);
    }
    const { reason, sinceMs, kept, lost } = outage;
    const detail = { reason, began_ms: sinceMs, entries_kept: kept, entries_lost: lost };
    const note = deps.draft({ action: 'audit.outage', outcome: 'failure', detail });
    if (!(await taken([{ statements: [], entries: [note] }]))) return;
    current = undefined;
    deps.ended({ kept, lost });
  };
  let probing = false;
  return {
    reason: () => current?.reason,
    begin: (reason) => void begin(reason),
    keep,
    probe: () => {
      if (current === undefined || probing) return;
      probing = true;
      end(current).finally(() => {
        probing = false;
      });
    },
  };
}

async function decided(result: Promise<Result<Committed>>): Promise<Result<Committed>> {
  const first = await result;
  return !first.ok && first.fault instanceof Undecided ? (first.fault as Undecided<Committed>).later : first;
}
