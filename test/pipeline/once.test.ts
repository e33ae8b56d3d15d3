// What is kept under idempotency keys, over the real storage: its bounds, its day, and what holds when something failed.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { pruneIdempotencyKeys } from '#features/idempotency/jobs.ts';
import { createSafe } from '#features/idempotency/safe.ts';
import { insertKey, type KeyRow, usages } from '#features/idempotency/store.ts';
import { Fault } from '#kernel/errors.ts';
import {
  IDEMPOTENCY_KEPT_MS,
  IDEMPOTENCY_KEYS_PER_OWNER_MAX,
  IDEMPOTENCY_PRUNE_ROWS_MAX,
  KEPT_BYTES_PER_OWNER_MAX,
} from '#kernel/limits.ts';
import { Sensitive } from '#kernel/sensitive.ts';
import type { Statement } from '#kernel/unit.ts';
import type { Watched } from '#pipeline/detect.ts';
import { type Claim, createOnce, type Once } from '#pipeline/once.ts';
import { createDraft } from '#pipeline/record.ts';
import { recover } from '#pipeline/recover.ts';
import { openStorage, type Storage } from '#pipeline/storage.ts';
import { createEnvelope } from '#platform/crypto/envelope.ts';
import { loadSodium } from '#platform/crypto/sodium.ts';
import { systemHost } from '#platform/host/host.ts';
import { openDatabase } from '#platform/storage/database.ts';
import {
  actionsOf,
  addonPath,
  assets,
  chainOf,
  type Folder,
  look,
  throwawayFolder,
} from '#test/platform/storage/throwaway.ts';

const START_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
let nowMs = START_MS;
const host = { ...systemHost(), nowMs: () => nowMs };
const draft = createDraft(host);
const safe = createSafe(
  createEnvelope(await loadSodium(), host.randomBytes),
  new Sensitive(new Uint8Array(32).fill(7)),
);

let folder: Folder;
let storage: Storage;
let once: Once;
beforeEach(async () => {
  nowMs = START_MS;
  folder = throwawayFolder();
  await open();
});
afterEach(async () => {
  await storage.close();
  folder.remove();
});

async function open(): Promise<void> {
  const opened = await openStorage(folder.path, {
    ...{ addonPath, program: assets.program, host: systemHost(), inspect: async () => {} },
  });
  assert.ok(opened);
  storage = opened;
  once = createOnce({ reader: storage.reader, safe, host });
}

/** A call as the step before hands it over, as far as it is looked at here. */
function callOf(agentId: string, body = 'x'): Watched {
  const url = { scheme: 'https', host: 'a.test', port: 443, path: '/x', query: undefined };
  const call = { form: 'envelope', service: 'a', method: 'POST' };
  const payload = { headers: [], body: Buffer.from(body) };
  const service = { service: { headersVolatile: [] } };
  const from = { caller: { kind: 'key', id: 'key_1' }, passport: { agentId, agentName: agentId } };
  return { from: { from: { from, call, service, target: { url }, payload } } } as never;
}

async function claim(key: string, agentId = 'agt_1'): Promise<Claim> {
  const found = await once.look(callOf(agentId), key);
  assert.ok(found.ok && 'value' in found, JSON.stringify(found));
  return found.value;
}

/** Commits beside an entry, as the steps of the line do. */
async function commit(statements: readonly Statement[], fields: Parameters<typeof draft>[0] = {}) {
  const entry = draft({ action: 'credential.proxy', ...fields });
  return storage.committer.commit({ statements, entries: [entry] });
}
async function begin(key: string, intent: string, agentId = 'agt_1'): Promise<Claim> {
  const one = await claim(key, agentId);
  const entry = { ...draft({ action: 'credential.proxy', outcome: 'pending' }), entry_id: intent };
  const unit = { statements: one.opening(intent), entries: [entry] };
  assert.ok((await storage.committer.commit(unit)).ok);
  return one;
}
async function finish(one: Claim, answer: Uint8Array | undefined, refers_to = 'aud_a'): Promise<void> {
  assert.ok((await commit(one.finished(200, answer), { outcome: 'success', refers_to })).ok);
  one.settled(Promise.resolve());
}

const reasonOf = async (key: string): Promise<unknown> => {
  const found = await once.look(callOf('agt_1'), key);
  return found.ok ? found : (found.fault.metadata['reason'] ?? found.fault.code);
};

test('a second try waits for the outcome that is being committed, and has its answer', async () => {
  const one = await begin('k', 'aud_a');
  assert.equal(await reasonOf('k'), 'running');
  const committing = commit(one.finished(201, Buffer.from('answer')), { refers_to: 'aud_a' });
  one.settled(committing.then(() => undefined));
  const found = await once.look(callOf('agt_1'), 'k');
  assert.ok(found.ok && 'kept' in found);
  assert.deepEqual(
    [Buffer.from(found.kept.answer).toString(), found.kept.entryId, found.status],
    ['answer', 'aud_a', 201],
  );
});

test('a call whose outcome the log did not take is unknown, not running for ever', async () => {
  const one = await begin('k', 'aud_a');
  one.settled(Promise.resolve());
  assert.equal(await reasonOf('k'), 'unknown');
});

