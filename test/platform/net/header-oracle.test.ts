// The header builder against a rule told in other words: what leaves is listed, said once, one line of printable ASCII,
// and never a header that decides about credential, routing, method or framing, in no spelling of its name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildRequestHeaders, type HeaderRule } from '#platform/net/request-headers.ts';
import { filterResponseHeaders } from '#platform/net/response-headers.ts';

const RUNS = Number(process.env['STACK_PROPERTY_RUNS'] ?? 2_000);
const DECISIVE = [
  'Authorization',
  'Proxy-Authorization',
  'Cookie',
  'X-Api-Key',
  'X-Auth-Token',
  'Host',
  'Forwarded',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-Original-URL',
  'X-Rewrite-URL',
  'X-HTTP-Method-Override',
  'X-Method-Override',
  'Content-Length',
  'Transfer-Encoding',
  'TE',
  'Trailer',
  'Upgrade',
  'Expect',
  'Keep-Alive',
  'Proxy-Connection',
  'Connection',
  'Via',
  'Origin',
  'Referer',
  'X-Passport-Token',
  'X-Stack-Agent',
  'Sec-Fetch-Site',
  'Access-Control-Request-Method',
  'Content-Encoding',
] as const;
const HARMLESS = ['Accept', 'Content-Type', 'X-Request-Id', 'If-Match', 'Accept-Language', 'Range'] as const;
const EDITS: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toLowerCase(),
  (name) => name.toUpperCase(),
  (name) => name.replaceAll('-', '_'),
  (name) => ` ${name}`,
  (name) => `${name} `,
  (name) => `${name}:`,
  (name) => `${name}\0`,
  (name) => `${name}\r\nX`,
  (name) => name.replace('k', '\u212a').replace('K', '\u212a'),
  (name) => name.replace('s', '\u017f').replace('S', '\u017f'),
  (name) => name.replace('-', '\u2010'),
  (name) => `${name}\u200b`,
];
const VALUES = [
  'a',
  'text/plain',
  'close',
  'close, x-request-id',
  'chunked',
  'a\r\nX: y',
  'a\nb',
  'a\0b',
  'ä',
  '\t',
  '',
  ' a ',
  '{secret}',
  '{{ secret }}',
  'x'.repeat(9_000),
  'a, b',
  '\u2028',
  '\x7f',
  7,
  null,
  ['a'],
  { a: 1 },
] as const;

const name = fc
  .tuple(fc.constantFrom(...DECISIVE, ...HARMLESS, '__proto__', 'constructor', ''), fc.constantFrom(...EDITS))
  .map(([text, edit]) => edit(text));
const headers = fc.array(fc.tuple(name, fc.constantFrom<unknown>(...VALUES)), { maxLength: 5 });
/** Also where the operator lists what no list can open. */
const rule = fc.record({
  allow: fc.constantFrom<readonly string[]>(
    [],
    ['x-request-id'],
    DECISIVE.map((text) => text.toLowerCase()),
  ),
  injected: fc.constantFrom<readonly string[]>([], ['x-request-id']),
  form: fc.constantFrom<HeaderRule['form']>('envelope', 'request'),
});
const folded = (text: string): string => text.toLowerCase().replaceAll('_', '-');
const decisive = new Set(DECISIVE.map(folded));

test('whatever is given, nothing leaves that could decide anything, and no line becomes two', () => {
  fc.assert(
    fc.property(headers, rule, (given, by) => {
      const built = buildRequestHeaders(given, by);
      if (!built.ok) return assert.equal(built.fault.code, 'HEADER_DENIED');
      const names = built.value.headers.map(([key]) => key);
      assert.equal(new Set(names).size, names.length, 'a name is said once');
      for (const [key, value] of built.value.headers) {
        assert.match(key, /^[a-z0-9-]+$/);
        assert.ok(!decisive.has(folded(key)), key);
        assert.ok(!by.injected.includes(key), key);
        assert.match(value, /^[\t\x20-\x7e]*$/);
        assert.doesNotMatch(value, /secret/i);
        assert.ok(
          given.some(([from, said]) => folded(from) === folded(key) && String(said).trim() === value),
        );
      }
    }),
    { numRuns: RUNS },
  );
});

test('whatever an answer says, its caller sees no header that decides anything about the connection or a browser', () => {
  const seen = fc.constantFrom(
    'Set-Cookie',
    'Connection',
    'Transfer-Encoding',
    'X-Named',
    'X-Kept',
    'Trailer',
    'WWW-Authenticate',
    'X-Stack-Entry',
    'Access-Control-Allow-Origin',
    'Refresh',
    'Alt-Svc',
    'Content-Security-Policy',
  );
  const said = fc.constantFrom('close', 'x-named', 'X-NAMED , close', 'a', 'close,\tX-Named');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(seen, fc.constantFrom(...EDITS.slice(0, 3)), said), { maxLength: 6 }),
      (given) => {
        const list = given.map(([text, edit, value]) => [edit(text), value] as const);
        const named = list.some(([key, value]) => /^connection$/i.test(key) && /x-named/i.test(value));
        for (const [key] of filterResponseHeaders(list)) {
          assert.match(key, named ? /^x-kept$/i : /^x-(?:kept|named)$/i);
        }
      },
    ),
    { numRuns: RUNS },
  );
});
