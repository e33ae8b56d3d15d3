// What is kept under idempotency keys is kept encrypted, and the keys themselves as keyed hashes: no row shows what an agent
// did. One key from the root key for each use; answers live a day, and have no part in the rotation of the keyring.
import { canonicalize } from '#kernel/canonical.ts';
import { Sensitive } from '#kernel/sensitive.ts';
import { deriveKey, keyedHash } from '#platform/crypto/derive.ts';
import type { Envelope } from '#platform/crypto/envelope.ts';
import type { AnswerBinding, KeyName } from './model.ts';

export type Safe = {
  /** The id of a row, from which nothing of the key can be told. */
  readonly idOf: (name: KeyName) => string;
  readonly close: (plain: Uint8Array, binding: AnswerBinding) => Uint8Array;
  /** `undefined`: not what was closed under this binding. */
  readonly open: (sealed: Uint8Array, binding: AnswerBinding) => Uint8Array | undefined;
};

export function createSafe(envelope: Envelope, root: Sensitive<Uint8Array>): Safe {
  const answers = new Sensitive(deriveKey(root.reveal(), 'stack/kept-answers'));
  const names = new Sensitive(deriveKey(root.reveal(), 'stack/idempotency-keys'));
  return {
    idOf: ({ owner, verb, key }) => keyedHash(names.reveal(), canonicalize([owner, verb, key])),
    close: (plain, binding) => envelope.encrypt(plain, bindingText(binding), answers.reveal()),
    open: (sealed, binding) => envelope.decrypt(sealed, bindingText(binding), answers.reveal()),
  };
}

const bindingText = (binding: AnswerBinding): string =>
  canonicalize({ table: 'idempotency_keys', ...binding });
