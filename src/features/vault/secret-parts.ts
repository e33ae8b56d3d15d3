// Which part of a credential is secret. Only that is taken out of answers: host names, user names, project ids and the frame of
// a key are ordinary text, and an answer that shows them must pass. In doubt the whole value is secret.
import type { Inject } from '#features/services/model.ts';
import { SECRET_CHARS_MIN } from '#kernel/limits.ts';

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g;
/** Line ends as they are, and as a text inside a text has them. */
const PEM_LINE_ENDS = /\s|\\[nr]/g;
/** Headers of a PEM body (RFC 1421): encryption and its parameters. */
const PEM_HEADER = /^[A-Za-z-]+:.*$/gm;
const PUBLIC_BLOCK = /PUBLIC KEY|CERTIFICATE/;
/** RFC 7519 3.1: the first part says how the others are signed, and is the same in thousands of tokens. */
const JWT = /^eyJ[\w-]+\.([\w-]+)\.([\w-]+)$/;
const URL_LIKE = /^[a-z][a-z0-9+.-]*:\/\/(?:([^/?#@]*)@)?[^/?#]*([^?#]*)(?:\?([^#]*))?/i;
/** `Server=…;Password=…`, `host=… password=…`. */
const CONNECTION = /(?:^|[;\s])\s*([\w .-]{2,40}?)\s*=\s*([^;\s]+)/g;
const SECRET_NAME = /secret|token|passw|pwd|key|credential|private|auth|signature|^sig$|^code$|^sas$/i;
/** Names with a word as above that hold no secret: ids, addresses, kinds. */
const OPEN_NAME =
  /(?:[_-]id|Id|_uri|_url|_type|_email|_name|_provider|_alg(?:orithm)?|_at|_expir\w*)$|_x509_cert_url$/;
const RANDOM_CHARS_MIN = 16;
/** Bits per character; English has about 4 in so short a text, but no digits and letters of both kinds in between. */
const RANDOM_BITS_MIN = 3.3;

/** Every text by which an answer would give a credential away. */
export function secretTexts(inject: Inject | undefined, secret: string): readonly string[] {
  if (inject?.kind !== 'basic') return distinct(secretParts(secret));
  const pair = inject.template.replace('{secret}', () => secret);
  const parts = inject.template === '{secret}' ? [password(secret)] : secretParts(secret);
  return distinct(parts.flatMap((part) => [part, ...tokenSigns(pair, part)]));
}

const distinct = (parts: readonly string[]): readonly string[] => [...new Set(parts)];

/** Of `user:password` the password, or the user where there is none; the pair where that is too short to be told from text. */
function password(pair: string): string {
  const cut = pair.indexOf(':');
  const part = pair.slice(cut + 1) || pair.slice(0, Math.max(cut, 0));
  return part.length < SECRET_CHARS_MIN ? pair : part;
}

/** RFC 7617: of the base64 of a pair the signs that the secret part decides alone; a service may encode them again. */
function tokenSigns(pair: string, part: string): readonly string[] {
  const at = Buffer.byteLength(pair.slice(0, pair.lastIndexOf(part)));
  const signs = Buffer.from(pair)
    .toString('base64')
    .slice(Math.ceil((at * 8) / 6), Math.floor(((at + Buffer.byteLength(part)) * 8) / 6));
  return signs.length < SECRET_CHARS_MIN ? [] : [signs];
}

/** The secret parts of a value, by what it is: a key in PEM, JSON, a URL, a connection string, a token; else all of it. */
export function secretParts(value: string): readonly string[] {
  const parts =
    jsonParts(value) ?? pemParts(value) ?? urlParts(value) ?? tokenParts(value) ?? connectionParts(value);
  const long = parts?.filter((part) => part.length >= SECRET_CHARS_MIN) ?? [];
  return long.length === 0 ? [value] : long;
}

function pemParts(value: string): readonly string[] | undefined {
  const blocks = [...value.matchAll(PEM_BLOCK)];
  if (blocks.length === 0) return undefined;
  return blocks
    .filter(([, kind = '']) => !PUBLIC_BLOCK.test(kind))
    .map(([, , body = '']) => body.replace(PEM_HEADER, '').replace(PEM_LINE_ENDS, ''));
}

function jsonParts(value: string): readonly string[] | undefined {
  if (!/^\s*[{[]/.test(value)) return undefined;
  try {
    return membersOf(JSON.parse(value), '');
  } catch {
    return undefined;
  }
}

function membersOf(value: unknown, name: string): readonly string[] {
  if (typeof value === 'string') return isSecretMember(name, value) ? secretParts(value) : userinfoOf(value);
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item) => membersOf(item, name));
  return Object.entries(value).flatMap(([key, member]) => membersOf(member, key));
}

const isSecretMember = (name: string, value: string): boolean =>
  !OPEN_NAME.test(name) && !URL_LIKE.test(value) && (SECRET_NAME.test(name) || isRandom(value));

/** What a URL inside a value gives away, where it has no other secret. */
const userinfoOf = (value: string): readonly string[] => {
  const [, userinfo] = URL_LIKE.exec(value) ?? [];
  return userinfo === undefined ? [] : (urlParts(value) ?? []);
};

function urlParts(value: string): readonly string[] | undefined {
  const [whole, userinfo, path = '', query = ''] = URL_LIKE.exec(value) ?? [];
  if (whole === undefined) return undefined;
  const fields = query.split('&').map((field) => field.split('=', 2) as [string, string | undefined]);
  const found = [
    ...(userinfo === undefined ? [] : [password(userinfo)]),
    ...fields.flatMap(([name, field = '']) => (SECRET_NAME.test(name) || isRandom(field) ? [field] : [])),
  ];
  // The address of a webhook: its path is the secret.
  const all = found.length > 0 ? found : path.split('/').filter(isRandom);
  return all.flatMap((part) => [part, decoded(part)]);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function tokenParts(value: string): readonly string[] | undefined {
  const [, claims, signature] = JWT.exec(value) ?? [];
  return claims === undefined || signature === undefined ? undefined : [`${claims}.${signature}`];
}

function connectionParts(value: string): readonly string[] | undefined {
  const pairs = [...value.matchAll(CONNECTION)];
  if (pairs.length < 2) return undefined;
  return pairs.flatMap(([, name = '', text = '']) => (SECRET_NAME.test(name) ? [text] : []));
}

/** Long, of letters and digits, and without a pattern that repeats: what a machine made up. */
function isRandom(text: string): boolean {
  if (text.length < RANDOM_CHARS_MIN || !/^[\w+/=.~-]+$/.test(text)) return false;
  if (!/[0-9]/.test(text) || !/[a-z]/i.test(text)) return false;
  const counts = Map.groupBy(text, (char) => char);
  const bits = [...counts.values()].reduce((sum, { length }) => {
    const share = length / text.length;
    return sum - share * Math.log2(share);
  }, 0);
  return bits >= RANDOM_BITS_MIN;
}
