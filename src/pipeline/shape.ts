// The shape of a call, as an approval binds it, and in which fields two calls differ. What is compared are the calls as they
// would leave: canonical URL, headers with the fixed ones, body bytes; what the config calls volatile is no part of it.
import {
  type Binding,
  callHash,
  credentialName,
  definitionHash,
  EPOCH,
  ruleHash,
  sha256,
} from '#features/approvals/model.ts';
import { approvalRule } from '#features/policy/decide.ts';
import { decodeUtf8 } from '#kernel/bytes.ts';
import { canonicalize, type Json } from '#kernel/canonical.ts';
import { APPROVAL_MISMATCHES_MAX } from '#kernel/limits.ts';
import { parseStrictJson } from '#kernel/strict-json.ts';
import type { Authorized } from './authorize.ts';
import { baseUrl, type HeaderList } from './request.ts';

/** The canonical URL of a call, whole. */
export function urlOf({ target: { url } }: Authorized): string {
  const query = url.query === undefined ? '' : `?${url.query}`;
  return `${baseUrl({ scheme: url.scheme, host: url.host, port: url.port, path: url.path })}${query}`;
}

/** Names in lower case, in the order of the alphabet, without what may differ from try to try. */
export function boundHeaders({ payload, service }: Authorized): HeaderList {
  const { headersVolatile } = service.service;
  return payload.headers
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => !headersVolatile.includes(name))
    .sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
}

/** Everything that a decision about this call is about. `structured`: its body is a JSON value in canonical form. */
export function bindingOf(call: Authorized, structured: boolean): Binding {
  const { passport } = call.from;
  const { service } = call.service;
  const { body } = call.payload;
  return {
    agent_id: passport.agentId ?? '',
    session_id: passport.sessionId ?? '',
    service: service.name,
    credential: credentialName(service.secret),
    method: call.call.method,
    url: urlOf(call),
    headers: boundHeaders(call),
    body_sha256: body === undefined ? null : sha256(body),
    structured,
    definition_hash: definitionHash(service),
    rule_hash: ruleHash(approvalRule(call.service, call.view)),
    epoch: EPOCH,
  };
}

export const hashOf = (call: Authorized, structured: boolean): string =>
  callHash(bindingOf(call, structured));

type Approved = { readonly stored: Authorized; readonly structured: boolean };

/** Names of the fields in which `given` differs from what was stored; none where it is the same call. */
export function mismatches(given: Authorized, approved: Approved): readonly string[] {
  const { stored } = approved;
  const names: string[] = [];
  if (given.call.service !== stored.call.service) names.push('service');
  if (given.call.method !== stored.call.method) names.push('method');
  if (urlOf(given) !== urlOf(stored)) names.push('url');
  // Of another service other headers are fixed and volatile; that it is another one says it all.
  if (names[0] !== 'service') names.push(...headerNames(given, stored));
  names.push(...bodyFields(given, approved));
  return names.slice(0, APPROVAL_MISMATCHES_MAX);
}

/**
 * HTTP clients add these to every request of the path form. Where the stored call has none, none is sent, whatever the
 * client's library says by itself.
 */
const OF_LIBRARIES = new Set(['accept', 'accept-language', 'user-agent']);

function headerNames(call: Authorized, approved: Authorized): readonly string[] {
  const stored = boundHeaders(approved);
  const added = (name: string): boolean =>
    call.call.form === 'request' && OF_LIBRARIES.has(name) && !stored.some(([known]) => known === name);
  const given = boundHeaders(call).filter(([name]) => !added(name));
  const linesOf = (list: HeaderList, name: string): string =>
    JSON.stringify(list.filter(([key]) => key === name).map(([, value]) => value));
  const names = [...new Set([...given, ...stored].map(([name]) => name))].sort();
  return names
    .filter((name) => linesOf(given, name) !== linesOf(stored, name))
    .map((name) => `headers.${name}`);
}

function bodyFields(given: Authorized, { stored, structured }: Approved): readonly string[] {
  const [own, wanted] = [given.payload.body ?? NOTHING, stored.payload.body ?? NOTHING];
  if (Buffer.compare(own, wanted) === 0) return [];
  if (structured && canonicalText(own) === decodeUtf8(wanted)) return [];
  const [left, right] = [given.view.body, stored.view.body];
  const readable = left.kind === right.kind && (left.kind === 'json' || left.kind === 'form');
  const fields = readable && 'value' in right ? [...differing([left.value, right.value], 'body')] : [];
  // The same values in another spelling, or nothing that has fields.
  return fields.length === 0 ? ['body'] : fields;
}

const NOTHING = new Uint8Array();

/** RFC 8785 of a body that is JSON and means one thing to every reader; else undefined. */
function canonicalText(body: Uint8Array): string | undefined {
  const text = decodeUtf8(body);
  const parsed = text === undefined ? undefined : parseStrictJson(text);
  return parsed?.ok === true ? canonicalize(parsed.value as Json) : undefined;
}

type Members = Readonly<Record<string, unknown>>;
const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Depth first, by name; a list that has become longer differs as a whole. */
function* differing([a, b]: readonly [unknown, unknown], path: string): Generator<string> {
  if (a === b) return;
  if (isMembers(a) && isMembers(b)) {
    for (const name of [...new Set([...Object.keys(b), ...Object.keys(a)])])
      yield* differing([a[name], b[name]], `${path}.${name}`);
  } else if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
    for (const [at, value] of a.entries()) yield* differing([value, b[at]], `${path}.${at}`);
  } else yield path;
}

/**
 * A body given as a value, in its canonical form; undefined where it is text, bytes or a form. `problem`: two spellings of it
 * would be read as one number, so nobody could say what was approved.
 */
export function structuredBody(
  body: unknown,
  contentType: string | undefined,
): { readonly bytes: Uint8Array } | { readonly problem: string } | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  if (contentType !== undefined && !/^application\/(?:[a-z0-9.+-]+\+)?json\b/i.test(contentType))
    return undefined;
  const unsafe = unsafeNumber(body, 'body');
  if (unsafe !== undefined)
    return { problem: `${unsafe} is a number beyond 2^53, which JSON readers round; give it as text` };
  return { bytes: Buffer.from(canonicalize(body as Json)) };
}

function unsafeNumber(value: unknown, path: string): string | undefined {
  if (typeof value === 'number')
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? path : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, member] of Object.entries(value)) {
    const found = unsafeNumber(member, `${path}.${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
