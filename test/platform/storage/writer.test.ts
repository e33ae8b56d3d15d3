// The writer over its real thread and a real file: units whole or not at all, many in one transaction, and closed to
// everything once it cannot write.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { WRITER_BATCH_UNITS_MAX, WRITER_QUEUE_UNITS_MAX } from '#kernel/limits.ts';
import type { Result } from '#kernel/result.ts';
import type { Committed, Unit } from '#kernel/unit.ts';
import { createCommitter } from '#pipeline/commit.ts';
import { MIGRATIONS } from '#pipeline/migrations.ts';
import { spawnWorker } from '#platform/host/worker.ts';
import { openDatabase } from '#platform/storage/database.ts';
import { migrate } from '#platform/storage/migrate.ts';
import { startWriter, type Writer } from '#platform/storage/writer.ts';
import {
  actionsOf,
  adding,
  addonPath,
  agentsOf,
  assets,
  chainOf,
  entry,
  type Folder,
  insertAgent,
  renameAgent,
  throwawayFolder,
  UNHEARD,
} from './throwaway.ts';

let folder: Folder;
let worker: Worker;
let writer: Writer;

beforeEach(async () => {
  folder = throwawayFolder();
  const db = openDatabase(folder.file, { addonPath });
  migrate(db, MIGRATIONS, 1);
  db.close();
  worker = spawnWorker(assets.program('commit-worker'), { file: folder.file, addonPath });
  worker.postMessage('open');
  writer = await startWriter(worker);
});
/** As the appliance commits. */
const commit = (unit: Unit): Promise<Result<Committed>> => createCommitter(writer, UNHEARD).commit(unit);

afterEach(async () => {
  await writer.close();
  folder.remove();
});

const codeOf = (result: Result<unknown>): string => (result.ok ? 'ok' : result.fault.code);
const together = (units: readonly Unit[]): Promise<Result<Committed>[]> =>
  Promise.all(units.map((unit) => commit(unit)));
const numbered = (count: number): Unit[] =>
  Array.from({ length: count }, (_, at) => adding(`n${String(at).padStart(5, '0')}`));
const seqsOf = (results: readonly Result<Committed>[]): number[] =>
  results.flatMap((result) => (result.ok ? [result.value.lastSeq] : []));

test('invariant 1: a unit is whole: its statements and its entries together', async () => {
  const unit: Unit = {
    statements: [insertAgent('one'), renameAgent('one', 'uno')],
    entries: [entry('first'), entry('second')],
  };
  const result = await commit(unit);
  assert.deepEqual(seqsOf([result]), [2]);
  assert.deepEqual(agentsOf(folder.file), ['one']);
  assert.deepEqual(actionsOf(folder.file), ['first', 'second']);
});

test('a unit whose row count is not met is a conflict and rolls back alone, its entry with it', async () => {
  const half: Unit = {
    statements: [insertAgent('half'), renameAgent('nobody', 'x')],
    entries: [entry('half')],
  };
  const results = await together([adding('aa'), adding('bb'), half, adding('cc')]);
  assert.deepEqual(results.map(codeOf), ['ok', 'ok', 'CONFLICT', 'ok']);
  assert.deepEqual(agentsOf(folder.file), ['aa', 'bb', 'cc']);
  assert.deepEqual(actionsOf(folder.file), ['add.aa', 'add.bb', 'add.cc']);
  assert.deepEqual(seqsOf(results), [1, 2, 3]);
  assert.equal(chainOf(folder.file).valid, true);
});

test('a unit that breaks a constraint is a conflict and rolls back alone', async () => {
  const results = await together([adding('aa'), adding('bb'), adding('bb'), adding('cc')]);
  assert.deepEqual(results.map(codeOf), ['ok', 'ok', 'CONFLICT', 'ok']);
  assert.deepEqual(agentsOf(folder.file), ['aa', 'bb', 'cc']);
  assert.deepEqual(seqsOf(results), [1, 2, 3]);
});

test('invariant 7: entries of the log are neither changed nor deleted by a unit', async () => {
  await commit(adding('aa'));
  for (const sql of ["UPDATE audit_entries SET bytes = '{}'", 'DELETE FROM audit_entries']) {
    const tampering = { statements: [{ sql, parameters: [] }], entries: [] };
    assert.equal(codeOf(await commit(tampering)), 'CONFLICT', sql);
  }
  assert.equal(chainOf(folder.file).valid, true);
});

test('a unit that cannot be run at all is refused alone, and its neighbours commit', async () => {
  const nonsense: Unit = { statements: [{ sql: 'SELECT nothing', parameters: [] }], entries: [entry('sql')] };
  const unbound: Unit = {
    statements: [{ ...insertAgent('x'), parameters: [1] }],
    entries: [entry('unbound')],
  };
  const uncanonical: Unit = {
    statements: [insertAgent('y')],
    entries: [entry('nan', { duration_ms: Number.NaN })],
  };
  const units = [adding('aa'), adding('bb'), nonsense, adding('cc'), unbound, uncanonical, adding('dd')];
  const bad = 'AUDIT_UNAVAILABLE';
  assert.deepEqual((await together(units)).map(codeOf), ['ok', 'ok', bad, 'ok', bad, bad, 'ok']);
  assert.deepEqual(agentsOf(folder.file), ['aa', 'bb', 'cc', 'dd']);
  assert.equal(chainOf(folder.file).entries, 4);
});

