// Who approved what: a receipt is verified with the public keys alone, on any machine, also when the appliance is long gone.
// Run: node verify-receipt.mjs http://localhost:7822 RECEIPT [JWKS-FILE]
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, jwtVerify } from 'jose';

/** `stack`: the public URL of the appliance that issued it; `jwks`: what its /v1/.well-known/jwks.json says, kept or fetched. */
export function receiptVerifier(stack, jwks) {
  const keys = createLocalJWKSet(jwks);
  return async (receipt) => {
    const { payload } = await jwtVerify(receipt, keys, {
      issuer: stack,
      // No passport has this audience and this type, and no receipt has a passport's.
      audience: 'stack:approval-receipt',
      algorithms: ['EdDSA'],
      typ: 'approval-receipt+jwt',
      requiredClaims: ['jti', 'iat', 'decision', 'decided_by', 'call_hash'],
    });
    return payload;
  };
}

async function readKeys(stack, file) {
  if (file !== undefined) return JSON.parse(await readFile(file, 'utf8'));
  const answer = await fetch(new URL('/v1/.well-known/jwks.json', stack));
  return answer.json();
}

if (import.meta.main) {
  const [, , stack, receipt, file] = process.argv;
  const verify = receiptVerifier(stack, await readKeys(stack, file));
  const { jti, decision, decided_by, decided_at, method, action, call_hash } = await verify(receipt);
  process.stdout.write(`${jti}: ${decision} by ${decided_by.kind} ${decided_by.id} at ${decided_at}\n`);
  process.stdout.write(`${method} ${action}, call ${call_hash}\n`);
}
