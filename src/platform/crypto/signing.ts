// Ed25519 keys by node:crypto (RFC 8032, RFC 8037); the key id is the JWK thumbprint (RFC 7638).
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';

export type PublicJwk = { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string };
export type SigningKey = {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly publicJwk: PublicJwk;
};

const SIGNATURE_BYTES = 64;

export function newPrivateKeyDer(): Uint8Array {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' });
}

export function signingKeyOf(der: Uint8Array): SigningKey {
  const privateKey = createPrivateKey({ key: Buffer.from(der), type: 'pkcs8', format: 'der' });
  const publicKey = createPublicKey(privateKey);
  const { x = '' } = publicKey.export({ format: 'jwk' });
  return { kid: thumbprint(x), privateKey, publicKey, publicJwk: jwkOf(x) };
}

const jwkOf = (x: string): PublicJwk => ({ kty: 'OKP', crv: 'Ed25519', x });

/** RFC 7638 of an Ed25519 key (RFC 8037): SHA-256 of its required members in their order, base64url. */
export const thumbprint = (x: string): string =>
  createHash('sha256')
    .update(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest('base64url');

/** `x`: 32 bytes, base64url. */
export const publicKeyOf = (x: string): KeyObject => createPublicKey({ key: jwkOf(x), format: 'jwk' });

export const signBytes = (message: Uint8Array, key: KeyObject): Uint8Array => sign(null, message, key);

/** OpenSSL refuses S ≥ L, so a signature has one form (RFC 8032 5.1.7). */
export function verifyBytes(message: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  return signature.length === SIGNATURE_BYTES && verify(null, message, key, signature);
}
