// What of an upstream's headers a caller may see: sessions, connection data and browser directives stay here.

type Header = readonly [name: string, value: string];

/** Beside what `STRIPPED_PREFIX` covers. */
const STRIPPED = new Set([
  // connection, session, credential, and what a browser would obey
  'accept-ch',
  'alt-svc',
  'authentication-info',
  'clear-site-data',
  'connection',
  'content-encoding',
  'content-length',
  'content-security-policy',
  'content-security-policy-report-only',
  'critical-ch',
  'document-policy',
  'expect-ct',
  'feature-policy',
  'keep-alive',
  'nel',
  'origin-agent-cluster',
  'permissions-policy',
  'public-key-pins',
  'refresh',
  'report-to',
  'reporting-endpoints',
  'service-worker-allowed',
  'set-cookie',
  'set-cookie2',
  'set-login',
  'sourcemap',
  'speculation-rules',
  'strict-transport-security',
  'te',
  'timing-allow-origin',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'use-as-dictionary',
  'www-authenticate',
  'x-dns-prefetch-control',
  'x-frame-options',
  'x-permitted-cross-domain-policies',
  'x-xss-protection',
  // what a reverse proxy or a cache before us would obey: hand out a file of its own, ask elsewhere, keep the answer
  'cdn-cache-control',
  'cdn-loop',
  'surrogate-control',
  'x-lighttpd-send-file',
  'x-sendfile',
]);
const CONNECTION = 'connection';
const STRIPPED_PREFIX =
  /^(?:access-control-|cross-origin-|proxy-|sec-|x-accel-|x-litespeed-|x-reproxy-|x-sendfile-|x-stack-)/;

/** Names may be in any case. */
export function filterResponseHeaders(headers: readonly Header[]): Header[] {
  const named = hopOnly(headers);
  return headers.filter(([name]) => {
    const key = name.toLowerCase();
    return !STRIPPED.has(key) && !STRIPPED_PREFIX.test(key) && named?.includes(key) !== true;
  });
}

/** RFC 9110 7.6.1: what Connection names is for this hop only. */
function hopOnly(headers: readonly Header[]): readonly string[] | undefined {
  let named: string[] | undefined;
  for (const [name, value] of headers) {
    if (name.length !== CONNECTION.length || name.toLowerCase() !== CONNECTION) continue;
    const parts = value.toLowerCase().split(',');
    named = [...(named ?? []), ...parts.map((part) => part.trim())];
  }
  return named;
}

/** The length of the body as the upstream declared it; the HTTP client has judged it by then. */
export function contentLength(headers: readonly Header[]): number | undefined {
  const value = headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1];
  return value === undefined || !/^\d{1,15}$/.test(value) ? undefined : Number(value);
}

/** The coding that must be undone before the body can be read; undefined for none. */
export function contentEncoding(headers: readonly Header[]): string | undefined {
  const codings = headers
    .filter(([name]) => name.toLowerCase() === 'content-encoding')
    .map(([, value]) => value.trim().toLowerCase());
  const coding = codings.join(', ');
  return coding === '' || coding === 'identity' ? undefined : coding;
}
