// The rotation of the keyring over a real SQLite: it is killed at every commit it makes, before and after the commit is
// durable, and what starts afterwards finishes it. Secrets that are set and deleted under it are neither lost nor revived.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { draftEntry } from '#features/audit/entry.ts';
import { emptyOldRingKeys } from '#features/vault/jobs.ts';
import { type Keyring, openKeyring } from '#features/vault/keyring.ts';
import { keyringOperations } from '#features/vault/keyring-operations.ts';
import { migrations } from '#features/vault/migrations.ts';
import { openSigningKeys } from '#features/vault/signing-keys.ts';
import {
  allKeyring,
  allSecrets,
  boxedCounts,
  deleteSecret,
  insertSecret,
  retireRing,
  type SecretRow,
} from '#features/vault/store.ts';
import { decodeUtf8, utf8 } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import { KEYRING_UNIT_ROWS } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { Sensitive } from '#kernel/sensitive.ts';
import type { Committed, EntryDraft, Unit } from '#kernel/unit.ts';
import { createEnvelope } from '#platform/crypto/envelope.ts';
import { loadSodium } from '#platform/crypto/sodium.ts';
import { locateAssets } from '#platform/host/assets.ts';
import { systemHost } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { type Db, openDatabase } from '#platform/storage/database.ts';
import { act, codeOf, must, PERSON } from '#test/features/passports/state.ts';

const SECRETS = 2 * KEYRING_UNIT_ROWS + 7;
const host = systemHost();
const envelope = createEnvelope(await loadSodium(), host.randomBytes);
const root = new Sensitive(host.randomBytes(32));

let db: Db;
let reader: Reader;
let entries: EntryDraft[];
beforeEach(() => {
  db = openDatabase(':memory:', { addonPath: locateAssets().addonPath });
  db.pragma('foreign_keys = ON');
  for (const { sql } of migrations) db.exec(sql);
  const all: Reader['all'] = async <Row>(query: Parameters<Reader['all']>[0]) => {
    const { sql, parameters } = query.compile();
    return db.prepare<unknown[], Row>(sql).all(...parameters);
  };
  reader = { all, first: async (query) => (await all(query))[0], recall: () => undefined };
  entries = [];
});
afterEach(() => db.close());

function apply(unit: Unit): Result<Committed> {
  try {
    db.transaction(() => {
      for (const { sql, parameters, rows } of unit.statements) {
        const { changes } = db.prepare<unknown[]>(sql).run(...parameters);
        if (rows !== undefined && rows !== changes) throw new Error(`touched ${changes}, not ${rows}`);
      }
    })();
  } catch (thrown) {
    return refuse(new Fault('CONFLICT', { detail: String(thrown) }));
  }
  entries.push(...unit.entries);
  return ok({ lastSeq: 0 });
}

class Killed extends Error {}
type Kill = { readonly at: number; readonly durable: boolean };
type Hooks = { readonly kill?: Kill; readonly beforeCommit?: () => void };

const unused = (): never => assert.fail('the keyring does not ask for signing keys');

/** One life of the process, with everything it keeps in memory. */
async function life({ kill, beforeCommit }: Hooks = {}) {
  const { keyring, created } = openKeyring(await allKeyring(reader), { envelope, host, root });
  let commits = 0;
  const commit = async (unit: Unit): Promise<Result<Committed>> => {
    beforeCommit?.();
    const fatal = kill !== undefined && commits === kill.at;
    commits += 1;
    if (fatal && !kill.durable) throw new Killed();
    const result = apply(unit);
    if (fatal) throw new Killed();
    return result;
  };
  if (created.length > 0) must(await commit({ statements: created, entries: [] }));
  const draft = (fields: Partial<EntryDraft>) =>
    draftEntry({ ...fields, entry_id: host.id('aud'), timestamp: host.nowMs() });
  const faults: string[] = [];
  const log = { error: (text: string) => void faults.push(text) };
  const job = emptyOldRingKeys({ reader, commit, draft, host, log, keyring, moved: async () => undefined });
  const signingKeys = { current: unused, replace: unused };
  const operations = keyringOperations({ reader, keyring, services: () => [], signingKeys });
  const rotate = async () => {
    const result = await act({ host, commit, operations }, 'stack_rotate_keyring', { caller: PERSON });
    if (result.ok) keyring.follow(await allKeyring(reader));
    return result;
  };
  const status = async () =>
    must(await act({ host, commit, operations }, 'stack_get_vault', { caller: PERSON })).output;
  return { keyring, commit, job, rotate, status, faults };
}

