// Keys of one purpose each from the root key (HKDF-SHA256, RFC 5869): one key, one use.
import { createHmac, hkdfSync } from 'node:crypto';

export type Purpose =
  | 'stack/vault-root'
  | 'stack/api-key-pepper'
  | 'stack/kept-answers'
  | 'stack/idempotency-keys'
  | 'stack/stored-calls';

const KEY_BYTES = 32;

export function deriveKey(root: Uint8Array, purpose: Purpose): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', root, new Uint8Array(), purpose, KEY_BYTES));
}

/** HMAC-SHA256 (RFC 2104), hex. */
export function keyedHash(key: Uint8Array, text: string): string {
  return createHmac('sha256', key).update(text, 'utf8').digest('hex');
}
