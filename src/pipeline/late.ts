// What the disk took after its caller had been refused, since it did not answer in time: the log must not leave it open, and
// the process must know what has changed.
import { giveBackUse } from '#features/approvals/store.ts';
import { freeKey } from '#features/idempotency/store.ts';
import type { EntryDraft, Unit } from '#kernel/unit.ts';
import type { Committer } from './commit.ts';
import type { DraftEntry } from './record.ts';
import { sameCall } from './recover.ts';

type Deps = {
  readonly committer: Pick<Committer, 'note'>;
  readonly draft: DraftEntry;
  /** As after any commit of this action. */
  readonly committed: (action: string) => Promise<void>;
};

export function followLate({ committer, draft, committed }: Deps): (entries: readonly EntryDraft[]) => void {
  return (entries) => {
    for (const entry of entries) {
      if (entry.outcome === 'pending') committer.note(unsent(entry, draft));
      else void committed(entry.action);
    }
  };
}

/** The key under which the call was made is free for another try, and so is the use of its approval. */
function unsent(intent: EntryDraft, draft: DraftEntry): Unit {
  const outcome = draft({
    ...sameCall(intent),
    actor: intent.actor,
    trace_id: intent.trace_id,
    outcome: 'failure',
    error_code: 'AUDIT_UNAVAILABLE',
    detail: { reason: 'the log took the intent after the caller had been refused; nothing was sent' },
  });
  const statements = [freeKey(intent.entry_id), ...giveBackUse(intent.entry_id)];
  return { statements, entries: [outcome] };
}
