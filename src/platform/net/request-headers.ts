// Headers of a call are built from an allow-list; what could change routing, credential, method or framing is refused
// whatever the list says (corpus, header rule).
import { Fault } from '#kernel/errors.ts';
import { REQUEST_HEADER_VALUE_BYTES_MAX, REQUEST_HEADERS_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';

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

const FORBIDDEN = new Set([
  // credential
  'authorization',
  'proxy-authorization',
  'cookie',
  'cookie2',
  'set-cookie',
  'set-cookie2',
  'www-authenticate',
  'proxy-authenticate',
  'x-api-key',
  'api-key',
  'apikey',
  'x-auth-token',
  'x-access-token',
  'x-vault-token',
  'private-token',
  'job-token',
  'x-amz-security-token',
  'x-goog-api-key',
  'ocp-apim-subscription-key',
  'x-csrf-token',
  'authentication-info',
  'x-shopify-access-token',
  'dd-api-key',
  'x-passport-token',
  'x-stack-agent',
  'x-stack-intent',
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
  'content-length',
  'transfer-encoding',
  'content-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'keep-alive',
  'proxy-connection',
  'http2-settings',
  'accept-encoding',
  'alt-svc',
  'alt-used',
  'early-data',
]);
const FORBIDDEN_PREFIX = /^(?:x-forwarded-|proxy-|sec-|x-amz-security|x-stack-|access-control-)/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e]*$/;
const MEDIA_TYPE =
  /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+(?:; ?[a-z0-9-]+=(?:[a-z0-9!#$&^_.+'-]+|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*$/i;
/** Names an object carries of itself: never header names we want to look up by. */
const OBJECT_NAMES = new Set(['__proto__', 'constructor', 'prototype']);
const SECRET_REFERENCE = /\{\{?\s*secret/i;

/** Underscores and dashes are one character to many servers behind us. */
export function isForbiddenHeader(name: string): boolean {
  const folded = name.toLowerCase().replaceAll('_', '-');
  return FORBIDDEN.has(folded) || FORBIDDEN_PREFIX.test(folded);
}

export type HeaderRule = { readonly allow: readonly string[]; readonly injected: readonly string[] };

export function buildRequestHeaders(
  given: Readonly<Record<string, unknown>>,
  rule: HeaderRule,
): Result<readonly Header[]> {
  const names = Object.keys(given);
  if (names.length > REQUEST_HEADERS_MAX) return deny('', `more than ${REQUEST_HEADERS_MAX} headers`);
  const headers: Header[] = [];
  const seen = new Set<string>();
  for (const name of names) {
    const header = readHeader(name, given[name], rule);
    if (!header.ok) return header;
    const key = name.toLowerCase();
    if (seen.has(key)) return deny(name, 'is given twice');
    seen.add(key);
    if (header.value !== undefined) headers.push(header.value);
  }
  return ok(headers);
}

const deny = (header: string, reason: string): Result<never> =>
  refuse(
    new Fault('HEADER_DENIED', {
      detail: `${header}: ${reason}`,
      metadata: { header: header.slice(0, 64), reason },
    }),
  );

/** `undefined`: harmless and dropped, since ours is sent. */
function readHeader(name: string, value: unknown, rule: HeaderRule): Result<Header | undefined> {
  if (!TOKEN.test(name) || OBJECT_NAMES.has(name)) return deny(name, 'is no header name');
  if (typeof value !== 'string' || !VALUE.test(value))
    return deny(name, 'value must be one line of printable ASCII');
  if (Buffer.byteLength(value) > REQUEST_HEADER_VALUE_BYTES_MAX) return deny(name, 'value is too long');
  const key = name.toLowerCase();
  if (key === 'connection') return connection(value);
  if (rule.injected.includes(key) || isForbiddenHeader(key))
    return deny(name, 'is set by the appliance alone');
  if (!ALWAYS_ALLOWED.has(key) && !rule.allow.includes(key))
    return deny(name, 'is not listed under headers.allow');
  if (SECRET_REFERENCE.test(value)) return deny(name, 'secret references stand in the config only');
  const trimmed = value.trim();
  if (key === 'content-type' && !MEDIA_TYPE.test(trimmed))
    return deny(name, 'is not a well-formed media type');
  return ok([key, trimmed]);
}

function connection(value: string): Result<undefined> {
  const options = value.split(',').map((option) => option.trim().toLowerCase());
  // Naming another header here would make a proxy drop it (CVE-2026-33805 class).
  return options.every((option) => option === 'close' || option === 'keep-alive')
    ? ok(undefined)
    : deny('connection', 'may name only close and keep-alive');
}
