// Gives entries their place: seq without holes and the hash of the entry before, inside the unit's savepoint.
// A unit that rolls back gives its numbers back with it (invariant 7).
import type { Committed, EntryDraft } from '#kernel/unit.ts';
import { GENESIS_HASH, sealEntry } from './entry.ts';
import type { ChainStore } from './store.ts';

export function sealAll(store: ChainStore, drafts: readonly EntryDraft[]): Committed {
  const head = store.head();
  let seq = head?.seq ?? 0;
  let prevEntryHash = head?.entry_hash ?? GENESIS_HASH;
  const entries = drafts.map((draft) => {
    seq += 1;
    const sealed = sealEntry(draft, { seq, prevEntryHash });
    store.append(draft, sealed);
    prevEntryHash = sealed.entryHash;
    return { entryId: draft.entry_id, seq };
  });
  return { entries };
}
