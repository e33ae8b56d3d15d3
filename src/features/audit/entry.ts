// The entry as it is chained: canonical bytes (RFC 8785) of every field, and their hash as an RFC 6962 leaf.
import { hash } from 'node:crypto';
import { canonicalize, type Json } from '#kernel/canonical.ts';
import { AUDIT_DETAIL_BYTES_MAX } from '#kernel/limits.ts';
import type { Cell, EntryDraft } from '#kernel/unit.ts';

/** `prev_entry_hash` of the first entry. */
export const GENESIS_HASH = '0'.repeat(64);
const LEAF_PREFIX = '\0';

export type Link = { readonly seq: number; readonly prevEntryHash: string };
export type SealedEntry = { readonly bytes: string; readonly entryHash: string };

/** Every field, most of them null: what does not apply is said as well. */
export const BLANK_ENTRY: Omit<EntryDraft, 'entry_id' | 'timestamp'> = {
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
  return { ...BLANK_ENTRY, ...fields };
}

/** SHA-256(salt ‖ bytes), hex: the salt stands beside the entry, so that what was hashed cannot be guessed from the log. */
export const saltedHash = (salt: Uint8Array, bytes: Uint8Array): string =>
  hash('sha256', Buffer.concat([salt, bytes]));

/** SHA-256(0x00 ‖ bytes), hex (RFC 6962 2.1). */
export const leafHash = (bytes: string): string => hash('sha256', `${LEAF_PREFIX}${bytes}`);

/** The three pieces with what belongs between them. */
export function seal(pieces: Pieces, { seq, prevEntryHash }: Link): SealedEntry {
  const bytes = `${pieces[0]}${prevEntryHash}${pieces[1]}${seq}${pieces[2]}`;
  return { bytes, entryHash: leafHash(bytes) };
}

export type Pieces = readonly [head: string, middle: string, tail: string];

/**
 * An entry on its way to the writer's thread, flat: what the index columns take, and its canonical bytes in three pieces,
 * between which the writer puts what it alone knows. Made here, so that the thread copies texts and no objects.
 */
export const ENTRY_CELLS = 13;

/** In the order of the columns; see `chainStore`. */
export function entryCells(draft: EntryDraft): readonly Cell[] {
  const { actor, agent_id, session_id, passport_jti, action, outcome, refers_to, salt } = draft;
  const [head, middle, tail] = canonicalPieces(draft);
  const who = [draft.entry_id, draft.timestamp, actor.id, agent_id, session_id, passport_jti];
  who.push(action, outcome, refers_to, salt, head, middle, tail);
  return who;
}

/**
 * The members in the order of RFC 8785 3.2.3, written out: sorting them anew for every entry took ten times as long. A test
 * compares the whole with `canonicalize`.
 */
export function canonicalPieces(draft: EntryDraft): Pieces {
  const { actor } = draft;
  return [
    `{"action":${word(draft.action)},"actor":{"id":${text(actor.id)},"kind":${word(actor.kind)}}` +
      `,"agent_id":${text(draft.agent_id)},"approval_id":${text(draft.approval_id)}` +
      `,"bytes_in":${number(draft.bytes_in)},"bytes_out":${number(draft.bytes_out)}` +
      `,"detail":${detailText(draft.detail)},"duration_ms":${number(draft.duration_ms)}` +
      `,"entry_id":${word(draft.entry_id)},"error_code":${word(draft.error_code)}` +
      `,"host":${text(draft.host)},"layer":${word(draft.layer)},"method":${text(draft.method)}` +
      `,"outcome":${word(draft.outcome)},"parent_span_id":${text(draft.parent_span_id)}` +
      `,"passport_jti":${text(draft.passport_jti)},"path":${text(draft.path)},"prev_entry_hash":"`,
    `","refers_to":${word(draft.refers_to)},"request_hash":${word(draft.request_hash)}` +
      `,"response_hash":${word(draft.response_hash)},"seq":`,
    `,"service":${text(draft.service)},"service_action":${text(draft.service_action)}` +
      `,"session_id":${text(draft.session_id)},"span_id":${text(draft.span_id)}` +
      `,"status":${number(draft.status)},"timestamp":${number(draft.timestamp)}` +
      `,"trace_id":${text(draft.trace_id)},"v":1}`,
  ];
}

/** Nothing in it that JSON escapes. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** Words and ids of ours, of which none holds anything that JSON escapes. */
const word = (value: string | null): string => (value === null ? 'null' : `"${value}"`);

/** A caller's text may hold lone surrogates, which have no canonical form; the entry must still be written. */
function text(value: string | null): string {
  if (value === null) return 'null';
  return PLAIN.test(value) ? `"${value}"` : JSON.stringify(value.toWellFormed());
}

/** Number.prototype.toString, as RFC 8785 3.2.2.3 asks. */
function number(value: number | null): string {
  if (value !== null && !Number.isFinite(value)) throw new TypeError('not a JSON number');
  return String(value);
}

const NO_DETAIL = '{}';

function detailText(detail: EntryDraft['detail']): string {
  const names = Object.keys(detail);
  if (names.length === 0) return NO_DETAIL;
  const json = JSON.stringify(detail);
  const bytes = Buffer.byteLength(json);
  if (bytes > AUDIT_DETAIL_BYTES_MAX) return `{"bytes":${bytes},"truncated":true}`;
  // One member, and no lone surrogate, which JSON writes as an escape: the canonical form is no other.
  if (names.length === 1 && !json.includes('\\ud')) return json;
  return canonicalize(wellFormed(detail) as Json);
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name.toWellFormed(), wellFormed(member)]),
  );
}
