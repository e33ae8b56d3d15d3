// Signing keys of the process, one purpose each, encrypted under the keyring like any secret. One signs; those before it
// verify until nothing that they signed can be of use any more.
import { SIGNING_KEY_VERIFIES_MS } from '#kernel/limits.ts';
import type { Statement } from '#kernel/unit.ts';
import { newPrivateKeyDer, type SigningKey, signingKeyOf } from '#platform/crypto/signing.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { type Keyring, WrongRootKey } from './keyring.ts';
import { insertSigningKey, retireSigningKey, type SigningKeyRow, signingKeysOf } from './store.ts';

/** One key, one use. */
export type SigningPurpose = 'passport' | 'status_list' | 'receipt';

export type SigningKeys = {
  /** The one that signs. */
  readonly current: () => SigningKey;
  /** Those that verify, the current one first. */
  readonly verifying: () => readonly SigningKey[];
  /** A new key in place of the current one. Nothing is signed with it before its row is committed and `follow` has seen it. */
  readonly replace: () => { readonly kid: string; readonly changes: readonly Statement[] };
  readonly follow: () => Promise<void>;
};

type Deps = {
  readonly reader: Reader;
  readonly keyring: Keyring;
  readonly host: Pick<Host, 'nowMs'>;
};
type Opened = { readonly key: SigningKey; readonly verifiesUntilMs: number };

const bindingOf = (purpose: SigningPurpose, kid: string): string => `stack/signing/${purpose}/${kid}`;

/** The row of a first key is in `created`; it must be committed before the key signs anything. */
export async function openSigningKeys(
  purpose: SigningPurpose,
  deps: Deps,
): Promise<{ readonly keys: SigningKeys; readonly created: readonly Statement[] }> {
  const rows = await signingKeysOf(deps.reader, purpose);
  const missing = rows.every(({ retired_at }) => retired_at !== null);
  const created = missing ? [newRow(purpose, deps)] : [];
  let opened = open(purpose, [...created, ...rows], deps);
  const current = (): SigningKey => {
    const [first] = opened;
    if (first === undefined) throw new WrongRootKey(`there is no key for ${purpose}s`);
    return first.key;
  };
  const keys: SigningKeys = {
    current,
    verifying: () =>
      opened.filter(({ verifiesUntilMs }) => verifiesUntilMs > deps.host.nowMs()).map(({ key }) => key),
    replace: () => {
      const row = newRow(purpose, deps);
      // In this order: of two that begin together one finds the key retired already, and is a conflict.
      const changes = [retireSigningKey(current().kid, deps.host.nowMs()), insertSigningKey(row)];
      return { kid: row.kid, changes };
    },
    follow: async () => {
      opened = open(purpose, await signingKeysOf(deps.reader, purpose), deps);
    },
  };
  return { keys, created: created.map(insertSigningKey) };
}

/** The live one first; what is over is not opened any more. */
function open(purpose: SigningPurpose, rows: readonly SigningKeyRow[], deps: Deps): readonly Opened[] {
  return rows
    .map((row) => ({ row, verifiesUntilMs: endOf(row) }))
    .filter(({ verifiesUntilMs }) => verifiesUntilMs > deps.host.nowMs())
    .sort((a, b) => b.verifiesUntilMs - a.verifiesUntilMs)
    .map(({ row, verifiesUntilMs }) => {
      const der = deps.keyring.unwrap(row, bindingOf(purpose, row.kid));
      if (der === undefined)
        throw new WrongRootKey(`signing key ${row.kid} does not open: its row was changed`);
      return { key: signingKeyOf(der), verifiesUntilMs };
    });
}

const endOf = ({ retired_at }: SigningKeyRow): number =>
  retired_at === null ? Number.POSITIVE_INFINITY : retired_at + SIGNING_KEY_VERIFIES_MS;

function newRow(purpose: SigningPurpose, { keyring, host }: Deps): SigningKeyRow {
  const der = newPrivateKeyDer();
  const { kid } = signingKeyOf(der);
  const wrapped = keyring.wrap(der, bindingOf(purpose, kid));
  return { kid, purpose, ...wrapped, created_at: host.nowMs(), retired_at: null };
}
