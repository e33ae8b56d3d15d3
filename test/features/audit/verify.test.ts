// The chain over its bytes: every kind of tampering is found where it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalPieces, draftEntry, GENESIS_HASH, type Link, seal } from '#features/audit/entry.ts';
import type { EntryRow, HeadRow } from '#features/audit/store.ts';
import { verifyChain } from '#features/audit/verify.ts';
import type { EntryDraft } from '#kernel/unit.ts';

const sealEntry = (draft: EntryDraft, link: Link) => seal(canonicalPieces(draft), link);

function chain(count: number): { rows: EntryRow[]; head: HeadRow } {
  const rows: EntryRow[] = [];
  let prevEntryHash = GENESIS_HASH;
  for (let seq = 1; seq <= count; seq += 1) {
    const draft = draftEntry({ entry_id: `aud_${seq}`, timestamp: seq, action: 'passport.issue' });
    const { bytes, entryHash } = sealEntry(draft, { seq, prevEntryHash });
    const { entry_id, timestamp, agent_id, session_id, passport_jti, action, outcome, refers_to, salt } =
      draft;
    const index = {
      seq,
      entry_id,
      timestamp,
      agent_id,
      session_id,
      passport_jti,
      action,
      outcome,
      refers_to,
      salt,
    };
    rows.push({ ...index, actor_id: draft.actor.id, bytes, entry_hash: entryHash });
    prevEntryHash = entryHash;
  }
  return { rows, head: { id: 1, seq: count, entry_hash: prevEntryHash } };
}

const at = (rows: EntryRow[], index: number): EntryRow => rows[index] as EntryRow;

test('invariant 7: an untouched chain verifies, and any change, deletion, reordering or truncation is found', () => {
  const { rows, head } = chain(5);
  assert.equal(verifyChain(rows, head).valid, true);
  const changed = rows.map((row, index) =>
    index === 2 ? { ...row, bytes: row.bytes.replace('issue', 'other') } : row,
  );
  assert.equal(verifyChain(changed, head).first_break?.seq, 3);
  assert.equal(
    verifyChain(
      rows.filter((_, index) => index !== 1),
      head,
    ).first_break?.seq,
    2,
  );
  const swapped = [
    at(rows, 0),
    { ...at(rows, 2), seq: 2 },
    { ...at(rows, 1), seq: 3 },
    at(rows, 3),
    at(rows, 4),
  ];
  assert.equal(verifyChain(swapped, head).first_break?.seq, 2);
  assert.equal(verifyChain(rows.slice(0, 3), head).valid, false);
  const relabelled = rows.map((row, index) => (index === 4 ? { ...row, outcome: 'failure' } : row));
  assert.equal(verifyChain(relabelled, head).first_break?.seq, 5);
  assert.equal(verifyChain(rows, { ...head, entry_hash: GENESIS_HASH }).valid, false);
});

test('the same entry with another history hashes to something else', () => {
  const draft = draftEntry({ entry_id: 'aud_1', timestamp: 1 });
  const first = sealEntry(draft, { seq: 1, prevEntryHash: GENESIS_HASH });
  assert.notEqual(first.entryHash, sealEntry(draft, { seq: 1, prevEntryHash: 'f'.repeat(64) }).entryHash);
});
