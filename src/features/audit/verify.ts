// Walks the chain: every entry hashes to its hash, names the one before, has the next number, and its index columns agree.
import { GENESIS_HASH, leafHash } from './entry.ts';
import type { EntryRow, HeadRow } from './store.ts';

export type ChainReport = {
  readonly valid: boolean;
  readonly entries: number;
  readonly head_seq: number;
  readonly head_hash: string;
  readonly first_break?: { readonly seq: number; readonly reason: string };
};

/** Columns that repeat a member of the entry. */
const INDEXED = [
  'entry_id',
  'timestamp',
  'agent_id',
  'session_id',
  'passport_jti',
  'action',
  'outcome',
  'refers_to',
] as const;

export function verifyChain(rows: Iterable<EntryRow>, head: HeadRow | undefined): ChainReport {
  let seq = 0;
  let hash = GENESIS_HASH;
  for (const row of rows) {
    const reason = breakOf(row, seq + 1, hash);
    if (reason !== undefined) return broken({ seq, hash }, seq + 1, reason);
    seq = row.seq;
    hash = row.entry_hash;
  }
  if ((head?.seq ?? 0) !== seq)
    return broken({ seq, hash }, seq + 1, 'the log ends before its recorded head: entries were cut off');
  if (head !== undefined && head.entry_hash !== hash)
    return broken({ seq, hash }, seq, 'the recorded head names another entry');
  return { valid: true, entries: seq, head_seq: seq, head_hash: hash };
}

type At = { readonly seq: number; readonly hash: string };

const broken = (at: At, seq: number, reason: string): ChainReport => ({
  valid: false,
  entries: at.seq,
  head_seq: at.seq,
  head_hash: at.hash,
  first_break: { seq, reason },
});

function breakOf(row: EntryRow, seq: number, prevHash: string): string | undefined {
  if (row.seq !== seq) return `entry ${seq} is missing`;
  if (leafHash(row.bytes) !== row.entry_hash)
    return 'the bytes do not hash to entry_hash: the entry was changed';
  const entry = parse(row.bytes);
  if (entry === undefined) return 'the bytes are not an entry';
  if (entry['seq'] !== seq) return 'the entry carries another number: entries were reordered';
  if (entry['prev_entry_hash'] !== prevHash) return 'prev_entry_hash does not name the entry before';
  const column = INDEXED.find((name) => entry[name] !== row[name]);
  return column === undefined ? undefined : `column ${column} differs from the entry`;
}

function parse(bytes: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(bytes) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
