// The entry as it is chained: canonical bytes (RFC 8785) of every field, and their hash as an RFC 6962 leaf.
import { createHash } from 'node:crypto';
import { canonicalize, type Json } from '#kernel/canonical.ts';
import { AUDIT_DETAIL_BYTES_MAX } from '#kernel/limits.ts';
import type { EntryDraft } from '#kernel/unit.ts';

/** `prev_entry_hash` of the first entry. */
export const GENESIS_HASH = '0'.repeat(64);
const LEAF_PREFIX = Buffer.from([0]);

export type Link = { readonly seq: number; readonly prevEntryHash: string };
export type SealedEntry = { readonly seq: number; readonly bytes: string; readonly entryHash: string };

const BLANK: Omit<EntryDraft, 'entry_id' | 'timestamp'> = {
  trace_id: null,
  span_id: null,
  parent_span_id: null,
  layer: 'system',
  action: '',
  outcome: 'success',
  actor: { kind: 'system', id: 'stack' },
  agent_id: null,
  session_id: null,
  passport_jti: null,
  service: null,
  service_action: null,
  method: null,
  host: null,
  path: null,
  status: null,
  request_hash: null,
  response_hash: null,
  approval_id: null,
  duration_ms: null,
  bytes_in: null,
  bytes_out: null,
  error_code: null,
  refers_to: null,
  detail: {},
  salt: null,
};

/** Fields not given are null; the order of members is fixed by the canonical form, not by this. */
export function draftEntry(
  fields: Partial<EntryDraft> & Pick<EntryDraft, 'entry_id' | 'timestamp'>,
): EntryDraft {
  return { ...BLANK, ...fields };
}

/** SHA-256(salt ‖ bytes), hex: the salt stands beside the entry, so that what was hashed cannot be guessed from the log. */
export function saltedHash(salt: Uint8Array, bytes: Uint8Array): string {
  return createHash('sha256').update(salt).update(bytes).digest('hex');
}

/** SHA-256(0x00 ‖ bytes), hex (RFC 6962 2.1). */
export function leafHash(bytes: string): string {
  return createHash('sha256').update(LEAF_PREFIX).update(bytes, 'utf8').digest('hex');
}

export function sealEntry(draft: EntryDraft, link: Link): SealedEntry {
  const { salt: _beside, detail, ...fields } = draft;
  const body = {
    v: 1,
    ...fields,
    detail: bounded(detail),
    seq: link.seq,
    prev_entry_hash: link.prevEntryHash,
  };
  const bytes = canonicalize(wellFormed(body) as Json);
  return { seq: link.seq, bytes, entryHash: leafHash(bytes) };
}

function bounded(detail: EntryDraft['detail']): EntryDraft['detail'] {
  const size = Buffer.byteLength(JSON.stringify(detail));
  return size <= AUDIT_DETAIL_BYTES_MAX ? detail : { truncated: true, bytes: size };
}

/** A caller's text may hold lone surrogates, which have no canonical form; the entry must still be written. */
function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name.toWellFormed(), wellFormed(member)]),
  );
}
