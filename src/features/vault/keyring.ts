// Root key → keyring → data keys in sealed boxes → values. A wrong root key is noticed before anything is touched.
import { DATA_KEYS_KEPT_MAX } from '#kernel/limits.ts';
import { Sensitive } from '#kernel/sensitive.ts';
import type { Statement } from '#kernel/unit.ts';
import { deriveKey } from '#platform/crypto/derive.ts';
import { type BoxPair, DATA_KEY_BYTES, type Envelope } from '#platform/crypto/envelope.ts';
import type { Host } from '#platform/host/host.ts';
import type { SealKey } from './model.ts';
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
  readonly has: (ringKey: string) => boolean;
  /** The public half that new values are sealed to. */
  readonly current: () => SealKey;
  /** Ring keys that a rotation is emptying: neither current nor retired. */
  readonly outgoing: () => readonly string[];
  /**
   * The same data key in a box of the current ring key. The value is not opened and stays what it was, its binding with
   * it: nothing that a caller says can get into it. `undefined`: the box does not open.
   */
  readonly rebox: (boxed: Boxed) => Boxed | undefined;
  /** A new ring key as a row. Nothing is sealed to it before its row is committed and `follow` has seen it. */
  readonly fresh: () => KeyringRow;
  /** Takes the committed rows over: the newest that is not retired is current, all stay readable. */
  readonly follow: (rows: readonly KeyringRow[]) => void;
};
export type Boxed = Pick<Wrapped, 'ring_key' | 'data_key'>;

export class WrongRootKey extends Error {}

type Deps = { readonly envelope: Envelope; readonly host: Host; readonly root: Sensitive<Uint8Array> };

const ringBinding = (id: string): string => `stack/keyring/${id}`;

/** A new ring's row is in `created`; it must be committed before anything is wrapped under it. */
export function openKeyring(
  rows: readonly KeyringRow[],
  deps: Deps,
): { readonly keyring: Keyring; readonly created: readonly Statement[] } {
  const live = rows.some(({ retired_at }) => retired_at === null);
  const created = live ? [] : [newRing(rows, deps)];
  return {
    keyring: keyringOver(heldBy([...rows, ...created], deps), deps),
    created: created.map(insertKeyring),
  };
}

type Held = {
  readonly rows: readonly KeyringRow[];
  readonly pairs: ReadonlyMap<string, BoxPair>;
  readonly current: string;
  readonly outgoing: readonly string[];
};

/** By generation, not by time: the clock may have gone back between two of them. */
const liveRings = (rows: readonly KeyringRow[]): readonly KeyringRow[] =>
  rows.filter(({ retired_at }) => retired_at === null).sort((a, b) => ageOf(b) - ageOf(a));

/** The one that new values are sealed to. */
export const newestRing = (rows: readonly KeyringRow[]): KeyringRow | undefined => liveRings(rows)[0];

function heldBy(rows: readonly KeyringRow[], deps: Deps): Held {
  const root = rootOf(deps);
  const pairs = new Map(rows.map((row) => [row.id, openPair(row, root, deps.envelope)] as const));
  const [current, ...outgoing] = liveRings(rows).map(({ id }) => id);
  if (current === undefined) throw new WrongRootKey('every key of the keyring is retired');
  return { rows, pairs, current, outgoing };
}

/** Read before the schema is brought forward, a row has no generation yet; then it is the only one. */
const ageOf = ({ generation }: KeyringRow): number => generation ?? 1;
const rootOf = ({ root }: Deps): Uint8Array => deriveKey(root.reveal(), 'stack/vault-root');

function openPair(row: KeyringRow, root: Uint8Array, envelope: Envelope): BoxPair {
  const privateKey = envelope.decrypt(row.private_key, ringBinding(row.id), root);
  if (privateKey === undefined)
    throw new WrongRootKey(
      'the key file (vault.key_file) does not open this vault: put back the file it was made with',
    );
  return envelope.pairOf(privateKey, new Uint8Array(row.public_key));
}

function newRing(before: readonly KeyringRow[], deps: Deps): KeyringRow {
  const { envelope, host } = deps;
  const pair = envelope.newPair();
  const id = host.id('sec');
  return {
    id,
    public_key: pair.publicKey,
    private_key: envelope.encrypt(pair.privateKey.reveal(), ringBinding(id), rootOf(deps)),
    created_at: host.nowMs(),
    retired_at: null,
    generation: Math.max(0, ...before.map(ageOf)) + 1,
  };
}

function keyringOver(first: Held, deps: Deps): Keyring {
  const { envelope, host } = deps;
  let held = first;
  const opened = createDataKeys();
  const pairOf = (id: string): BoxPair => {
    const pair = held.pairs.get(id);
    if (pair === undefined) throw new WrongRootKey(`the keyring has no key ${id}`);
    return pair;
  };
  const box = (dataKey: Uint8Array): Boxed => ({
    ring_key: held.current,
    data_key: envelope.sealKey(dataKey, pairOf(held.current).publicKey),
  });
  const unbox = (boxed: Boxed): Uint8Array | undefined =>
    envelope.openKey(boxed.data_key, pairOf(boxed.ring_key));
  return {
    has: (ringKey) => held.pairs.has(ringKey),
    current: () => ({ id: held.current, publicKey: pairOf(held.current).publicKey }),
    outgoing: () => held.outgoing,
    fresh: () => newRing(held.rows, deps),
    follow: (rows) => {
      held = heldBy(rows, deps);
      opened.clear();
    },
    wrap: (plain, binding) => {
      const key = host.randomBytes(DATA_KEY_BYTES);
      return { ...box(key), value: envelope.encrypt(plain, binding, key) };
    },
    unwrap: (wrapped, binding) => {
      const key = opened.get(wrapped, unbox);
      return key === undefined ? undefined : envelope.decrypt(wrapped.value, binding, key);
    },
    rebox: (boxed) => {
      const key = unbox(boxed);
      return key === undefined ? undefined : box(key);
    },
  };
}

/** Opened data keys by ring key and box, so that a row whose ring key was edited opens no better than after a start. */
function createDataKeys() {
  const opened = new Map<string, Sensitive<Uint8Array>>();
  return {
    clear: () => opened.clear(),
    get: (boxed: Boxed, unbox: (boxed: Boxed) => Uint8Array | undefined): Uint8Array | undefined => {
      const name = `${boxed.ring_key} ${Buffer.from(boxed.data_key).toString('base64')}`;
      const known = opened.get(name)?.reveal();
      if (known !== undefined) return known;
      const key = unbox(boxed);
      if (key === undefined) return undefined;
      const [oldest] = opened.keys();
      if (opened.size >= DATA_KEYS_KEPT_MAX && oldest !== undefined) opened.delete(oldest);
      opened.set(name, new Sensitive(key));
      return key;
    },
  };
}