const binding = ({ id, name }: Pick<SecretRow, 'id' | 'name'>): string => `${id}/${name}`;
function secretRow(keyring: Keyring, name: string): SecretRow {
  const row = { id: host.id('sec'), name, version: 1, service: name, binding: 'x', created_at: 1 };
  return { ...row, ...keyring.wrap(utf8(`value of ${name}`), binding(row)) };
}
async function fill(count = SECRETS): Promise<void> {
  const { keyring, commit } = await life();
  const { created } = await openSigningKeys('passport', { reader, keyring, host });
  const statements = Array.from({ length: count }, (_, at) => insertSecret(secretRow(keyring, `s-${at}`)));
  must(await commit({ statements: [...created, ...statements], entries: [] }));
}

/** Every row of the present state opens in a new life. */
async function allOpen(): Promise<readonly string[]> {
  const { keyring } = await life();
  const rows = await allSecrets(reader);
  for (const row of rows) {
    const plain = keyring.unwrap(row, binding(row));
    assert.equal(plain && decodeUtf8(plain), `value of ${row.name}`);
  }
  assert.equal((await openSigningKeys('passport', { reader, keyring, host })).created.length, 0);
  return rows.map(({ name }) => name);
}
const ringsInUse = async () => new Set((await boxedCounts(reader)).map(({ ring_key }) => ring_key));

test('a rotation moves every row to the new key, says so entry by entry, and ends with the old one retired', async () => {
  await fill();
  const { rotate, job, status, keyring } = await life();
  const before = keyring.current().id;
  must(await rotate());
  assert.deepEqual([(await status())['rotating'], (await status())['rows_left']], [true, SECRETS + 1]);
  assert.equal(codeOf(await rotate()), 'CONFLICT');
  await job.run();
  const { rotating, rows_left, ring_keys } = await status();
  assert.deepEqual([rotating, rows_left], [false, 0]);
  const states = (ring_keys as { id: string; state: string; rows: number }[]).map(({ id, state, rows }) => [
    id,
    state,
    rows,
  ]);
  assert.deepEqual(states, [
    [keyring.current().id, 'current', SECRETS + 1],
    [before, 'retired', 0],
  ]);
  assert.deepEqual(
    entries.map(({ action, detail }) => [action, detail['rows'] ?? null]),
    [
      ['vault.rotate', null],
      ['vault.rewrap', KEYRING_UNIT_ROWS],
      ['vault.rewrap', KEYRING_UNIT_ROWS],
      ['vault.rewrap', 7],
      ['vault.rewrap', 1],
      ['vault.retire', null],
    ],
  );
  assert.equal((await allOpen()).length, SECRETS);
});

test('invariant 3: a rotation opens no value and moves no leash: value and binding are the same bytes afterwards', async () => {
  await fill(5);
  const before = await allSecrets(reader);
  const { rotate, job } = await life();
  must(await rotate());
  await job.run();
  const rest = (row: SecretRow) => ({ ...row, ring_key: '', data_key: '' });
  assert.deepEqual((await allSecrets(reader)).map(rest), before.map(rest));
});

test('killed at any of its commits, before or after it is durable, the next start finishes it', async () => {
  for (const durable of [false, true]) {
    // The beginning, four units, the retirement.
    for (let at = 0; at < 6; at += 1) {
      db.exec('DELETE FROM secrets; DELETE FROM signing_keys; DELETE FROM keyring;');
      await fill();
      const [old] = await ringsInUse();
      const dying = await life({ kill: { at, durable } });
      await assert.rejects(async () => {
        must(await dying.rotate());
        await dying.job.run();
      }, Killed);
      assert.equal((await allOpen()).length, SECRETS, `${at} ${durable}`);
      const next = await life();
      await next.job.run();
      const begun = at > 0 || durable;
      assert.equal((await ringsInUse()).has(old ?? ''), !begun, `${at} ${durable}`);
      assert.equal(next.keyring.outgoing().length, 0);
      assert.equal((await allOpen()).length, SECRETS);
      const again = await life();
      assert.equal(again.keyring.current().id === old, !begun);
    }
  }
});

