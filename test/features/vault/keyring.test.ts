// A stored secret carries its own leash: what was bound at sealing must be the same at opening.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { openKeyring, WrongRootKey } from '#features/vault/keyring.ts';
import { bindingText } from '#features/vault/model.ts';
import type { KeyringRow } from '#features/vault/store.ts';
import { utf8 } from '#kernel/bytes.ts';
import { DATA_KEYS_KEPT_MAX } from '#kernel/limits.ts';
import { Sensitive } from '#kernel/sensitive.ts';
import type { Statement } from '#kernel/unit.ts';
import { createEnvelope } from '#platform/crypto/envelope.ts';
import { loadSodium } from '#platform/crypto/sodium.ts';
import { systemHost } from '#platform/host/host.ts';

const host = systemHost();
const envelope = createEnvelope(await loadSodium(), host.randomBytes);
const root = new Sensitive(host.randomBytes(32));
const SECRET = 'canary-8c1f-vault';
const LEASH = {
  id: 'sec_1',
  name: 'billing',
  version: 1,
  service: 'billing',
  destination: 'https billing.internal',
};

test('invariant 3: a value opens only under the name, service, hosts and version it was sealed for', () => {
  const { keyring } = openKeyring([], { envelope, host, root });
  const wrapped = keyring.wrap(utf8(SECRET), bindingText(LEASH));
  assert.deepEqual(keyring.unwrap(wrapped, bindingText(LEASH)), utf8(SECRET));
  const edits = [
    { name: 'other' },
    { service: 'evil' },
    { destination: 'https evil.test' },
    { version: 2 },
    { id: 'sec_2' },
  ];
  for (const edit of edits) {
    assert.equal(
      keyring.unwrap(wrapped, bindingText({ ...LEASH, ...edit })),
      undefined,
      JSON.stringify(edit),
    );
  }
  assert.equal(Buffer.from(wrapped.value).includes(SECRET), false);
});

test('another root key is noticed before anything is wrapped', () => {
  const ring = openKeyring([], { envelope, host, root });
  assert.equal(ring.created.length, 1);
  const [id, publicKey, privateKey] = ring.created[0]?.parameters ?? [];
  const row = {
    id: String(id),
    public_key: publicKey as Uint8Array,
    private_key: privateKey as Uint8Array,
    created_at: 1,
    retired_at: null,
    generation: 1,
  };
  assert.throws(
    () => openKeyring([row], { envelope, host, root: new Sensitive(host.randomBytes(32)) }),
    WrongRootKey,
  );
});

test('opened data keys are kept, by ring key and box, and never more than the bound', () => {
  let boxes = 0;
  // Thousands of real boxes would take seconds, and are not what is tested here.
  const counted = {
    ...envelope,
    sealKey: (key: Uint8Array) => key,
    openKey: (box: Uint8Array) => {
      boxes += 1;
      return box;
    },
  };
  const { keyring } = openKeyring([], { envelope: counted, host, root });
  const wrapped = keyring.wrap(utf8(SECRET), 'x');
  const opens = (): number => {
    const before = boxes;
    assert.deepEqual(keyring.unwrap(wrapped, 'x'), utf8(SECRET));
    return boxes - before;
  };
  assert.deepEqual([opens(), opens()], [1, 0]);
  for (let others = 0; others < DATA_KEYS_KEPT_MAX; others += 1)
    keyring.unwrap(keyring.wrap(utf8(SECRET), 'x'), 'x');
  assert.deepEqual([opens(), opens()], [1, 0], 'the oldest has gone');
});

test('a row whose ring key was edited does not open, though its data key is in memory', () => {
  const first = openKeyring([], { envelope, host, root });
  const rowOf = (statement: Statement | undefined): KeyringRow => {
    const [id, public_key, private_key, created_at, retired_at, generation] = statement?.parameters ?? [];
    return { id, public_key, private_key, created_at, retired_at, generation } as KeyringRow;
  };
  const rows = [rowOf(first.created[0])];
  const { keyring } = openKeyring(rows, { envelope, host, root });
  const wrapped = keyring.wrap(utf8(SECRET), 'x');
  const next = keyring.fresh();
  keyring.follow([...rows, next]);
  assert.deepEqual(keyring.unwrap(wrapped, 'x'), utf8(SECRET));
  assert.equal(keyring.unwrap({ ...wrapped, ring_key: next.id }, 'x'), undefined);
});

test('a sensitive value prints as a marker in every usual way', () => {
  const hidden = new Sensitive(SECRET);
  for (const text of [String(hidden), JSON.stringify({ hidden }), inspect({ hidden }), `${hidden}`]) {
    assert.equal(text.includes('canary'), false);
  }
});
