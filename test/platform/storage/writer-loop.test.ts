// The worker half of the writer without its thread, so that the disk can be made to refuse: a full database file.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { createChain } from '#features/audit/chain.ts';
import { chainStore } from '#features/audit/store.ts';
import { WRITER_STALL_MS } from '#kernel/limits.ts';
import type { Result } from '#kernel/result.ts';
import type { Committed, Unit } from '#kernel/unit.ts';
import { createCommitter } from '#pipeline/commit.ts';
import { MIGRATIONS } from '#pipeline/migrations.ts';
import { type Db, openDatabase } from '#platform/storage/database.ts';
import { migrate } from '#platform/storage/migrate.ts';
import { startWriter, type Writer } from '#platform/storage/writer.ts';
import { runWriter } from '#platform/storage/writer-loop.ts';
import {
  adding,
  addonPath,
  agentsOf,
  chainOf,
  entry,
  type Folder,
  throwawayFolder,
  UNHEARD,
} from './throwaway.ts';

let folder: Folder;
let db: Db;
let port: MessagePort;
let writer: Writer;
const batches: { units: number; durationMs: number; refused: boolean }[] = [];
const trouble: (string | undefined)[] = [];
let clock = 0;

beforeEach(async () => {
  folder = throwawayFolder();
  db = openDatabase(folder.file, { addonPath });
  migrate(db, MIGRATIONS, 1);
  const channel = new MessageChannel();
  port = channel.port2;
  // A port has all of a worker that the writer uses.
  batches.length = 0;
  trouble.length = 0;
  const started = startWriter(port as unknown as Worker, {
    nowMs: () => {
      clock += 1;
      return clock;
    },
    batch: (batch) => batches.push(batch),
    trouble: (reason) => trouble.push(reason),
  });
  runWriter(channel.port1, db, createChain(chainStore(db)));
  writer = await started;
});
/** As the appliance commits. */
const commit = (unit: Unit): Promise<Result<Committed>> => createCommitter(writer, UNHEARD).commit(unit);

afterEach(() => {
  port.close();
  db.close();
  folder.remove();
});

const codeOf = async (unit: Unit): Promise<string> => {
  const result = await commit(unit);
  return result.ok ? 'ok' : result.fault.code;
};

/** More than the pages that are left hold. */
const large = (id: string) => ({
  ...adding(id),
  entries: Array.from({ length: 200 }, () => entry('large', { detail: { text: 'x'.repeat(3_000) } })),
});

test('a disk that refuses is AUDIT_UNAVAILABLE for the whole batch, and is reported until a unit commits again', async () => {
  assert.equal(await codeOf(adding('before')), 'ok');
  const pages = db.pragma('page_count', { simple: true }) as number;
  db.pragma(`max_page_count = ${pages}`);
  const batch = [adding('aa'), large('bb'), adding('cc')].map(codeOf);
  assert.deepEqual((await Promise.all(batch)).slice(1), ['AUDIT_UNAVAILABLE', 'AUDIT_UNAVAILABLE']);
  assert.match(writer.failure() ?? '', /full/);
  assert.ok(!agentsOf(folder.file).includes('bb') && !agentsOf(folder.file).includes('cc'));
  db.pragma(`max_page_count = ${pages + 1_000}`);
  assert.equal(await codeOf(large('dd')), 'ok');
  assert.equal(writer.failure(), undefined);
  assert.equal(chainOf(folder.file).valid, true);
});

test('a log whose head does not fit its entries takes nothing more, and that is no conflict', async () => {
  assert.equal(await codeOf(adding('aa')), 'ok');
  assert.equal(await codeOf(adding('bb')), 'ok');
  db.exec('UPDATE audit_head SET seq = 1');
  assert.equal(await codeOf(adding('cc')), 'AUDIT_UNAVAILABLE');
  assert.deepEqual(agentsOf(folder.file), ['aa', 'bb']);
});

test('who watches sees each batch with its size and time, and the disk’s trouble once when it begins and ends', async () => {
  assert.deepEqual(await Promise.all([adding('aa'), adding('bb'), adding('cc')].map(codeOf)), [
    'ok',
    'ok',
    'ok',
  ]);
  assert.equal(writer.depth(), 0);
  assert.deepEqual(
    batches.map(({ units, refused }) => [units, refused]),
    [[3, false]],
  );
  assert.ok(batches.every(({ durationMs }) => durationMs > 0));
  db.pragma(`max_page_count = ${db.pragma('page_count', { simple: true }) as number}`);
  assert.equal(await codeOf(large('dd')), 'AUDIT_UNAVAILABLE');
  assert.equal(await codeOf(large('ee')), 'AUDIT_UNAVAILABLE');
  db.pragma('max_page_count = 100000');
  assert.equal(await codeOf(adding('ff')), 'ok');
  assert.equal(await codeOf(adding('gg')), 'ok');
  assert.equal(trouble.length, 2, JSON.stringify(trouble));
  assert.match(trouble[0] ?? '', /full/);
  assert.equal(trouble[1], undefined);
  assert.equal(batches.filter(({ refused }) => refused).length, 2);
});

test('invariant 1: a disk that does not answer: who waits is refused in time, and hears later what became of it', async () => {
  const late: string[] = [];
  const channel = new MessageChannel();
  const started = startWriter(channel.port2 as unknown as Worker);
  channel.port1.postMessage({ kind: 'ready' });
  const slow = await started;
  const committer = createCommitter(slow, {
    ...UNHEARD,
    late: (entries) => late.push(...entries.map(({ action }) => action)),
  });
  const first = committer.commit(adding('first'));
  await new Promise((sent) => channel.port1.once('message', sent));
  const second = committer.commit(adding('second'));
  const began = performance.now();
  const [undecided, back] = await Promise.all([first, second]);
  assert.ok(performance.now() - began < 1_000 + WRITER_STALL_MS);
  assert.ok(!undecided.ok && undecided.fault.metadata['undecided'] === true);
  assert.ok(!back.ok && back.fault.metadata['undecided'] === undefined);
  assert.match(slow.failure() ?? '', /has not answered/);
  const third = await committer.commit(adding('third'));
  assert.ok(!third.ok && third.fault.metadata['reason'] === 'no_answer');
  channel.port1.postMessage({ kind: 'answers', answers: [7] });
  await new Promise((heard) => setTimeout(heard, 20));
  assert.deepEqual(late, ['add.first']);
  assert.equal(slow.failure(), undefined);
  channel.port1.close();
  channel.port2.close();
});

test('invariant 1: after an fsync that failed nothing is taken any more', async () => {
  const fatal: string[] = [];
  const channel = new MessageChannel();
  const started = startWriter(channel.port2 as unknown as Worker, {
    nowMs: () => 0,
    batch: () => undefined,
    trouble: () => undefined,
    fatal: (reason) => fatal.push(reason),
  });
  channel.port1.postMessage({ kind: 'ready' });
  const broken = await started;
  const committer = createCommitter(broken, UNHEARD);
  const waiting = committer.commit(adding('first'));
  await new Promise((sent) => channel.port1.once('message', sent));
  const refusal = { kind: 'fsync_failed', text: 'fsync failed' };
  channel.port1.postMessage({ kind: 'answers', answers: [['unavailable', 'x']], refusal });
  const first = await waiting;
  assert.ok(!first.ok && first.fault.metadata['undecided'] === true, 'a start may find it');
  assert.deepEqual(fatal, ['fsync failed']);
  const second = await committer.commit(adding('second'));
  assert.ok(!second.ok && second.fault.metadata['reason'] === 'fsync_failed');
  channel.port1.close();
  channel.port2.close();
});