test('a unit that cannot be handed to the thread is refused and does not stop the writer', async () => {
  const strange = { statements: [{ sql: 'x', parameters: [() => 1] }], entries: [] } as unknown as Unit;
  assert.equal(codeOf(await commit(strange)), 'AUDIT_UNAVAILABLE');
  const [before, among, after] = await together([adding('aa'), strange, adding('bb')]);
  assert.deepEqual(
    [before, among, after].map((one) => one && codeOf(one)),
    ['ok', 'AUDIT_UNAVAILABLE', 'ok'],
  );
  assert.equal(codeOf(await commit(adding('cc'))), 'ok');
});

/** Transactions in the write-ahead log: a frame that ends one carries the size of the database (SQLite file format 4.1). */
function commitsInWal(): number {
  const wal = readFileSync(`${folder.file}-wal`);
  const [headerBytes, frameHeaderBytes] = [32, 24];
  const frameBytes = frameHeaderBytes + wal.readUInt32BE(8);
  let commits = 0;
  for (let at = headerBytes; at + frameBytes <= wal.length; at += frameBytes) {
    const sameLog = wal.compare(wal, 16, 24, at + 8, at + 16) === 0;
    if (sameLog && wal.readUInt32BE(at + 4) > 0) commits += 1;
  }
  return commits;
}

test('five hundred units at once go in few transactions and get consecutive numbers and a valid chain', async () => {
  const count = 500;
  const results = await together(numbered(count));
  assert.deepEqual(
    seqsOf(results),
    Array.from({ length: count }, (_, at) => at + 1),
  );
  const commits = commitsInWal();
  // All that came in one turn of the event loop goes together.
  assert.equal(commits, Math.ceil(count / WRITER_BATCH_UNITS_MAX));
  assert.deepEqual(
    [chainOf(folder.file).valid, chainOf(folder.file).entries, agentsOf(folder.file).length],
    [true, count, count],
  );
});

test('invariant 9: units beyond the bound of the queue are refused at once, and those within it commit', async () => {
  const beyond = 3;
  const units = numbered(WRITER_QUEUE_UNITS_MAX + beyond);
  const results = await together(units);
  assert.deepEqual(
    results.slice(-beyond).map(codeOf),
    Array.from({ length: beyond }, () => 'AUDIT_UNAVAILABLE'),
  );
  assert.equal(seqsOf(results).length, WRITER_QUEUE_UNITS_MAX);
  assert.equal(agentsOf(folder.file).length, WRITER_QUEUE_UNITS_MAX);
  assert.equal(writer.failure(), undefined);
  assert.equal(codeOf(await commit(adding('later'))), 'ok');
});

test('invariant 1: when the thread dies every waiting unit is refused, and so is every later one', async () => {
  await commit(adding('before'));
  assert.equal(writer.failure(), undefined);
  const waiting = together(numbered(600));
  await worker.terminate();
  const results = await waiting;
  const answered = results.filter((result) => result.ok).length;
  assert.ok(results.every((result) => result.ok || result.fault.code === 'AUDIT_UNAVAILABLE'));
  assert.ok(answered < results.length, 'the thread had ended before it was killed');
  assert.match(writer.failure() ?? '', /writer/);
  assert.equal(codeOf(await commit(adding('after'))), 'AUDIT_UNAVAILABLE');
  assert.ok(!agentsOf(folder.file).includes('after'));
  // What was acknowledged is there; the chain of what is there holds.
  assert.equal(chainOf(folder.file).valid, true);
  assert.ok(agentsOf(folder.file).length > answered);
});

test('a writer whose thread has died still closes', async () => {
  await worker.terminate();
  await writer.close();
  assert.match(writer.failure() ?? '', /stopped/);
});

test('closing commits what waits', async () => {
  const waiting = together(numbered(300));
  await writer.close();
  assert.ok((await waiting).every(({ ok }) => ok));
  assert.equal(agentsOf(folder.file).length, 300);
  assert.equal(codeOf(await commit(adding('after'))), 'AUDIT_UNAVAILABLE');
});

test('a thread that cannot open the database is an error at the start', async () => {
  const at = { file: `${folder.path}/nowhere/stack.db`, addonPath };
  const lost = spawnWorker(assets.program('commit-worker'), at);
  lost.postMessage('open');
  await assert.rejects(startWriter(lost), /directory/);
  const mute = spawnWorker({ kind: 'text', text: 'process.exit(3)' }, {});
  await assert.rejects(startWriter(mute), /stopped/);
});
