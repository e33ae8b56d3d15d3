// Turns recipes of corpus/passports.json into tokens of our shape: same header and signature tricks, our claims and ids.
import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type SigningKey, signingKeyOf } from '#platform/crypto/signing.ts';

export type Recipe = {
  readonly id: string;
  readonly class: string;
  readonly base: 'root' | 'chain';
  readonly expect: 'accept' | 'reject';
  readonly reason: string;
  readonly note?: string;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly leaf?: Readonly<Record<string, unknown>>;
  readonly parent?: Readonly<Record<string, unknown>>;
  readonly sign?: string;
  readonly payload_raw?: string;
  readonly edit?: readonly string[];
  readonly depth?: number;
  readonly revoke?: 'root' | 'middle' | 'leaf';
};

export const RECIPES = (
  JSON.parse(readFileSync(new URL('../../corpus/passports.json', import.meta.url), 'utf8')) as {
    entries: readonly Recipe[];
  }
).entries;

export const ISSUER = 'https://stack.test';
const AUDIENCE_OF_CORPUS = 'https://stack.test/mcp';
const AGENT_ID = `agt_${'0'.repeat(32)}`;
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
/** Order of the curve's group (RFC 8032 5.1). */
const GROUP_ORDER = (1n << 252n) + 27742317777372353535851937790883648493n;

const keys = new Map<string, SigningKey>();
/** The corpus' own test keys, by name. */
export function keyNamed(name: string): SigningKey {
  const seed = createHash('sha256').update(`attack-corpus test key: ${name}`).digest();
  const key = keys.get(name) ?? signingKeyOf(Buffer.concat([PKCS8_ED25519, seed]));
  keys.set(name, key);
  return key;
}

const b64u = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url');
type Members = Record<string, unknown>;

function merge(base: Members, change: Readonly<Members> = {}): Members {
  const merged = { ...base, ...change };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}

export function claimsAt(now: number): Members {
  const services = [
    {
      service_id: 'github',
      service_name: 'github',
      scopes: ['github:repos:read'],
      credential_ref: 'service:github',
      constraints: [],
    },
  ];
  const stk = {
    operator_id: 'local',
    agent_id: AGENT_ID,
    agent_name: 'agent-a',
    services,
    identity_claims: [],
    delegation_depth: 0,
    session_id: `ses_${'0'.repeat(32)}`,
    accountability: 'enforced',
    intent_summary: 'test',
    intent_services: ['github'],
    checkpoint_interval: null,
    parent_jti: null,
    chain: [],
  };
  const times = { iat: now - 10, nbf: now - 10, exp: now + 900 };
  return { iss: ISSUER, aud: ISSUER, sub: AGENT_ID, ...times, jti: `pp_${'0'.repeat(32)}`, stk };
}

/** The corpus names its own audience and a flat scope list; ours are the issuer and stk.services. */
function adaptLeaf(claims: Members, leaf: Readonly<Members> = {}, now: number): Members {
  const { exp_in, nbf_in, iat_in, pad_bytes, nest, scope, aud, ...plain } = leaf;
  const ours = (value: unknown): unknown => (value === AUDIENCE_OF_CORPUS ? ISSUER : value);
  const changed = merge(claims, plain);
  if (aud !== undefined) {
    changed['aud'] = Array.isArray(aud) ? aud.map(ours) : ours(aud);
    if (aud === null) delete changed['aud'];
  }
  for (const [name, offset] of Object.entries({ exp: exp_in, nbf: nbf_in, iat: iat_in }))
    if (typeof offset === 'number') changed[name] = now + offset;
  if (typeof pad_bytes === 'number') changed['pad'] = 'x'.repeat(pad_bytes);
  if (scope !== undefined) {
    const stk = claims['stk'] as { services: Members[] };
    changed['stk'] = { ...stk, services: [{ ...stk.services[0], scopes: scope }] };
  }
  return changed;
}

function signatureOf(how: string | undefined, data: string): Uint8Array {
  const issuer = keyNamed('issuer');
  const { x } = issuer.publicJwk;
  const odd = (): Uint8Array => {
    if (how === 'rsa' || how === 'rsa-pss') {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      return sign('sha256', Buffer.from(data), privateKey);
    }
    const { privateKey } = generateKeyPairSync('ed448');
    return sign(null, Buffer.from(data), privateKey);
  };
  if (how === 'none') return new Uint8Array();
  if (how === 'hmac-pub-raw') return createHmac('sha256', Buffer.from(x, 'base64url')).update(data).digest();
  if (how === 'hmac-pub-jwk')
    return createHmac('sha256', JSON.stringify(issuer.publicJwk)).update(data).digest();
  if (how === 'hmac-empty') return createHmac('sha512', '').update(data).digest();
  if (how === 'rsa' || how === 'rsa-pss' || how === 'ed448') return odd();
  return sign(null, Buffer.from(data), keyNamed(how ?? 'issuer').privateKey);
}

