// The key that signs passports is replaced without an end to what the one before has signed, until that is over.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { openKeyring } from '#features/vault/keyring.ts';
import { migrations } from '#features/vault/migrations.ts';
import { openSigningKeys } from '#features/vault/signing-keys.ts';
import { MISSION_SECONDS_MAX, PASSPORT_REFRESH_GRACE_MS } from '#kernel/limits.ts';
import { Sensitive } from '#kernel/sensitive.ts';
import type { Statement } from '#kernel/unit.ts';
import { createEnvelope } from '#platform/crypto/envelope.ts';
import { loadSodium } from '#platform/crypto/sodium.ts';
import { locateAssets } from '#platform/host/assets.ts';
import { systemHost } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { type Db, openDatabase } from '#platform/storage/database.ts';

const envelope = createEnvelope(await loadSodium(), systemHost().randomBytes);
let nowMs = 1_000;
const host = { ...systemHost(), nowMs: () => nowMs };
let db: Db;
let reader: Reader;
beforeEach(() => {
  nowMs = 1_000;
  db = openDatabase(':memory:', { addonPath: locateAssets().addonPath });
  for (const { sql } of migrations) db.exec(sql);
  const all: Reader['all'] = async <Row>(query: Parameters<Reader['all']>[0]) => {
    const { sql, parameters } = query.compile();
    return db.prepare<unknown[], Row>(sql).all(...parameters);
  };
  reader = { all, first: async (query) => (await all(query))[0], recall: () => undefined };
});
afterEach(() => db.close());

function apply(statements: readonly Statement[]): void {
  db.transaction(() => {
    for (const { sql, parameters, rows } of statements) {
      const { changes } = db.prepare<unknown[]>(sql).run(...parameters);
      if (rows !== undefined) assert.equal(changes, rows);
    }
  })();
}

async function opened() {
  const { keyring, created: ring } = openKeyring([], {
    envelope,
    host,
    root: new Sensitive(new Uint8Array(32)),
  });
  apply(ring);
  const { keys, created } = await openSigningKeys('passport', { reader, keyring, host });
  apply(created);
  return { keyring, keys };
}

test('a replaced key verifies beside the new one until the last passport it signed can no longer be refreshed', async () => {
  const { keys, keyring } = await opened();
  const first = keys.current().kid;
  const { kid, changes } = keys.replace();
  assert.equal(keys.current().kid, first, 'nothing is signed before the row is durable');
  apply(changes);
  await keys.follow();
  const kids = () => keys.verifying().map((key) => key.kid);
  assert.deepEqual([keys.current().kid, kids()], [kid, [kid, first]]);
  const restarted = await openSigningKeys('passport', { reader, keyring, host });
  assert.deepEqual(
    restarted.keys.verifying().map((key) => key.kid),
    [kid, first],
  );
  assert.deepEqual(restarted.created, []);
  nowMs += MISSION_SECONDS_MAX * 1000 + PASSPORT_REFRESH_GRACE_MS - 1;
  assert.deepEqual(kids(), [kid, first]);
  nowMs += 1;
  assert.deepEqual(kids(), [kid]);
});

test('of two replacements that begin together one is done', async () => {
  const { keys } = await opened();
  const [one, two] = [keys.replace(), keys.replace()];
  apply(one.changes);
  assert.throws(() => apply(two.changes));
  await keys.follow();
  assert.equal(keys.current().kid, one.kid);
});
