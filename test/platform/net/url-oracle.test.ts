// The URL gate against independent readers: what it lets through means the same to the platform's parser and to the
// pattern of RFC 3986, and stays below the prefix in each of them; and what is plainly good is let through.
import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Binding, bindUrl, readUrl } from '#platform/net/url.ts';

const RUNS = Number(process.env['STACK_PROPERTY_RUNS'] ?? 2_000);
const GITHUB: Binding = {
  scheme: 'https',
  host: 'api.github.com',
  port: 443,
  path: '/repos',
  hosts: ['*.svc.test'],
};
/** RFC 3986, appendix B. */
const RFC = /^(([^:/?#]+):)?(\/\/([^/?#]*))?([^?#]*)(\?([^#]*))?(#(.*))?/;

function allowed(text: string): boolean {
  const url = readUrl(text);
  return url.ok && bindUrl(url.value, GITHUB).ok;
}

/** Fails where somebody reads an allowed text otherwise. */
function judge(text: string): void {
  if (!allowed(text)) return;
  const read = readUrl(text);
  assert.ok(read.ok);
  const { href, host, port, path, query } = read.value;
  const web = new URL(text);
  assert.equal(web.href, href);
  assert.deepEqual(
    [web.hostname, web.pathname, web.search, web.username, web.password, web.hash],
    [host, path, query === undefined || query === '' ? '' : `?${query}`, '', '', ''],
  );
  assert.equal(web.port === '' ? 443 : Number(web.port), port);
  const rfc = RFC.exec(text);
  assert.equal(rfc?.[4]?.toLowerCase().replace(/:443$/, ''), host);
  assert.equal(rfc?.[5], path);
  assert.ok(host === 'api.github.com' || /^[a-z0-9_-]+\.svc\.test$/.test(host), host);
  // Decoded as often as anybody may, in the encoding of a careless server, it is still below the prefix.
  let decoded = path;
  for (let round = 0; round < 3; round += 1) {
    const folded = decoded
      .normalize('NFKC')
      .replaceAll('\\', '/')
      .replace(/;[^/]*/g, '');
    assert.ok(posix.normalize(folded).startsWith('/repos/'), `${text} as ${folded}`);
    assert.doesNotMatch(decoded, /[\p{Cc}\\]/u);
    decoded = decodeURIComponent(decoded);
  }
}

const PIECES = [
  'https://',
  'HTTPS://',
  'http://',
  'https:/',
  'https:',
  '//',
  'api.github.com',
  'API.GitHub.com',
  'a.svc.test',
  'b.a.svc.test',
  'svc.test',
  'evil.test',
  'api.github.com.',
  'api.github.com.evil.test',
  '127.0.0.1',
  '[::1]',
  '0x7f.1',
  '2130706433',
  '@',
  'user:pass@',
  ':443',
  ':0443',
  ':80',
  ':',
  '/repos/',
  '/repos',
  '/Repos/',
  '/',
  'o/r',
  '%2F',
  '%2f',
  '%5c',
  '%2e',
  '%2E%2e',
  '..',
  '.',
  '...',
  ';',
  ';a=b',
  '%3b',
  '%00',
  '%0d%0a',
  '%25',
  '%252e',
  '%41',
  '%7e',
  '%c0%ae',
  '%e2%80%ae',
  '%ef%bc%8f',
  '%ef%bc%8e',
  '%E2%81%84',
  '%c3%a4',
  'ä',
  '／',
  '。',
  '\\',
  '#',
  '?',
  '?a=b',
  '&c',
  "'",
  '"',
  '<',
  '|',
  '^',
  '`',
  '{',
  '}',
  ' ',
  '\t',
  '\n',
  '\r',
  '\0',
  '+',
  '=',
  '!',
  '$',
  '*',
  '(',
  ')',
  ',',
  '~',
  '-',
  '_',
  '%',
  '%zz',
  '%u002e',
  'a'.repeat(300),
] as const;
const mess = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join(''));
const nearly = fc
  .tuple(
    fc.constantFrom(
      'https://api.github.com/repos/',
      'https://a.svc.test/repos/',
      'https://api.github.com:443/repos/',
    ),
    mess,
  )
  .map(([base, rest]) => base + rest);
const spliced = fc
  .tuple(nearly, fc.nat(60), fc.constantFrom(...PIECES))
  .map(([text, at, piece]) => text.slice(0, at) + piece + text.slice(at));
const anyByte = fc
  .tuple(nearly, fc.nat(60), fc.integer({ min: 0, max: 0x2fff }))
  .map(([text, at, code]) => text.slice(0, at) + String.fromCharCode(code) + text.slice(at));

for (const [what, texts] of Object.entries({ mess, nearly, spliced, anyByte })) {
  test(`no reader reads what is let through otherwise: ${what}`, () => {
    fc.assert(fc.property(texts, judge), { numRuns: RUNS });
  });
}

test('every single character anywhere in a good URL leaves one that all read alike, or a refused one', () => {
  const good = 'https://api.github.com/repos/o/r?x=1';
  for (let code = 0; code < 0x180; code += 1)
    for (let at = 0; at <= good.length; at += 1)
      judge(good.slice(0, at) + String.fromCharCode(code) + good.slice(at));
});

test('a URL of plain segments, encoded letters beyond ASCII and an ordinary query is let through', () => {
  const plain = fc.stringMatching(/^[A-Za-z0-9_~-]{1,12}$/);
  const segment = fc.oneof(
    plain,
    fc.constantFrom(
      'a.b',
      'v1.2',
      '@me',
      'x:y',
      'a+b',
      'a%20b',
      'a%2Fb',
      '%C3%A4',
      '%E2%82%AC',
      '$x',
      "it's",
    ),
  );
  const query = fc.constantFrom('', '?a=b', '?a=%20&b=c/d', '?q=x:y@z', '?');
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), query, (segments, search) => {
      const text = `https://api.github.com/repos/${segments.join('/')}${search}`;
      assert.ok(allowed(text), text);
      judge(text);
    }),
    { numRuns: RUNS },
  );
});
