// The settings that make an acknowledged commit survive, a reader that only reads, and one holder of a folder.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type Compilable, lookup } from '#platform/storage/compiler.ts';
import { openDatabase, selfCheck } from '#platform/storage/database.ts';
import { lockFolder } from '#platform/storage/lock.ts';
import { openReader } from '#platform/storage/reader.ts';
import { addonPath, type Folder, look, throwawayFolder } from './throwaway.ts';

let folder: Folder;
beforeEach(() => {
  folder = throwawayFolder();
});
afterEach(() => folder.remove());

const query = (sql: string, ...parameters: readonly unknown[]): Compilable =>
  ({ compile: () => ({ sql, parameters }) }) as unknown as Compilable;

test('a commit waits for the disk: WAL, synchronous FULL, a SQLite without the WAL-reset bug', () => {
  const db = openDatabase(folder.file, { addonPath });
  assert.equal(db.pragma('journal_mode', { simple: true }), 'wal');
  assert.equal(db.pragma('synchronous', { simple: true }), 2);
  assert.equal(db.pragma('foreign_keys', { simple: true }), 1);
  assert.equal(db.pragma('trusted_schema', { simple: true }), 0);
  assert.equal(selfCheck(db).synchronous, 'full');
  db.pragma('synchronous = NORMAL');
  assert.throws(() => selfCheck(db), /synchronous=FULL/);
  db.close();
});

test('the reader reads what is there and cannot write', async () => {
  const db = openDatabase(folder.file, { addonPath });
  db.exec('CREATE TABLE notes (id INTEGER PRIMARY KEY) STRICT; INSERT INTO notes VALUES (1);');
  db.close();
  const reader = openReader(folder.file, addonPath, { changes: () => 0, failure: (thrown) => thrown });
  assert.deepEqual(await reader.first(query('SELECT id FROM notes WHERE id = ?', 1)), { id: 1 });
  for (const sql of [
    'INSERT INTO notes VALUES (2) RETURNING id',
    'UPDATE notes SET id = 3 RETURNING id',
    'DELETE FROM notes RETURNING id',
  ]) {
    await assert.rejects(reader.all(query(sql)), { code: 'SQLITE_READONLY' }, sql);
  }
  reader.close();
  assert.deepEqual(
    look(folder.file, (again) => again.prepare('SELECT id FROM notes').pluck().all()),
    [1],
  );
});

test('a folder has one holder at a time, and is free when the holder lets go', () => {
  const held = lockFolder(folder.path, addonPath);
  assert.ok(held);
  assert.equal(lockFolder(folder.path, addonPath), undefined);
  held.release();
  const next = lockFolder(folder.path, addonPath);
  assert.ok(next);
  next.release();
});

test('a lock that cannot be read is an error of its own and not another holder', () => {
  writeFileSync(join(folder.path, 'stack.lock'), 'this is no database'.repeat(100));
  assert.throws(() => lockFolder(folder.path, addonPath), { code: 'SQLITE_NOTADB' });
});

test('a row that is asked for by its key is remembered until something changes, and one that is missing is not', () => {
  const db = openDatabase(folder.file, { addonPath });
  db.exec(
    "CREATE TABLE notes (id TEXT PRIMARY KEY, text TEXT) STRICT; INSERT INTO notes VALUES ('a', 'one');",
  );
  let changes = 0;
  const reader = openReader(folder.file, addonPath, { changes: () => changes, failure: (thrown) => thrown });
  const note = lookup<{ text: string }>(
    1,
    (id) => query('SELECT text FROM notes WHERE id = ?', id) as Compilable<{ text: string }>,
  );
  const textOf = (id: string) => reader.recall(note, id)?.text;
  assert.equal(textOf('a'), 'one');
  assert.equal(textOf('b'), undefined);
  db.exec("UPDATE notes SET text = 'two'; INSERT INTO notes VALUES ('b', 'new');");
  assert.deepEqual([textOf('a'), textOf('b')], ['one', 'new']);
  changes += 1;
  assert.deepEqual([textOf('a'), textOf('b')], ['two', 'new']);
  reader.close();
  db.close();
});
