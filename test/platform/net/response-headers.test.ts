// The corpus' response headers as they come from a real upstream: what is shown, stripped, redacted or withheld.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { contentEncoding, filterResponseHeaders } from '#platform/net/response-headers.ts';
import { answering, openLine, rawUpstream } from '#test/support/raw-upstream.ts';

type Entry = {
  readonly id: string;
  readonly direction: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly expect: 'relay' | 'strip' | 'withhold';
};
const corpus = JSON.parse(readFileSync(new URL('../../corpus/headers.json', import.meta.url), 'utf8')) as {
  readonly entries: readonly Entry[];
};
const SECRET = 'canary-7f3a9c51d2e84b06';
/** Kept, with the marker in the secret's place: the note of the entry says so. */
const REDACTED_NOT_DROPPED = ['H160'];

function answerWith(headers: Entry['headers']): string {
  const lines = headers.map(([name, value]) => `${name}: ${value.replaceAll('<secret>', SECRET)}\r\n`);
  const framed = headers.some(([name]) => /^(?:content-length|transfer-encoding)$/i.test(name));
  return `HTTP/1.1 200 OK\r\n${lines.join('')}${framed ? '' : 'Content-Length: 3\r\n'}\r\n0\r\n`;
}

for (const entry of corpus.entries.filter(({ direction }) => direction === 'response')) {
  test(`corpus ${entry.id}: ${entry.expect}`, async (t) => {
    const server = await rawUpstream(t, answering(answerWith(entry.headers)));
    const seen = await openLine(t, { secrets: [SECRET] }).call({ port: server.port });
    assert.ok(!JSON.stringify(seen).includes(SECRET));
    if (entry.expect === 'withhold') {
      assert.equal(seen.code, 'RESPONSE_WITHHELD');
      assert.equal(seen.metadata['sent'], true);
      return;
    }
    assert.equal(seen.code, 'OK', seen.detail);
    const given = entry.headers.map(([name, value]) => [name.toLowerCase(), value]);
    if (entry.expect === 'relay') return assert.deepEqual(seen.headers, given);
    if (!REDACTED_NOT_DROPPED.includes(entry.id)) return assert.deepEqual(seen.headers, []);
    assert.deepEqual(
      seen.headers,
      given.map(([name, value]) => [name, value?.replaceAll('<secret>', '[redacted:shop]')]),
    );
  });
}

test('a header that Connection names is stripped in any case and any place of the list', () => {
  const headers = [
    ['connection', 'close, X-One'],
    ['Connection', ' x-TWO ,'],
    ['X-One', '1'],
    ['x-two', '2'],
    ['X-Three', '3'],
  ] as const;
  assert.deepEqual(filterResponseHeaders(headers), [['X-Three', '3']]);
});

test('sessions, browser directives, other origins and our own names do not reach the agent', () => {
  for (const name of [
    'Set-Cookie',
    'set-cookie2',
    'Access-Control-Allow-Origin',
    'Cross-Origin-Opener-Policy',
    'Strict-Transport-Security',
    'X-Stack-Agent',
    'WWW-Authenticate',
    'Proxy-Status',
    'NEL',
    'Upgrade',
    'Authentication-Info',
    'Accept-CH',
    'Feature-Policy',
    'Set-Login',
    'Timing-Allow-Origin',
  ]) {
    assert.deepEqual(filterResponseHeaders([[name, 'a']]), [], name);
  }
});

test('a proxy or a cache before us is told nothing by a service', () => {
  for (const name of [
    'X-Accel-Redirect',
    'x-accel-expires',
    'X-Accel-Buffering',
    'X-Sendfile',
    'X-Sendfile-Temporary',
    'X-LIGHTTPD-send-file',
    'X-LiteSpeed-Location',
    'X-Reproxy-URL',
    'Surrogate-Control',
    'CDN-Cache-Control',
  ])
    assert.deepEqual(filterResponseHeaders([[name, '/etc/passwd']]), [], name);
});

test('only the absence of a coding is no coding', () => {
  assert.equal(contentEncoding([]), undefined);
  assert.equal(contentEncoding([['Content-Encoding', ' Identity ']]), undefined);
  assert.equal(contentEncoding([['content-encoding', '']]), undefined);
  for (const value of ['gzip', 'identity, gzip', 'none', 'aws-chunked', 'gzip\t']) {
    assert.notEqual(contentEncoding([['Content-Encoding', value]]), undefined, value);
  }
  const two = [
    ['Content-Encoding', 'identity'],
    ['Content-Encoding', 'br'],
  ] as const;
  assert.notEqual(contentEncoding(two), undefined);
});
