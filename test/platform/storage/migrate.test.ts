// The schema goes forward once, whole steps only, and a database that is not ours to change stays as it is.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { type Db, openDatabase } from '#platform/storage/database.ts';
import { migrate, SchemaMismatch } from '#platform/storage/migrate.ts';
import type { Migration } from '#platform/storage/migration.ts';
import { addonPath } from './throwaway.ts';

const first: Migration = {
  number: 1,
  name: 'first',
  sql: 'CREATE TABLE one (id INTEGER PRIMARY KEY) STRICT',
};
const second: Migration = {
  number: 2,
  name: 'second',
  sql: 'CREATE TABLE two (id INTEGER PRIMARY KEY) STRICT; INSERT INTO one (id) VALUES (7);',
};

let db: Db;
beforeEach(() => {
  db = openDatabase(':memory:', { addonPath });
});
afterEach(() => db.close());

/** Everything the schema and its history hold. */
const contents = (): unknown => [
  db.prepare('SELECT name, sql FROM sqlite_master ORDER BY name').all(),
  db.prepare('SELECT number, name, applied_at FROM schema_migrations ORDER BY number').all(),
];
const tables = (): unknown =>
  db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").pluck().all();

test('each step runs once, in the order of its number, whatever the order of the list', () => {
  migrate(db, [second, first], 1_000);
  migrate(db, [first, second], 2_000);
  assert.deepEqual(db.prepare('SELECT id FROM one').pluck().all(), [7]);
  const history = db.prepare('SELECT number, name, applied_at FROM schema_migrations ORDER BY number').all();
  assert.deepEqual(history, [
    { number: 1, name: 'first', applied_at: 1_000 },
    { number: 2, name: 'second', applied_at: 1_000 },
  ]);
});

test('a later version adds only what is new', () => {
  migrate(db, [first], 1_000);
  migrate(db, [first, second], 2_000);
  assert.deepEqual(
    db.prepare('SELECT applied_at FROM schema_migrations ORDER BY number').pluck().all(),
    [1_000, 2_000],
  );
});

test('a step that fails half way leaves the version before it', () => {
  const broken: Migration = { ...second, sql: `${second.sql} INSERT INTO nowhere VALUES (1);` };
  assert.throws(() => migrate(db, [first, broken], 1_000), /nowhere/);
  assert.deepEqual(tables(), ['one', 'schema_migrations']);
  assert.deepEqual(db.prepare('SELECT id FROM one').pluck().all(), []);
  migrate(db, [first, second], 2_000);
  assert.deepEqual(tables(), ['one', 'schema_migrations', 'two']);
});

test('a database that knows a later step is refused and not changed', () => {
  migrate(db, [first, second], 1_000);
  const before = contents();
  const third: Migration = { number: 3, name: 'third', sql: 'CREATE TABLE three (id INTEGER) STRICT' };
  assert.throws(() => migrate(db, [first, third], 2_000), SchemaMismatch);
  assert.deepEqual(contents(), before);
});

test('a step that was altered after it ran is refused, and the steps after it do not run', () => {
  migrate(db, [first], 1_000);
  const before = contents();
  const altered = { ...first, sql: 'CREATE TABLE one (id INTEGER PRIMARY KEY, more TEXT) STRICT' };
  assert.throws(() => migrate(db, [altered, second], 2_000), /migration 1 differs/);
  assert.deepEqual(contents(), before);
});
