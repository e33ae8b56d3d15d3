// Gives entries their place: seq without holes and the hash of the entry before. The end of the chain is read when a
// transaction begins and written before it ends; a unit that rolls back gives its numbers back with it (invariant 7).
import type { EntryLog } from '#platform/storage/writer-loop.ts';
import { GENESIS_HASH, type Link } from './entry.ts';
import type { ChainStore } from './store.ts';

export type Chain = EntryLog<Link>;

export function createChain(store: ChainStore): Chain {
  let last: Link = { seq: 0, prevEntryHash: GENESIS_HASH };
  let first = last;
  return {
    width: store.width,
    begin: () => {
      const head = store.head();
      last = { seq: head?.seq ?? 0, prevEntryHash: head?.entry_hash ?? GENESIS_HASH };
      first = last;
    },
    here: () => last,
    back: (to) => {
      last = to;
    },
    append: (cells, from, to) => {
      for (let at = from; at < to; at += store.width) {
        const seq = last.seq + 1;
        last = { seq, prevEntryHash: store.append(cells, at, { seq, prevEntryHash: last.prevEntryHash }) };
      }
      return last.seq;
    },
    end: () => {
      if (last !== first) store.move(last.seq, last.prevEntryHash);
    },
  };
}
