// Signing keys of the process, one purpose each, encrypted under the keyring like any secret.
import type { Statement } from '#kernel/unit.ts';
import { newPrivateKeyDer, type SigningKey, signingKeyOf } from '#platform/crypto/signing.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { type Keyring, WrongRootKey } from './keyring.ts';
import { insertSigningKey, liveSigningKeys } from './store.ts';

export type SigningPurpose = 'passport';

const bindingOf = (purpose: SigningPurpose, kid: string): string => `stack/signing/${purpose}/${kid}`;

type Loaded = { readonly key: SigningKey; readonly created: readonly Statement[] };

/** A new key's row is in `created`; it must be committed before the key signs anything. */
export async function loadSigningKey(
  purpose: SigningPurpose,
  deps: { readonly reader: Reader; readonly keyring: Keyring; readonly nowMs: number },
): Promise<Loaded> {
  const [row] = await liveSigningKeys(deps.reader, purpose);
  if (row !== undefined) {
    const der = deps.keyring.unwrap(row, bindingOf(purpose, row.kid));
    if (der === undefined)
      throw new WrongRootKey(`signing key ${row.kid} does not open: its row was changed`);
    return { key: signingKeyOf(der), created: [] };
  }
  const der = newPrivateKeyDer();
  const key = signingKeyOf(der);
  const wrapped = deps.keyring.wrap(der, bindingOf(purpose, key.kid));
  const created = insertSigningKey({
    kid: key.kid,
    purpose,
    ...wrapped,
    created_at: deps.nowMs,
    retired_at: null,
  });
  return { key, created: [created] };
}
