// The state as the appliance opens it: one holder, a schema it knows, and nothing done when the log cannot take it.
import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { keyringSoFar } from '#features/vault/store.ts';
import type { Result } from '#kernel/result.ts';
import { MIGRATIONS } from '#pipeline/migrations.ts';
import { openStorage, type Storage } from '#pipeline/storage.ts';
import { locateAssets } from '#platform/host/assets.ts';
import { systemHost } from '#platform/host/host.ts';
import type { WorkerProgram } from '#platform/host/worker.ts';
import { openDatabase } from '#platform/storage/database.ts';
import { migrate, SchemaMismatch } from '#platform/storage/migrate.ts';
import {
  adding,
  addonPath,
  agentsOf,
  assets,
  chainOf,
  entry,
  type Folder,
  throwawayFolder,
} from '#test/platform/storage/throwaway.ts';

let folder: Folder;
beforeEach(() => {
  folder = throwawayFolder();
});
afterEach(() => folder.remove());

const open = (program = assets.program) =>
  openStorage(folder.path, { addonPath, program, host: systemHost(), inspect: async () => {} });
async function opened(program = assets.program): Promise<Storage> {
  const storage = await open(program);
  assert.ok(storage, 'the folder is held');
  return storage;
}
const codeOf = (result: Result<unknown>): string => (result.ok ? 'ok' : result.fault.code);
const contents = (): Map<string, string> =>
  new Map(readdirSync(folder.path).map((name) => [name, readFileSync(join(folder.path, name), 'base64')]));

test('what was committed is there after closing and opening again, and the chain goes on', async () => {
  const first = await opened();
  assert.equal(first.check.synchronous, 'full');
  assert.equal(codeOf(await first.committer.commit(adding('aa'))), 'ok');
  await first.close();
  const second = await opened();
  const committed = await second.committer.commit(adding('bb'));
  assert.deepEqual(committed.ok && committed.value.lastSeq, 2);
  assert.deepEqual(await second.scanChain(), chainOf(folder.file));
  assert.deepEqual([chainOf(folder.file).valid, chainOf(folder.file).entries], [true, 2]);
  await second.close();
  assert.deepEqual(agentsOf(folder.file), ['aa', 'bb']);
});

test('a second instance of a folder is refused, touches nothing, and the first goes on', async () => {
  const first = await opened();
  await first.committer.commit(adding('aa'));
  const before = contents();
  assert.equal(await open(), undefined);
  assert.deepEqual(contents(), before);
  assert.equal(codeOf(await first.committer.commit(adding('bb'))), 'ok');
  await first.close();
  await (await opened()).close();
});

test('a database of a newer version is refused and not changed, and its folder stays free', async () => {
  await (await opened()).close();
  const db = openDatabase(folder.file, { addonPath });
  db.exec("INSERT INTO schema_migrations VALUES (9999, 'from the future', 'x', 1)");
  db.close();
  const before = contents().get('stack.db');
  for (let tries = 0; tries < 2; tries += 1) await assert.rejects(open(), SchemaMismatch);
  assert.equal(contents().get('stack.db'), before);
});

/** The real program of the writer's thread, which ends the thread when it is handed a unit with this action. */
const DEADLY = 'test.deadly';
function mortal(name: Parameters<typeof assets.program>[0]): WorkerProgram {
  const program = locateAssets().program(name);
  assert.ok(program.kind === 'file', 'runs from source');
  return {
    kind: 'text',
    text: `const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(program.url.href)}).then(() => parentPort.on('message', (batch) => {
      if (JSON.stringify(batch).includes('${DEADLY}')) process.exit(9);
    }));`,
  };
}

test('invariant 12: when the writer dies nothing is committed any more, the reason is shown, and closing frees the folder', async () => {
  const storage = await opened(mortal);
  assert.equal(codeOf(await storage.committer.commit(adding('before'))), 'ok');
  const waiting = ['aa', 'bb', 'cc'].map((id) => storage.committer.commit(adding(id)));
  const deadly = storage.committer.commit({ statements: [], entries: [entry(DEADLY)] });
  const behind = storage.committer.commit(adding('behind'));
  assert.deepEqual((await Promise.all([deadly, behind])).map(codeOf), [
    'AUDIT_UNAVAILABLE',
    'AUDIT_UNAVAILABLE',
  ]);
  await Promise.all(waiting);
  assert.match(storage.failure() ?? '', /the writer has stopped/);
  assert.equal(codeOf(await storage.committer.commit(adding('after'))), 'AUDIT_UNAVAILABLE');
  await storage.close();
  const again = await opened();
  assert.equal(again.failure(), undefined);
  assert.equal((await again.scanChain()).valid, true);
  assert.ok(!agentsOf(folder.file).some((id) => id === 'behind' || id === 'after'));
  await again.close();
});

test('a start that fails half way lets the folder go', async () => {
  const broken = (): WorkerProgram => ({ kind: 'text', text: 'throw new Error("no thread today")' });
  await assert.rejects(open(broken), /no thread today/);
  await (await opened()).close();
});

/** The first write of a database, cut: what it was before lies in its rollback journal. */
function cutFirstWrite(): void {
  const made = throwawayFolder();
  const db = openDatabase(made.file, { addonPath, journal: 'delete' });
  db.exec('PRAGMA cache_size = 1; CREATE TABLE t (x); BEGIN');
  for (let at = 0; at < 100; at += 1) db.prepare('INSERT INTO t VALUES (randomblob(4000))').run();
  for (const name of ['stack.db', 'stack.db-journal'])
    copyFileSync(join(made.path, name), join(folder.path, name));
  db.close();
  made.remove();
}

const openWithKeyring = () =>
  openStorage(folder.path, {
    addonPath,
    program: assets.program,
    host: systemHost(),
    inspect: async (reader) => assert.deepEqual(await keyringSoFar(reader), []),
  });

test('a first start that was cut in its first write is begun again', async () => {
  cutFirstWrite();
  const storage = await openWithKeyring();
  assert.equal(codeOf((await storage?.committer.commit(adding('a'))) ?? assert.fail('held')), 'ok');
  await storage?.close();
});

test('a first start that was cut between two steps of the schema goes on with the next', async () => {
  const db = openDatabase(folder.file, { addonPath });
  migrate(db, MIGRATIONS.slice(0, 1), 1);
  db.close();
  const storage = await openWithKeyring();
  assert.equal(codeOf((await storage?.committer.commit(adding('a'))) ?? assert.fail('held')), 'ok');
  await storage?.close();
});