test('after a crash every running one is unknown, in the unit of its outcome', async () => {
  await begin('k', 'aud_a');
  await storage.close();
  await open();
  assert.equal(await recover({ reader: storage.reader, committer: storage.committer, draft }), 1);
  assert.equal(await reasonOf('k'), 'unknown');
  const state = look(folder.file, (db) => db.prepare('SELECT state FROM idempotency_keys').pluck().all());
  assert.deepEqual(state, ['unknown']);
  assert.equal(chainOf(folder.file).valid, true);
});

test('a key whose call did not leave is free; one whose call may have left is not', async () => {
  const unsent = await begin('k', 'aud_a');
  await commit(unsent.failed(new Fault('CREDENTIAL_MISSING')), { refers_to: 'aud_a' });
  unsent.settled(Promise.resolve());
  const sent = await begin('k', 'aud_b');
  const fault = new Fault('UPSTREAM_TIMEOUT', { metadata: { sent: true }, next: 'Look there.' });
  await commit(sent.failed(fault), { refers_to: 'aud_b' });
  sent.settled(Promise.resolve());
  const found = await once.look(callOf('agt_1'), 'k');
  assert.ok(!found.ok);
  assert.deepEqual([found.fault.code, found.fault.next], ['UPSTREAM_TIMEOUT', 'Look there.']);
  assert.equal(found.fault.metadata['outcome'], 'unknown');
});

test('of two that hold a claim one gets the key, and the other finds its row', async () => {
  const [first, second] = [await claim('k'), await claim('k')];
  assert.ok((await commit(first.opening('aud_a'))).ok);
  const late = await commit(second.opening('aud_b'));
  assert.ok(!late.ok);
  assert.equal(late.fault.code, 'CONFLICT');
  second.lost();
  assert.equal(await reasonOf('k'), 'running');
});

test('a row that was changed, or stands in the place of another, does not show its answer', async () => {
  await finish(await begin('one', 'aud_a'), Buffer.from('answer one'));
  await finish(await begin('two', 'aud_b'), Buffer.from('answer two'), 'aud_b');
  const db = openDatabase(folder.file, { addonPath });
  db.exec(`UPDATE idempotency_keys SET value = (SELECT value FROM idempotency_keys WHERE intent = 'aud_b')
    WHERE intent = 'aud_a'`);
  db.exec("UPDATE idempotency_keys SET status = 500 WHERE intent = 'aud_b'");
  db.close();
  assert.deepEqual([await reasonOf('one'), await reasonOf('two')], ['answer_not_kept', 'answer_not_kept']);
});

test('a day later the key is free, and the job deletes what is older, in small units with an entry each', async () => {
  await finish(await begin('k', 'aud_a'), Buffer.from('answer'));
  nowMs += IDEMPOTENCY_KEPT_MS;
  assert.ok(typeof (await reasonOf('k')) === 'object', 'still kept');
  nowMs += 1;
  await begin('k', 'aud_b');
  const old = Array.from({ length: IDEMPOTENCY_PRUNE_ROWS_MAX + 1 }, (_, at) =>
    insertKey(rowOf(`old ${at}`)),
  );
  assert.ok((await commit(old)).ok);
  nowMs += HOUR_MS;
  let recounted = 0;
  const deps = { reader: storage.reader, commit: storage.committer.commit, draft, host };
  const pruned = async (): Promise<void> => {
    recounted += 1;
  };
  await pruneIdempotencyKeys({ ...deps, pruned }).run();
  assert.equal(recounted, 2);
  assert.equal(actionsOf(folder.file).filter((action) => action === 'idempotency.prune').length, 2);
  const left = look(folder.file, (db) => db.prepare('SELECT intent FROM idempotency_keys').pluck().all());
  assert.deepEqual(left, ['aud_b']);
});

function rowOf(id: string, owner = 'agt_1'): KeyRow {
  const said = { fingerprint: 'f', salt: 's', created_at: START_MS, status: 200, value: null };
  return { id, owner, intent: `aud ${id}`, state: 'done', ...said };
}

test('invariant 9: an agent has so many keys and no more, told when the oldest of them ends', async () => {
  const rows = Array.from({ length: IDEMPOTENCY_KEYS_PER_OWNER_MAX }, (_, at) =>
    insertKey(rowOf(`row ${at}`)),
  );
  // In pieces: a unit that takes a second is taken for a disk that hangs.
  while (rows.length > 0) assert.ok((await commit(rows.splice(0, 1_000))).ok);
  nowMs += HOUR_MS;
  const found = await once.look(callOf('agt_1'), 'one-more');
  assert.ok(!found.ok);
  assert.equal(found.fault.code, 'RATE_LIMITED');
  assert.equal(found.fault.metadata['retry_after_seconds'], (23 * HOUR_MS) / 1_000);
  await claim('another-agents', 'agt_2');
});

test('invariant 9: beyond so many bytes of one agent only the fact of an answer is kept', async () => {
  const answer = new Uint8Array(KEPT_BYTES_PER_OWNER_MAX / 2 - 1_000);
  for (const key of ['a', 'b']) await finish(await begin(key, `aud_${key}`), answer, `aud_${key}`);
  await finish(await begin('c', 'aud_c'), new Uint8Array(3_000), 'aud_c');
  assert.equal(await reasonOf('c'), 'answer_not_kept');
  assert.ok(typeof (await reasonOf('a')) === 'object');
  const [used] = await usages(storage.reader);
  assert.ok((used?.bytes ?? 0) <= KEPT_BYTES_PER_OWNER_MAX && used?.rows === 3);
});
