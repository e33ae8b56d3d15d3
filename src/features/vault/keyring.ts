// Root key → keyring → data keys in sealed boxes → values. A wrong root key is noticed before anything is touched.
import { Sensitive } from '#kernel/sensitive.ts';
import type { Statement } from '#kernel/unit.ts';
import { deriveKey } from '#platform/crypto/derive.ts';
import { type BoxPair, DATA_KEY_BYTES, type Envelope } from '#platform/crypto/envelope.ts';
import type { Host } from '#platform/host/host.ts';
import { insertKeyring, type KeyringRow } from './store.ts';

export type Wrapped = {
  readonly ring_key: string;
  readonly data_key: Uint8Array;
  readonly value: Uint8Array;
};

export type Keyring = {
  readonly wrap: (plain: Uint8Array, binding: string) => Wrapped;
  /** Unseals the data key on first use and keeps it, so that a call opens no box. `undefined`: does not open. */
  readonly unwrap: (wrapped: Wrapped, binding: string) => Uint8Array | undefined;
};

export class WrongRootKey extends Error {}

type Deps = { readonly envelope: Envelope; readonly host: Host; readonly root: Sensitive<Uint8Array> };

const ringBinding = (id: string): string => `stack/keyring/${id}`;

/** A new ring's row is in `created`; it must be committed before anything is wrapped under it. */
export function openKeyring(
  rows: readonly KeyringRow[],
  deps: Deps,
): { readonly keyring: Keyring; readonly created: readonly Statement[] } {
  const root = deriveKey(deps.root.reveal(), 'stack/vault-root');
  const pairs = new Map(rows.map((row) => [row.id, openPair(row, root, deps.envelope)] as const));
  const current = rows.find((row) => row.retired_at === null);
  if (current !== undefined) return { keyring: keyringOver(pairs, current.id, deps), created: [] };
  const fresh = newRing(root, deps);
  pairs.set(fresh.row.id, fresh.pair);
  return { keyring: keyringOver(pairs, fresh.row.id, deps), created: [insertKeyring(fresh.row)] };
}

function openPair(row: KeyringRow, root: Uint8Array, envelope: Envelope): BoxPair {
  const privateKey = envelope.decrypt(row.private_key, ringBinding(row.id), root);
  if (privateKey === undefined)
    throw new WrongRootKey(
      'the key file (vault.key_file) does not open this vault: put back the file it was made with',
    );
  return envelope.pairOf(privateKey, new Uint8Array(row.public_key));
}

function newRing(root: Uint8Array, { envelope, host }: Deps): { row: KeyringRow; pair: BoxPair } {
  const pair = envelope.newPair();
  const id = host.id('sec');
  const private_key = envelope.encrypt(pair.privateKey.reveal(), ringBinding(id), root);
  return {
    pair,
    row: { id, public_key: pair.publicKey, private_key, created_at: host.nowMs(), retired_at: null },
  };
}

function keyringOver(
  pairs: ReadonlyMap<string, BoxPair>,
  current: string,
  { envelope, host }: Deps,
): Keyring {
  const opened = new Map<string, Sensitive<Uint8Array>>();
  const pairOf = (id: string): BoxPair => {
    const pair = pairs.get(id);
    if (pair === undefined) throw new WrongRootKey(`the keyring has no key ${id}`);
    return pair;
  };
  return {
    wrap: (plain, binding) => {
      const key = host.randomBytes(DATA_KEY_BYTES);
      const data_key = envelope.sealKey(key, pairOf(current).publicKey);
      return { ring_key: current, data_key, value: envelope.encrypt(plain, binding, key) };
    },
    unwrap: (wrapped, binding) => {
      const name = Buffer.from(wrapped.data_key).toString('base64');
      let key = opened.get(name)?.reveal();
      if (key === undefined) {
        key = envelope.openKey(wrapped.data_key, pairOf(wrapped.ring_key));
        if (key === undefined) return undefined;
        opened.set(name, new Sensitive(key));
      }
      return envelope.decrypt(wrapped.value, binding, key);
    },
  };
}
