// Any service can check a passport by itself, with the public keys alone: it asks the appliance for nothing per passport.
// Run: node verify-passport.mjs http://localhost:7822 TOKEN
import { createRemoteJWKSet, jwtVerify } from 'jose';

/** `stack`: the public URL of the appliance, which is issuer and audience of its passports. */
export function passportVerifier(stack) {
  // Fetched when needed, kept, and fetched again when a token names a key that is not among them.
  const keys = createRemoteJWKSet(new URL('/v1/.well-known/jwks.json', stack));
  return async (token) => {
    const { payload } = await jwtVerify(token, keys, {
      issuer: stack,
      audience: stack,
      algorithms: ['EdDSA'],
      typ: 'passport+jwt',
      requiredClaims: ['sub', 'jti', 'exp', 'stk'],
    });
    return payload;
  };
}

if (import.meta.main) {
  const [, , stack, token] = process.argv;
  const { sub, exp, stk } = await passportVerifier(stack)(token);
  const held = stk.services.map(({ service_name, scopes }) => `${service_name}: ${scopes.join(' ')}`);
  process.stdout.write(`${`${stk.agent_name} (${sub}) until ${new Date(exp * 1000).toISOString()}`}\n`);
  process.stdout.write(`${held.join('\n')}\n`);
}
