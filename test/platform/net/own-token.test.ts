// Our own tokens are known by their form in any text; those of others pass.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdsOwnToken } from '#platform/net/own-token.ts';

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const token = (header: unknown): string => `${part(header)}.${part({ sub: 'a' })}.${'s'.repeat(86)}`;

test('a key and a passport are found wherever they stand', () => {
  const passport = token({ alg: 'EdDSA', kid: 'k1', typ: 'passport+jwt' });
  for (const text of [
    `sk_live_${'0'.repeat(64)}`,
    passport,
    `Bearer ${passport}`,
    `a=1&b=${passport}&c`,
    `x,${passport}`,
  ])
    assert.ok(holdsOwnToken(text), text);
});

test('tokens of other issuers and other keys pass', () => {
  for (const text of [token({ alg: 'RS256', typ: 'JWT' }), 'sk_live_51Habc', 'eyJ', '', 'plain text'])
    assert.ok(!holdsOwnToken(text), text);
});
