// Headers of a call are built from an allow-list; what could change routing, credential, method or framing is refused
// whatever the list says (corpus, header rule).
import { Fault } from '#kernel/errors.ts';
import { REQUEST_HEADER_VALUE_BYTES_MAX, REQUEST_HEADERS_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { holdsOwnToken } from './own-token.ts';

type Header = readonly [name: string, value: string];

/** Content negotiation and conditions: of use everywhere, and no service reads rights out of them. */
const ALWAYS_ALLOWED = new Set([
  'accept',
  'accept-language',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'range',
  'user-agent',
]);

/** Beside what `FORBIDDEN_PREFIX` covers. */
const FORBIDDEN = new Set([
  // credential
  'authorization',
  'cookie',
  'cookie2',
  'set-cookie',
  'set-cookie2',
  'www-authenticate',
  'x-api-key',
  'api-key',
  'apikey',
  'x-auth-token',
  'x-access-token',
  'x-vault-token',
  'private-token',
  'job-token',
  'x-goog-api-key',
  'ocp-apim-subscription-key',
  'x-csrf-token',
  'authentication-info',
  'x-shopify-access-token',
  'dd-api-key',
  'x-passport-token',
  // routing
  'host',
  'forwarded',
  'via',
  'origin',
  'referer',
  'destination',
  'x-host',
  'x-real-ip',
  'x-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'x-original-host',
  'x-original-url',
  'x-rewrite-url',
  'x-cluster-client-ip',
  'x-proxyuser-ip',
  'client-ip',
  'fastly-client-ip',
  'x-envoy-original-path',
  'x-backend-server',
  'x-http-destinationurl',
  'max-forwards',
  // method override
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  '-method',
  'x-method',
  // framing and hop-by-hop
  'connection',
  'content-length',
  'transfer-encoding',
  'content-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'keep-alive',
  'http2-settings',
  'accept-encoding',
  'alt-svc',
  'alt-used',
  'early-data',
]);
/**
 * What an HTTP client or a browser says about its own hop. A call of the path form is such a client's request, so these
 * come with every call; the next hop gets ours instead. In an envelope a caller wrote them on purpose, and is refused.
 */
const OF_THE_HOP = new Set([
  'accept-encoding',
  'alt-used',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'origin',
  'proxy-connection',
  'referer',
  'te',
  'trailer',
]);
const OF_THE_BROWSER = /^sec-/;
const CONNECTION_OPTIONS = {
  // Naming another header here would make a proxy drop it (CVE-2026-33805 class).
  envelope: new Set(['close', 'keep-alive']),
  // Clients that offer h2c (Java's) do so with every request; a server that does not take it up ignores it.
  request: new Set(['close', 'keep-alive', 'te', 'upgrade', 'http2-settings']),
};
const FORBIDDEN_PREFIX = /^(?:x-forwarded-|proxy-|sec-|x-amz-security|x-stack-|access-control-)/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e]*$/;
const MEDIA_TYPE =
  /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+(?:; ?[a-z0-9-]+=(?:[a-z0-9!#$&^_.+'-]+|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*$/i;
/** Names an object carries of itself: never header names we want to look up by. */
const OBJECT_NAMES = new Set(['__proto__', 'constructor', 'prototype']);
const SECRET_REFERENCE = /\{\s*secret/i;

export const isAlwaysAllowed = (name: string): boolean => ALWAYS_ALLOWED.has(name.toLowerCase());

/** Underscores and dashes are one character to many servers behind us. */
export function isForbiddenHeader(name: string): boolean {
  const folded = name.toLowerCase().replaceAll('_', '-');
  return FORBIDDEN.has(folded) || FORBIDDEN_PREFIX.test(folded);
}

export type HeaderRule = {
  readonly allow: readonly string[];
  readonly injected: readonly string[];
  /** An `envelope` names each header on purpose; a `request` carries whatever its client sends along (contract 5). */
  readonly form: 'envelope' | 'request';
};
export type BuiltHeaders = {
  readonly headers: readonly Header[];
  /** Lower-case names that were left out, for the record. */
  readonly dropped: readonly string[];
};

export function buildRequestHeaders(
  given: readonly (readonly [name: string, value: unknown])[],
  rule: HeaderRule,
): Result<BuiltHeaders> {
  if (rule.form === 'envelope' && given.length > REQUEST_HEADERS_MAX)
    return deny('', `more than ${REQUEST_HEADERS_MAX} headers`);
  const headers: Header[] = [];
  const dropped = new Set<string>();
  const seen = new Set<string>();
  for (const [name, value] of given) {
    const header = readHeader(name, value, rule);
    if (!header.ok) return header;
    const key = name.toLowerCase();
    if (header.value === undefined) {
      dropped.add(key);
      continue;
    }
    if (seen.has(key)) return deny(name, 'is given twice');
    seen.add(key);
    headers.push(header.value);
  }
  return ok({ headers, dropped: [...dropped] });
}

const deny = (header: string, reason: string): Result<never> =>
  refuse(
    new Fault('HEADER_DENIED', {
      detail: `${header}: ${reason}`,
      metadata: { header: header.slice(0, 64), reason },
    }),
  );

/** `undefined`: harmless and dropped, since ours is sent or the service does not list it. */
function readHeader(name: string, value: unknown, rule: HeaderRule): Result<Header | undefined> {
  if (!TOKEN.test(name) || OBJECT_NAMES.has(name)) return deny(name, 'is no header name');
  const key = name.toLowerCase();
  const lenient = rule.form === 'request';
  if (lenient && typeof value === 'string') {
    const framing = ofTheHop(key, value);
    if (framing !== undefined) return framing;
  }
  const listed = ALWAYS_ALLOWED.has(key) || rule.allow.includes(key);
  const forbidden = rule.injected.includes(key) || isForbiddenHeader(key);
  if (lenient && !listed && !forbidden) return ok(undefined);
  if (typeof value !== 'string' || !VALUE.test(value))
    return deny(name, 'value must be one line of printable ASCII');
  if (value.length > REQUEST_HEADER_VALUE_BYTES_MAX) return deny(name, 'value is too long');
  if (key === 'connection') return connection(value, rule.form);
  if (forbidden) return deny(name, 'is set by the appliance alone');
  if (!listed) return deny(name, 'is not listed under headers.allow');
  if (SECRET_REFERENCE.test(value)) return deny(name, 'secret references stand in the config only');
  if (holdsOwnToken(value)) return deny(name, 'holds a key or a passport of the appliance');
  const trimmed = value.trim();
  if (key === 'content-type' && !MEDIA_TYPE.test(trimmed))
    return deny(name, 'is not a well-formed media type');
  return ok([key, trimmed]);
}

/** `undefined`: not about the hop, or about it in a way that only ordinary rules judge. */
function ofTheHop(key: string, value: string): Result<undefined> | undefined {
  // No tunnel is opened, and a body that was packed for the transfer could not be judged.
  if (key === 'upgrade')
    return value.trim().toLowerCase() === 'h2c' ? ok(undefined) : deny(key, 'no tunnels');
  if (key === 'transfer-encoding')
    return value.trim().toLowerCase() === 'chunked' ? ok(undefined) : deny(key, 'must be chunked');
  return OF_THE_HOP.has(key) || OF_THE_BROWSER.test(key) ? ok(undefined) : undefined;
}

function connection(value: string, form: HeaderRule['form']): Result<undefined> {
  const options = value.split(',').map((option) => option.trim().toLowerCase());
  return options.every((option) => CONNECTION_OPTIONS[form].has(option))
    ? ok(undefined)
    : deny('connection', `may name only ${[...CONNECTION_OPTIONS[form]].join(', ')}`);
}
