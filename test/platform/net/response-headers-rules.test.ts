// An upstream's headers name by name: what never reaches a caller, and what its length and coding are taken for.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { contentEncoding, contentLength, filterResponseHeaders } from '#platform/net/response-headers.ts';

const STRIPPED = `alt-svc clear-site-data connection content-encoding content-length content-security-policy
  content-security-policy-report-only expect-ct keep-alive nel permissions-policy proxy-authenticate
  proxy-authentication-info proxy-connection public-key-pins refresh report-to reporting-endpoints
  service-worker-allowed set-cookie set-cookie2 sourcemap strict-transport-security te trailer transfer-encoding upgrade
  www-authenticate x-frame-options x-xss-protection access-control-allow-origin cross-origin-opener-policy
  proxy-status sec-websocket-accept x-stack-intent`
  .trim()
  .split(/\s+/);

describe('a header of an upstream', () => {
  for (const name of STRIPPED)
    it(`${name} stays here, in every case`, () => {
      for (const spelling of [name, name.toUpperCase()])
        assert.deepEqual(filterResponseHeaders([[spelling, 'a']]), []);
    });

  it('passes as it is where nothing speaks against it, in its place and as often as it comes', () => {
    const headers = [
      ['Link', 'a'],
      ['x-sec-a', 'b'],
      ['not-proxy-a', 'c'],
      ['my-x-stack-a', 'd'],
      ['Link', 'e'],
    ] as const;
    assert.deepEqual(filterResponseHeaders(headers), headers);
  });

  it('is for this hop alone if Connection names it, and no other header can say so', () => {
    assert.deepEqual(
      filterResponseHeaders([
        ['x-list', 'x-kept, link'],
        ['x-kept', 'a'],
        ['CONNECTION', 'X-Gone ,link'],
        ['x-gone', 'b'],
        ['Link', 'c'],
      ]),
      [
        ['x-list', 'x-kept, link'],
        ['x-kept', 'a'],
      ],
    );
  });
});

describe('the length of a body', () => {
  it('is the one that the upstream declared, in plain digits', () => {
    for (const [text, length] of [
      ['0', 0],
      ['12', 12],
      ['999999999999999', 999_999_999_999_999],
    ] as const)
      assert.equal(
        contentLength([
          ['x-length', '7'],
          ['Content-Length', text],
        ]),
        length,
      );
  });

  it('is not known where none is declared, or none that a number can hold', () => {
    assert.equal(contentLength([]), undefined);
    assert.equal(contentLength([['x-length', '7']]), undefined);
    for (const text of ['', ' 1', '1 ', '-1', '1a', 'a1', '0x1', '1.5', '1, 1', '9999999999999999'])
      assert.equal(contentLength([['content-length', text]]), undefined, text);
  });
});

describe('the coding of a body', () => {
  it('is named as the upstream named it, in small letters, all of them in order', () => {
    assert.equal(contentEncoding([['Content-Encoding', ' GZip ']]), 'gzip');
    assert.equal(
      contentEncoding([
        ['content-encoding', 'gzip'],
        ['etag', 'x'],
        ['CONTENT-ENCODING', 'br'],
      ]),
      'gzip, br',
    );
  });
});
