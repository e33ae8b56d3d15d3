// Envelope encryption: data keys in sealed boxes, values by XChaCha20-Poly1305 with their binding as associated data.
// A sealed box alone authenticates neither sender nor context (security.md 0.4), so the binding is in the AEAD.
import { utf8 } from '#kernel/bytes.ts';
import { Sensitive } from '#kernel/sensitive.ts';
import type { Sodium } from './sodium.ts';

export type BoxPair = { readonly publicKey: Uint8Array; readonly privateKey: Sensitive<Uint8Array> };
/** Nonce ‖ ciphertext ‖ tag. */
export type Sealed = Uint8Array;

export const DATA_KEY_BYTES = 32;
const NONCE_BYTES = 24;

export type Envelope = {
  readonly newPair: () => BoxPair;
  readonly pairOf: (privateKey: Uint8Array, publicKey: Uint8Array) => BoxPair;
  readonly sealKey: (dataKey: Uint8Array, publicKey: Uint8Array) => Uint8Array;
  /** `undefined` where the box does not open under this pair. */
  readonly openKey: (box: Uint8Array, pair: BoxPair) => Uint8Array | undefined;
  readonly encrypt: (plain: Uint8Array, binding: string, key: Uint8Array) => Sealed;
  /** `undefined` where bytes, binding or key are not the ones it was made with. */
  readonly decrypt: (sealed: Sealed, binding: string, key: Uint8Array) => Uint8Array | undefined;
};

export function createEnvelope(sodium: Sodium, randomBytes: (length: number) => Uint8Array): Envelope {
  return {
    newPair: () => {
      const pair = sodium.crypto_box_keypair();
      return { publicKey: pair.publicKey, privateKey: new Sensitive(pair.privateKey) };
    },
    pairOf: (privateKey, publicKey) => ({ publicKey, privateKey: new Sensitive(privateKey) }),
    sealKey: (dataKey, publicKey) => sodium.crypto_box_seal(dataKey, publicKey),
    openKey: (box, pair) =>
      attempt(() => sodium.crypto_box_seal_open(box, pair.publicKey, pair.privateKey.reveal())),
    encrypt: (plain, binding, key) => {
      const nonce = randomBytes(NONCE_BYTES);
      const body = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, utf8(binding), null, nonce, key);
      return Buffer.concat([nonce, body]);
    },
    decrypt: (sealed, binding, key) => {
      const nonce = sealed.subarray(0, NONCE_BYTES);
      const body = sealed.subarray(NONCE_BYTES);
      return attempt(() =>
        sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, body, utf8(binding), nonce, key),
      );
    },
  };
}

/** libsodium throws on a wrong key, tag or length; here that is an answer. */
function attempt(open: () => Uint8Array): Uint8Array | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}
