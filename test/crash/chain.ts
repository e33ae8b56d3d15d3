// The chain, computed again from the stored bytes by RFC 8785 and RFC 6962 2.1 alone, without a line of the product.
import { createHash } from 'node:crypto';
import type { State } from './state.ts';

const GENESIS = '0'.repeat(64);

/** What is wrong with the first entry that does not fit, or with the head; nothing where all is well. */
export function chainFaults({ entries, head }: Pick<State, 'entries' | 'head'>): readonly string[] {
  let before = GENESIS;
  for (const [at, { seq, bytes, entry_hash: stored }] of entries.entries()) {
    const fault = (what: string): string[] => [`I3 entry ${seq}: ${what}`];
    if (seq !== at + 1) return fault(`a hole before it, ${at + 1} is missing`);
    const entry = JSON.parse(bytes) as Record<string, unknown>;
    if (canonical(entry) !== bytes) return fault('its bytes are not canonical');
    if (entry['seq'] !== seq) return fault(`says that it is ${String(entry['seq'])}`);
    if (entry['prev_entry_hash'] !== before) return fault('does not name the entry before');
    const leaf = createHash('sha256').update(`\0${bytes}`, 'utf8').digest('hex');
    if (leaf !== stored) return fault('its hash is not that of its bytes');
    before = leaf;
  }
  const fits = (head?.seq ?? 0) === entries.length && (head?.entry_hash ?? GENESIS) === before;
  return fits ? [] : [`I3 the head says ${head?.seq ?? 'nothing'}, the last entry is ${entries.length}`];
}

/** Names of members in the order of their UTF-16 units; numbers and strings as JSON.stringify has them. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}
