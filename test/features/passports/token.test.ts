// Every recipe of the passport corpus that speaks of one token, against the strict reader; and what the corpus leaves out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Claims, openToken, readToken, signToken } from '#features/passports/token.ts';
import { PASSPORT_TOKEN_BYTES_MAX } from '#kernel/limits.ts';
import {
  claimsAt,
  ISSUER,
  keyNamed,
  RECIPES,
  type Recipe,
  signedText,
  tokenOf,
} from '#test/features/passports/recipes.ts';

const NOW = 1_800_000_000;
const issuer = keyNamed('issuer');
const rules = { keys: new Map([[issuer.kid, issuer.publicKey]]), issuer: ISSUER, nowMs: NOW * 1000 };
const read = (token: string) => readToken(token, rules);

/** Recipes that do not speak of one token as text, and where they are settled instead. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  delegation: 'we mint the chain: corpus.test.ts asks for it',
  'delegation-scope': 'the same',
  'delegation-time': 'the same',
  'delegation-revocation': 'the same',
  'delegation-chain': 'no chains are presented: one token, one row',
  holder: 'passports are bearer tokens; the corpus asks to record proof of possession as a known limit',
  transport: 'where a token may stand is the surface of HTTP, not the reader',
};
const SETTLED_LATER: Readonly<Record<string, string>> = {
  P121: 'an agent switched off is found by the verifier, which looks at the row',
  P132: 'an unknown service is dropped when the passport is narrowed to the live grants',
};
const applies = (recipe: Recipe): boolean =>
  recipe.base === 'root' && ELSEWHERE[recipe.class] === undefined && SETTLED_LATER[recipe.id] === undefined;

/** The corpus' reasons as ours where the words differ. */
const REASONS: Readonly<Record<string, readonly string[]>> = {
  crit: ['header'],
  // Ten thousand brackets are over the size cap before they are over the depth.
  payload: ['encoding', 'too_long'],
  expired: ['exp is past'],
  encoding: ['encoding', 'shape'],
  // A header of two members is refused before its key is looked for.
  kid: ['kid', 'header'],
};

for (const recipe of RECIPES.filter(applies)) {
  test(`${recipe.id} ${recipe.class}: ${recipe.note ?? recipe.reason} is ${recipe.expect}ed`, () => {
    const answer = read(tokenOf(recipe, NOW));
    if (recipe.expect === 'accept') return assert.ok(answer.ok, answer.ok ? '' : answer.fault.detail);
    assert.ok(!answer.ok, 'accepted');
    const said = answer.fault.detail ?? '';
    assert.ok((REASONS[recipe.reason] ?? [recipe.reason]).includes(said), `refused for ${said}`);
  });
}

test('the recipes that are not run are of the classes named here and no other', () => {
  const skipped = RECIPES.filter((recipe) => !applies(recipe));
  const named = (recipe: Recipe): boolean =>
    recipe.base === 'chain' ||
    ELSEWHERE[recipe.class] !== undefined ||
    SETTLED_LATER[recipe.id] !== undefined;
  assert.ok(skipped.every(named));
  assert.ok(RECIPES.filter(applies).length >= 55, 'most of the corpus is run');
});

test('every refusal of a token is PASSPORT_INVALID, but for one that is over', () => {
  for (const recipe of RECIPES.filter(applies)) {
    const answer = read(tokenOf(recipe, NOW));
    if (answer.ok) continue;
    const wanted = recipe.reason === 'expired' ? 'PASSPORT_EXPIRED' : 'PASSPORT_INVALID';
    assert.equal(answer.fault.code, wanted, recipe.id);
  }
});

const claims = (change: Record<string, unknown> = {}) =>
  ({ ...claimsAt(NOW), ...change }) as unknown as Claims;
const stk = (change: Record<string, unknown>) => claims({ stk: { ...claims().stk, ...change } });

test('what is signed is read back the same', () => {
  const answer = read(signToken(claims(), issuer));
  assert.deepEqual(answer.ok && answer.value, claims());
});