/** One token by its recipe; `now` in seconds. */
export function tokenOf(recipe: Recipe, now: number): string {
  const issuer = keyNamed('issuer');
  const given = { ...recipe.header };
  if (given['jwk'] !== undefined) given['jwk'] = keyNamed('other').publicJwk;
  const header = merge({ alg: 'EdDSA', kid: issuer.kid, typ: 'passport+jwt' }, given);
  const nest = recipe.leaf?.['nest'];
  let text = JSON.stringify(adaptLeaf(claimsAt(now), recipe.leaf, now));
  if (typeof nest === 'number') text = text.replace(/}$/, `,"x":${'['.repeat(nest)}${']'.repeat(nest)}}`);
  const [head, body] = [b64u(JSON.stringify(header)), b64u(recipe.payload_raw ?? text)];
  const signature = b64u(signatureOf(recipe.sign, `${head}.${body}`));
  return (recipe.edit ?? []).reduce(edited, `${head}.${body}.${signature}`);
}

type Parts = { readonly head: string; readonly body: string; readonly mark: string; readonly whole: string };
const resigned = (data: string): string => b64u(sign(null, Buffer.from(data), keyNamed('issuer').privateKey));
const opened = (part: string): Members => JSON.parse(Buffer.from(part, 'base64url').toString()) as Members;

export const EDITS: Readonly<Record<string, (parts: Parts) => string>> = {
  'pad-base64': ({ head, body, mark }) =>
    `${head}.${body}${'='.repeat((4 - (body.length % 4)) % 4 || 4)}.${mark}`,
  'standard-base64': ({ head, body, mark }) => `${head}.${body}.+${mark.slice(1)}`,
  'whitespace-inside': ({ head, body, mark }) => `${head}.${body.slice(0, 5)}\n${body.slice(5)}.${mark}`,
  'leading-space': ({ whole }) => ` ${whole}`,
  'trailing-newline': ({ whole }) => `${whole}\n`,
  'two-parts': ({ head, body }) => `${head}.${body}`,
  'empty-payload': ({ head }) => `${head}..${resigned(`${head}.`)}`,
  'as-jwe': ({ head, body, mark }) => `${head}.AAAA.AAAA.${body}.${mark}`,
  'json-serialisation': ({ head, body, mark }) =>
    JSON.stringify({ payload: body, signatures: [{ protected: head, signature: mark }] }),
  'flip-payload': ({ head, body, mark }) =>
    `${head}.${b64u(JSON.stringify({ ...opened(body), sub: `agt_${'1'.repeat(32)}` }))}.${mark}`,
  // Still exactly the three members, in another order: only the signature can tell.
  'flip-header': ({ head, body, mark }) =>
    `${b64u(JSON.stringify(Object.fromEntries(Object.entries(opened(head)).reverse())))}.${body}.${mark}`,
  'long-signature': ({ head, body, mark }) =>
    `${head}.${body}.${b64u(Buffer.concat([Buffer.from(mark, 'base64url'), Buffer.from([0])]))}`,
  's-plus-l': ({ head, body, mark }) => `${head}.${body}.${b64u(malleable(Buffer.from(mark, 'base64url')))}`,
  'signature-of-other-token': ({ head, body }) => `${head}.${body}.${resigned(`${head}.AAAA`)}`,
  'prefix-confusion': ({ head, body }) => `${head}.${body}.${resigned('stack.test/log\n5\nAAAA\n')}`,
};

function edited(whole: string, name: string): string {
  const [head = '', body = '', mark = ''] = whole.split('.');
  const edit = EDITS[name];
  if (edit === undefined) throw new Error(`unknown edit ${name}`);
  return edit({ head, body, mark, whole });
}

/** S + L: the same signature to a verifier that does not reduce (RFC 8032 5.1.7). */
function malleable(signature: Buffer): Buffer {
  const half = Buffer.from(signature.subarray(32)).reverse().toString('hex');
  const grown = (BigInt(`0x${half}`) + GROUP_ORDER).toString(16).padStart(64, '0');
  return Buffer.concat([signature.subarray(0, 32), Buffer.from(grown, 'hex').reverse()]);
}

/** Signs any text as a payload with our key and header. */
export function signedText(payload: string | Uint8Array, header?: string): string {
  const { kid } = keyNamed('issuer');
  const head = b64u(header ?? JSON.stringify({ alg: 'EdDSA', kid, typ: 'passport+jwt' }));
  const body = b64u(payload);
  return `${head}.${body}.${resigned(`${head}.${body}`)}`;
}
