// Enrolment, without I/O: the text that a machine signs to show that it holds the key, and whether it did.
import { fromBase64url, utf8 } from '#kernel/bytes.ts';
import { type PublicJwk, publicKeyOf, verifyBytes } from '#platform/crypto/signing.ts';

/** Says what is signed, so that a signature for this is good for nothing else. */
export const challengeText = (agentId: string, challengeId: string): string =>
  `stack-agent-enrollment:v1:${agentId}:${challengeId}`;

type Claimed = { readonly x: string; readonly text: string; readonly signature: string };

/** Ed25519 (RFC 8032) over the UTF-8 bytes of the text; base64url without padding. */
export function provesPossession({ x, text, signature }: Claimed): boolean {
  const bytes = fromBase64url(signature);
  return bytes !== undefined && verifyBytes(utf8(text), bytes, publicKeyOf(x));
}

/** RFC 8037 2: 32 bytes, written in one way only. */
export const isPublicKey = (x: PublicJwk['x']): boolean => fromBase64url(x)?.length === KEY_BYTES;
const KEY_BYTES = 32;
