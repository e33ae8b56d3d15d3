// An outage of the log, without a disk: what is kept, what is written afterwards and how often it is told.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Fault } from '#kernel/errors.ts';
import { OUTAGE_ENTRIES_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Committed, EntryDraft } from '#kernel/unit.ts';
import { createOutage, type Outage } from '#pipeline/outage.ts';
import { createDraft } from '#pipeline/record.ts';
import { systemHost } from '#platform/host/host.ts';
import { type Trouble, Undecided, unavailable } from '#platform/storage/trouble.ts';
import { entry } from '#test/platform/storage/throwaway.ts';

const FULL: Trouble = { kind: 'disk_full', text: 'the disk is full' };
const refused = unavailable(FULL);
const done: Result<Committed> = ok({ lastSeq: 1 });

let disk: Result<Committed>;
let outage: Outage;
const written: string[] = [];
const told: string[] = [];

beforeEach(() => {
  disk = done;
  written.length = 0;
  told.length = 0;
  outage = createOutage({
    commit: async ({ entries }) => {
      if (disk.ok) written.push(...entries.map(({ action }) => action));
      return disk;
    },
    draft: createDraft(systemHost()),
    nowMs: () => 1,
    began: (reason) => told.push(reason),
    ended: ({ kept, lost }) => told.push(`ended ${kept} ${lost}`),
    unfit: ({ action }) => told.push(`unfit ${action}`),
  });
});

const settled = () => new Promise((later) => setImmediate(later));
async function probe(): Promise<void> {
  outage.probe();
  await settled();
}
const keep = (one: EntryDraft, fault: Fault = refused.fault): void =>
  outage.keep({ statements: [], entries: [one] }, fault);

test('begins once, is tried until the log takes its note, and writes what was kept before it', async () => {
  disk = refused;
  outage.begin('full');
  keep(entry('one'));
  keep(entry('two'));
  await probe();
  await probe();
  assert.deepEqual([told, written, outage.reason()], [['full'], [], 'full']);
  disk = done;
  await probe();
  assert.deepEqual(written, ['one', 'two', 'audit.outage']);
  assert.deepEqual([told, outage.reason()], [['full', 'ended 2 0'], undefined]);
  await probe();
  assert.equal(written.length, 3);
});

test('invariant 9: keeps so many entries and counts the others', async () => {
  disk = refused;
  for (let at = 0; at < OUTAGE_ENTRIES_MAX + 3; at += 1) keep(entry('kept'));
  disk = done;
  await probe();
  assert.equal(told.at(-1), `ended ${OUTAGE_ENTRIES_MAX} 3`);
  assert.equal(written.length, OUTAGE_ENTRIES_MAX + 1);
});

test('does not write again what the disk took after all, and does write what it did not take', async () => {
  const { promise: taken, resolve: take } = Promise.withResolvers<Result<Committed>>();
  const { promise: failed, resolve: fail } = Promise.withResolvers<Result<Committed>>();
  keep(entry('taken'), new Undecided(FULL, taken));
  keep(entry('failed'), new Undecided(FULL, failed));
  take(done);
  fail(refused);
  await settled();
  await probe();
  assert.deepEqual(written, ['failed', 'audit.outage']);
});

test('an entry that can never be written is told and bars no other', async () => {
  const mistake = new Fault('AUDIT_UNAVAILABLE', { detail: 'no canonical form' });
  keep(entry('wrong'), mistake);
  assert.deepEqual([told, outage.reason()], [['unfit wrong'], undefined]);
  keep(entry('late'));
  disk = refuse(mistake);
  await probe();
  assert.deepEqual(told.slice(1), [FULL.text, 'unfit late', 'unfit audit.outage', 'ended 1 0']);
});