test('a secret that is deleted or set under a unit is neither revived nor lost', async () => {
  await fill();
  let strikes = 0;
  const first = await life();
  const late = secretRow(first.keyring, 'late');
  const hooks: Hooks = {
    beforeCommit: () => {
      strikes += 1;
      if (strikes === 2) must(apply({ statements: [deleteSecret('s-0', 1)], entries: [] }));
      // Wrapped before the new key was there.
      if (strikes === 4) must(apply({ statements: [insertSecret(late)], entries: [] }));
    },
  };
  const { rotate, job, keyring } = await life(hooks);
  must(await rotate());
  while (keyring.outgoing().length > 0) await job.run();
  assert.ok(strikes > 4);
  const names = await allOpen();
  assert.ok(!names.includes('s-0') && names.includes('late'));
  assert.equal(names.length, SECRETS);
  assert.deepEqual([...(await ringsInUse())], [keyring.current().id]);
});

test('a value that was wrapped under a key that is retired meanwhile is a conflict, not a row of the old key', async () => {
  await fill(1);
  const first = await life();
  const late = secretRow(first.keyring, 'late');
  const { rotate, job } = await life();
  must(await rotate());
  await job.run();
  assert.equal(codeOf(apply({ statements: [insertSecret(late)], entries: [] })), 'CONFLICT');
  assert.equal((await allSecrets(reader)).length, 1);
});

test('a key is not retired while a row is left under it', async () => {
  await fill(1);
  const { keyring } = await life();
  const retire = retireRing(keyring.current().id, 5);
  assert.equal(codeOf(apply({ statements: [retire], entries: [] })), 'CONFLICT');
  must(apply({ statements: [deleteSecret('s-0', 1)], entries: [] }));
  assert.equal(codeOf(apply({ statements: [retire], entries: [] })), 'CONFLICT', 'the signing key is left');
});

test('two rotations that begin together are one and a conflict', async () => {
  await fill(1);
  const [one, two] = [await life(), await life()];
  assert.deepEqual([codeOf(await one.rotate()), codeOf(await two.rotate())], ['ok', 'CONFLICT']);
});

test('a row that does not open keeps the old key readable, is said once, and holds up no other row', async () => {
  await fill();
  db.exec("UPDATE secrets SET data_key = zeroblob(80) WHERE name = 's-3'");
  const { rotate, job, faults, status, keyring } = await life();
  must(await rotate());
  await job.run();
  await job.run();
  assert.equal(faults.length, 1);
  assert.deepEqual([(await status())['rotating'], (await status())['rows_left']], [true, 1]);
  must(apply({ statements: [deleteSecret('s-3', 1)], entries: [] }));
  await job.run();
  assert.deepEqual([...(await ringsInUse())], [keyring.current().id]);
  assert.equal(keyring.outgoing().length, 0);
});

test('a clock that went back between two keys does not make the older one current', async () => {
  await fill(1);
  const { rotate, keyring } = await life();
  must(await rotate());
  db.exec('UPDATE keyring SET created_at = 1 WHERE generation = 2');
  assert.equal((await life()).keyring.current().id, keyring.current().id);
});

test('a vault of the version before opens and rotates', async () => {
  const [first] = migrations;
  db.exec('DROP TABLE signing_keys; DROP TABLE secrets; DROP TABLE keyring;');
  db.exec(first?.sql ?? '');
  // As the look at the state before the schema is brought forward sees it.
  const { keyring, created } = openKeyring([], { envelope, host, root });
  const [id, ...rest] = created[0]?.parameters ?? [];
  db.prepare('INSERT INTO keyring VALUES (?, ?, ?, ?, NULL)').run(id, ...rest.slice(0, 3));
  assert.equal(openKeyring(await allKeyring(reader), { envelope, host, root }).created.length, 0);
  for (const { sql } of migrations.slice(1)) db.exec(sql);
  must(apply({ statements: [insertSecret(secretRow(keyring, 'old'))], entries: [] }));
  const { rotate, job } = await life();
  must(await rotate());
  await job.run();
  const { keyring: after } = await life();
  const [row] = await allSecrets(reader);
  assert.ok(row && row.ring_key === after.current().id && after.unwrap(row, binding(row)));
});
