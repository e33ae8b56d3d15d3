// Any service can check a passport by itself, with the public keys alone: it asks the appliance for nothing per passport. With
// the status list, which it may keep for seconds, it also sees revocations.
// Run: node verify-passport.mjs http://localhost:7822 TOKEN [--status]
import { realpathSync } from 'node:fs';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { inflateSync } from 'node:zlib';
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

/** Whether a verified passport is over before its time. What cannot be known, since the list does not come, is an error. */
export function revocationChecker(stack) {
  const uri = `${stack}/v1/passports/status-list`;
  const keys = createRemoteJWKSet(new URL('/v1/.well-known/jwks.json', stack));
  let kept = { until: 0, bits: new Uint8Array() };

  async function fetchList() {
    const response = await fetch(uri);
    if (!response.ok) throw new Error(`the status list did not come: ${response.status}`);
    const { payload } = await jwtVerify(await response.text(), keys, {
      issuer: stack,
      subject: uri,
      algorithms: ['EdDSA'],
      typ: 'statuslist+jwt',
      requiredClaims: ['exp', 'ttl', 'status_list'],
    });
    return {
      until: Date.now() + payload.ttl * 1000,
      bits: inflateSync(Buffer.from(payload.status_list.lst, 'base64url')),
    };
  }

  return async ({ status }) => {
    const { uri: named, idx } = status.status_list;
    if (named !== uri) throw new Error('the passport names another list');
    if (Date.now() >= kept.until) kept = await fetchList();
    // The first place is the lowest bit of the first byte.
    const byte = kept.bits[idx >> 3];
    if (byte === undefined) throw new Error('the list has no such place');
    return ((byte >> (idx & 7)) & 1) === 1;
  };
}

async function main(stack, token, option) {
  const passport = await passportVerifier(stack)(token);
  if (option === '--status' && (await revocationChecker(stack)(passport)))
    throw new Error('the passport is revoked');
  const { sub, exp, stk } = passport;
  const held = stk.services.map(({ service_name, scopes }) => `${service_name}: ${scopes.join(' ')}`);
  process.stdout.write(`${stk.agent_name} (${sub}) until ${new Date(exp * 1000).toISOString()}\n`);
  process.stdout.write(`${held.join('\n')}\n`);
}

// Not import.meta.main: Node 20 does not know it, and a check that does nothing looks like one that passed.
if (argv[1] !== undefined && realpathSync(argv[1]) === fileURLToPath(import.meta.url))
  await main(...argv.slice(2));