test('a flip of any one character is refused', () => {
  const token = signToken(claims(), issuer);
  for (let at = 0; at < token.length; at += 1) {
    const other = token[at] === 'A' ? 'B' : 'A';
    assert.ok(!read(`${token.slice(0, at)}${other}${token.slice(at + 1)}`).ok, `character ${at}`);
  }
});

test('a member said twice is refused, in the header and in the payload', () => {
  const text = JSON.stringify(claims());
  assert.ok(read(signedText(text)).ok);
  assert.ok(!read(signedText(text.replace(/^{/, '{"sub":"x",'))).ok);
  const header = `{"alg":"none","alg":"EdDSA","kid":"${issuer.kid}","typ":"passport+jwt"}`;
  assert.ok(!read(signedText(text, header)).ok);
});

test('bytes that are no UTF-8, a byte order mark and text after the value are refused', () => {
  const text = JSON.stringify(claims());
  const bytes = Buffer.from(text);
  const bad = [Buffer.concat([bytes, Buffer.from([0xff])]), `\ufeff${text}`, `${text}{}`, 'null', '"x"', ''];
  bad.push(text.replace(/}$/, `,"x":${'['.repeat(1000)}${']'.repeat(1000)}}`));
  for (const payload of bad) assert.ok(!read(signedText(payload)).ok);
});

test('a header that names what every object has is no header', () => {
  const text = JSON.stringify(claims());
  for (const kid of ['__proto__', 'constructor', 'toString']) {
    assert.ok(!read(signedText(text, JSON.stringify({ alg: 'EdDSA', kid, typ: 'passport+jwt' }))).ok);
  }
  assert.ok(!read(signedText(text, `{"__proto__":{},"alg":"EdDSA","typ":"passport+jwt"}`)).ok);
});

test('the size is judged before the signature, at the exact byte', () => {
  const refusedAs = (token: string) => {
    const answer = openToken(token, rules);
    return answer.ok ? 'ok' : answer.fault.detail;
  };
  assert.equal(refusedAs('x'.repeat(PASSPORT_TOKEN_BYTES_MAX + 1)), 'too_long');
  assert.equal(refusedAs('x'.repeat(PASSPORT_TOKEN_BYTES_MAX)), 'shape');
  assert.equal(refusedAs('ä'.repeat(PASSPORT_TOKEN_BYTES_MAX / 2 + 1)), 'too_long');
});

test('times have no leeway in either direction', () => {
  const at = (change: Record<string, unknown>) => read(signToken(claims(change), issuer)).ok;
  assert.ok(at({ nbf: NOW, iat: NOW }));
  assert.ok(!at({ nbf: NOW + 1, iat: NOW }));
  assert.ok(!at({ nbf: NOW, iat: NOW + 1 }));
  assert.ok(at({ exp: NOW + 1 }));
  assert.ok(!at({ exp: NOW }));
  assert.ok(at({ iat: NOW, exp: NOW + 3600 }));
  assert.ok(!at({ iat: NOW, exp: NOW + 3601 }));
  for (const exp of ['1900000000', NOW + 0.5, -1, null, true]) assert.ok(!at({ exp }), String(exp));
});

test('members of another type are refused', () => {
  const bad = [
    claims({ sub: `agt_${'1'.repeat(32)}` }),
    claims({ jti: 'jti' }),
    claims({ jti: [`pp_${'0'.repeat(32)}`] }),
    claims({ aud: [[ISSUER]] }),
    claims({ aud: [] }),
    claims({ stk: [] }),
    claims({ stk: null }),
    stk({ agent_name: 7 }),
    stk({ session_id: 'ses_' }),
    stk({ accountability: 'none' }),
    stk({ delegation_depth: 5 }),
    stk({ delegation_depth: '0' }),
    stk({ services: {} }),
    stk({ services: [null] }),
    stk({ operator_id: 1 }),
    stk({ intent_summary: 1 }),
    stk({ intent_services: 'slack' }),
    stk({ identity_claims: null }),
    stk({ checkpoint_interval: '300' }),
    stk({ parent_jti: 'x' }),
    stk({ chain: ['x'] }),
  ];
  for (const one of bad) assert.ok(!read(signToken(one, issuer)).ok, JSON.stringify(one));
});
