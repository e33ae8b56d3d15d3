// What of an upstream's headers a caller may see: sessions, connection data and browser directives stay here.

type Header = readonly [name: string, value: string];

/** Beside what `STRIPPED_PREFIX` covers. */
const STRIPPED = new Set([
  'alt-svc',
  'clear-site-data',
  'connection',
  'content-encoding',
  'content-length',
  'content-security-policy',
  'content-security-policy-report-only',
  'expect-ct',
  'keep-alive',
  'nel',
  'permissions-policy',
  'public-key-pins',
  'refresh',
  'report-to',
  'reporting-endpoints',
  'service-worker-allowed',
  'set-cookie',
  'set-cookie2',
  'sourcemap',
  'strict-transport-security',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'www-authenticate',
  'x-frame-options',
  'x-xss-protection',
]);
const CONNECTION = 'connection';
const STRIPPED_PREFIX = /^(?:access-control-|cross-origin-|proxy-|sec-|x-stack-)/;

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
