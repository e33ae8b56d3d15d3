// A stored call stands encrypted, under a key for this use alone: no row shows what an agent wants to do. Approvals live hours,
// and have no part in the rotation of the keyring.
import { canonicalize } from '#kernel/canonical.ts';
import { Sensitive } from '#kernel/sensitive.ts';
import { deriveKey } from '#platform/crypto/derive.ts';
import type { Envelope } from '#platform/crypto/envelope.ts';
import type { CardBinding } from './model.ts';

type Part = 'card' | 'body';
export type CallSafe = {
  readonly close: (plain: Uint8Array, part: Part, binding: CardBinding) => Uint8Array;
  /** `undefined`: not what was closed under this binding. */
  readonly open: (sealed: Uint8Array, part: Part, binding: CardBinding) => Uint8Array | undefined;
};

export function createCallSafe(envelope: Envelope, root: Sensitive<Uint8Array>): CallSafe {
  const key = new Sensitive(deriveKey(root.reveal(), 'stack/stored-calls'));
  return {
    close: (plain, part, binding) => envelope.encrypt(plain, textOf(part, binding), key.reveal()),
    open: (sealed, part, binding) => envelope.decrypt(sealed, textOf(part, binding), key.reveal()),
  };
}

const textOf = (part: Part, { id, agent_id, session_id, service, method }: CardBinding): string =>
  canonicalize({ table: 'approvals', part, id, agent_id, session_id, service, method });
