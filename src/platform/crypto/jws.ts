// Compact JWS (RFC 7515 3.1) by Ed25519 (RFC 8037 3.1), and its parts as strict JSON: what passports, the status list and
// receipts are signed as, and what is read of a token before anything of it is believed.
import { decodeUtf8, fromBase64url, toBase64url, utf8 } from '#kernel/bytes.ts';
import { canonicalize } from '#kernel/canonical.ts';
import { parseStrictJson } from '#kernel/strict-json.ts';
import { type SigningKey, signBytes } from './signing.ts';

export const ALGORITHM = 'EdDSA';

type Signing = { readonly type: string; readonly key: Pick<SigningKey, 'kid' | 'privateKey'> };

/** `payload`: the claims as JSON text, signed as it stands. */
export function signJws(payload: string, { type, key }: Signing): string {
  const header = canonicalize({ alg: ALGORITHM, kid: key.kid, typ: type });
  const signed = [header, payload].map((part) => toBase64url(utf8(part))).join('.');
  return `${signed}.${toBase64url(signBytes(utf8(signed), key.privateKey))}`;
}

export type Members = Readonly<Record<string, unknown>>;

/** Header or payload; `undefined` where it is not base64url, not UTF-8 or not one JSON object, read strictly. */
export function readJwsPart(part: string): Members | undefined {
  const bytes = fromBase64url(part);
  const text = bytes === undefined ? undefined : decodeUtf8(bytes);
  const parsed = text === undefined ? undefined : parseStrictJson(text);
  if (parsed?.ok !== true) return undefined;
  const { value } = parsed;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Members) : undefined;
}
