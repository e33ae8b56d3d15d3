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
  const publicJwk: PublicJwk = { kty: 'OKP', crv: 'Ed25519', x };
  const canonical = JSON.stringify({ crv: publicJwk.crv, kty: publicJwk.kty, x });
  return {
    kid: createHash('sha256').update(canonical).digest('base64url'),
    privateKey,
    publicKey,
    publicJwk,
  };
}

export const signBytes = (message: Uint8Array, key: KeyObject): Uint8Array => sign(null, message, key);

/** OpenSSL refuses S ≥ L, so a signature has one form (RFC 8032 5.1.7). */
export function verifyBytes(message: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  return signature.length === SIGNATURE_BYTES && verify(null, message, key, signature);
}
