// Where the URL gate draws its lines: the last text that passes and the first that does not, each with its reason.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { URL_BYTES_MAX } from '#kernel/limits.ts';
import { type Binding, bindUrl, type CanonicalUrl, readUrl } from '#platform/net/url.ts';

function read(text: string): CanonicalUrl {
  const url = readUrl(text);
  assert.ok(url.ok, `${text} must pass`);
  assert.equal(url.value.href, new URL(text).href, 'one canonical form');
  return url.value;
}

function denied(text: string, reason: string): void {
  const url = readUrl(text);
  assert.ok(!url.ok, `${text} must not pass`);
  const { code, detail, metadata } = url.fault;
  assert.deepEqual({ code, detail, metadata }, { code: 'URL_DENIED', detail: reason, metadata: { reason } });
}

const HEX = '0123456789abcdefABCDEF';
const printable = Array.from({ length: 0x7f - 0x21 }, (_, at) => String.fromCharCode(0x21 + at));

describe('a URL that passes', () => {
  it('is taken apart into what binding and dialling need', () => {
    const { href, ...rest } = read('HTTPS://API.example.COM:8443/v1/A%2Fb?x=1&y=%20');
    assert.equal(href, 'https://api.example.com:8443/v1/A%2Fb?x=1&y=%20');
    assert.deepEqual(rest, {
      scheme: 'https',
      host: 'api.example.com',
      port: 8443,
      path: '/v1/A%2Fb',
      query: 'x=1&y=%20',
      ipLiteral: false,
    });
  });

  it('has the port of its scheme where it names none, and is then printed without', () => {
    assert.equal(read('https://a.test/').port, 443);
    assert.equal(read('http://a.test/').port, 80);
    assert.equal(read('https://a.test:443/').href, 'https://a.test/');
    assert.equal(read('https://a.test:80/').href, 'https://a.test:80/');
  });

  it('tells an empty query from none', () => {
    assert.equal(read('https://a.test/').query, undefined);
    assert.equal(read('https://a.test/?').query, '');
    assert.equal(read('https://a.test/?a?b').query, 'a?b');
  });

  it('may be as long as the limit says and no longer', () => {
    const start = 'https://a.test/';
    read(start + 'a'.repeat(URL_BYTES_MAX - start.length));
    denied(start + 'a'.repeat(URL_BYTES_MAX - start.length + 1), 'too_long');
    // The limit is in bytes: fewer characters do not help.
    denied(start + 'ä'.repeat(URL_BYTES_MAX / 2), 'too_long');
  });

  it('is printable ASCII from the first to the last character', () => {
    for (const text of [
      ' https://a.test/',
      'https://a.test/ ',
      'https://a.test/\n',
      '\thttps://a.test/',
      'https://a.test/?ä',
    ])
      denied(text, 'illegal_char');
  });

  it('begins with a scheme we speak and two slashes', () => {
    for (const text of ['', '/a', 'https:/a.test/', 'https:a.test', '1https://a.test/', '//a.test/'])
      denied(text, 'not_absolute');
    for (const text of ['ftp://a.test/', 'httpss://a.test/', 'h+t-t.p2://a.test/', 'x://a.test/'])
      denied(text, 'scheme');
  });
});

describe('the host of a URL', () => {
  const label = 'a'.repeat(63);
  it('has labels of letters, digits, hyphens and underscores, of at most 63 characters, 253 in all', () => {
    for (const host of ['a', 'a.b', 'ab.cd', 'a-b.c_d', '_a.b_', 'a1.b2', '1a.x', 'x.1a', 'x.0xg', label])
      assert.equal(read(`https://${host}/`).host, host);
    const longest = `${label}.${label}.${label}.${'a'.repeat(61)}`;
    assert.equal(read(`https://${longest}/`).host, longest);
    for (const host of [
      `${longest}a`,
      `${label}a`,
      `a.${label}a`,
      '-a',
      'a-',
      'b.-a',
      'b.a-',
      'a..b',
      '.a',
      'a$b',
      'a.b!',
    ])
      denied(`https://${host}/`, 'host_syntax');
  });

  it('is there, does not end with a dot, holds no percent sign and no credentials', () => {
    denied('https:///a', 'empty_host');
    denied('https://?a', 'empty_host');
    denied('https://:443/', 'host_syntax');
    denied('https://a.test./', 'trailing_dot');
    denied('https://a%2etest/', 'host_encoding');
    denied('https://u:p@a.test/', 'userinfo');
    denied('https://@a.test/', 'userinfo');
  });

  it('is an address only as four plain decimals', () => {
    for (const host of ['1.2.3.4', '0.0.0.0', '10.20.199.255', '192.168.100.249', '250.251.9.99'])
      assert.deepEqual([read(`https://${host}/`).host, read(`https://${host}/`).ipLiteral], [host, true]);
    for (const host of [
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '01.2.3.4',
      '1.2.3.04',
      '0x1.2.3.4',
      '1',
      '0x',
      '0x7f',
      'a.1',
    ])
      denied(`https://${host}/`, 'ip_literal');
    denied('https://1.2.3.0x4/', 'ip_literal');
    denied('https://a.0X1f/', 'ip_literal');
  });

  it('is an IPv6 address only in the spelling of the platform, in either case', () => {
    assert.deepEqual(
      { ...read('https://[2001:DB8::1]:8443/a') },
      {
        href: 'https://[2001:db8::1]:8443/a',
        scheme: 'https',
        host: '2001:db8::1',
        port: 8443,
        path: '/a',
        query: undefined,
        ipLiteral: true,
      },
    );
    assert.equal(read('http://[::1]/').port, 80);
    for (const host of [
      '[::01]',
      '[0:0:0:0:0:0:0:1]',
      '[::ffff:1.2.3.4]',
      '[1.2.3.4]',
      '[::1',
      '[]',
      '[a.test]',
      '[::1]x',
      'x[::1]',
      '[:::]',
    ])
      denied(`https://${host}/`, 'ip_literal');
    denied('https://[::1]:/', 'port_syntax');
    denied('https://[::1]:99999/', 'port');
  });

  it('may be followed by a port from 1 to 65535 without leading zeros', () => {
    for (const port of [1, 9, 10, 8080, 65_535]) assert.equal(read(`https://a.test:${port}/`).port, port);
    for (const port of ['', '0', '080', '-1', '1a', 'a1', '1:2', '100000', '+1'])
      denied(`https://a.test:${port}/`, 'port_syntax');
    for (const port of ['65536', '99999']) denied(`https://a.test:${port}/`, 'port');
  });
});

describe('the path of a URL', () => {
  it('holds the characters of RFC 3986 3.3 and no others', () => {
    const allowed = new Set("-._~!$&'()*+,=:@/");
    const special: Readonly<Record<string, string>> = {
      ';': 'semicolon',
      '\\': 'backslash',
      '#': 'fragment',
      '%': 'bad_percent',
    };
    for (const char of printable) {
      const text = `https://a.test/x${char}x`;
      if (/[A-Za-z0-9]/.test(char) || allowed.has(char) || char === '?') read(text);
      else denied(text, special[char] ?? 'illegal_path_char');
    }
  });

  it('holds an encoded byte only where every server decodes it to the same and none to a sign of its own', () => {
    const reasonOf = (byte: number): string | undefined => {
      if (byte < 0x20 || byte === 0x7f) return 'encoded_control';
      const char = String.fromCharCode(byte);
      if (char === '%') return 'double_encoding';
      if (char === '\\') return 'encoded_backslash';
      if (char === ';') return 'semicolon';
      return /[A-Za-z0-9\-._~]/.test(char) ? 'non_canonical_encoding' : undefined;
    };
    for (let byte = 0; byte < 0x80; byte += 1) {
      const hex = byte.toString(16).padStart(2, '0');
      for (const code of [hex, hex.toUpperCase()]) {
        const reason = reasonOf(byte);
        if (reason === undefined) read(`https://a.test/x%${code}x`);
        else denied(`https://a.test/x%${code}x`, reason);
      }
    }
  });

  it('has two hexadecimal digits behind every percent sign', () => {
    for (const first of HEX) for (const second of HEX) read(`https://a.test/?%${first}${second}`);
    for (const text of ['%', '%2', '%2g', '%g2', '%%', '%2%20', 'a%'])
      for (const place of ['/', '/?']) denied(`https://a.test${place}${text}`, 'bad_percent');
  });

  it('is UTF-8 behind the percent signs', () => {
    assert.equal(read('https://a.test/%C3%A4').path, '/%C3%A4');
    for (const text of ['%ff', '%C3', '%C3%28', '%ED%A0%80']) denied(`https://a.test/${text}`, 'bad_utf8');
  });

  it('has no segment of one or two dots, also none that decoding a slash makes', () => {
    for (const path of [
      '/.',
      '/..',
      '/./a',
      '/../a',
      '/a/./b',
      '/a/../b',
      '/a%2F..%2Fb',
      '/a%2f.',
      '/%2e%2E/a',
      '/%2e',
    ])
      denied(`https://a.test${path}`, 'dot_segment');
    for (const path of ['/...', '/.a', '/a.', '/..a', '/a../b']) read(`https://a.test${path}`);
  });

  it('has no empty segment inside, and may end with one', () => {
    denied('https://a.test//a', 'empty_segment');
    denied('https://a.test/a//', 'empty_segment');
    read('https://a.test/a/');
    denied('https://a.test', 'path_prefix');
    denied('https://a.test?a', 'path_prefix');
  });

  it('holds no letter that folds into a slash, a dot or a backslash', () => {
    for (const char of ['\uff0f', '\uff0e', '\u2024', '\ufe68', '\u2026', '\u2100'])
      denied(`https://a.test/${encodeURIComponent(char)}`, 'unicode_confusable');
    // Full-width a, an umlaut, and a ligature of two letters.
    for (const char of ['\uff41', '\u00e4', '\ufb01']) read(`https://a.test/${encodeURIComponent(char)}`);
  });
});

describe('the query of a URL', () => {
  it('holds the characters of RFC 3986 3.4 but the apostrophe', () => {
    const allowed = new Set('-._~!$&()*+,;=:@/?');
    const special: Readonly<Record<string, string>> = {
      '\\': 'backslash',
      '#': 'fragment',
      '%': 'bad_percent',
    };
    for (const char of printable) {
      const text = `https://a.test/?x${char}x`;
      if (/[A-Za-z0-9]/.test(char) || allowed.has(char)) read(text);
      else denied(text, special[char] ?? 'illegal_query_char');
    }
  });
});

describe('a URL is bound to its service', () => {
  const BINDING: Binding = {
    scheme: 'https',
    host: 'api.a.test',
    port: 443,
    path: '/v1',
    hosts: ['*.b.test', 'c.test', '*.0.0.1', '127.0.0.1'],
  };
  const bind = (text: string, binding = BINDING): unknown => {
    const bound = bindUrl(read(text), binding);
    return bound.ok ? bound.value : bound.fault.metadata['reason'];
  };

  it('by scheme, host, port and base path, each of them exactly', () => {
    assert.deepEqual(bind('https://api.a.test/v1/x/y?q'), { relativePath: '/x/y' });
    assert.deepEqual(bind('https://api.a.test/v1/'), { relativePath: '/' });
    assert.equal(bind('http://api.a.test:443/v1/x'), 'scheme');
    assert.equal(bind('https://a.test/v1/x'), 'host');
    assert.equal(bind('https://api.a.test:444/v1/x'), 'port');
    for (const path of ['/v1', '/v2/x', '/v12/x', '/V1/x', '/'])
      assert.equal(bind(`https://api.a.test${path}`), 'path_prefix', path);
  });

  it('by further hosts, where a star covers exactly one label', () => {
    for (const host of ['x.b.test', 'y-1.b.test', 'c.test'])
      assert.deepEqual(bind(`https://${host}/v1/x`), { relativePath: '/x' }, host);
    for (const host of ['b.test', 'x.y.b.test', 'x.c.test', 'xb.test', 'b.test.x', 'xxc.test', 'test'])
      assert.equal(bind(`https://${host}/v1/x`), 'host', host);
    assert.equal(bind('https://x.b.test/v1/x', { ...BINDING, hosts: [] }), 'host');
  });

  it('at an address only where the service itself is bound to that address', () => {
    assert.equal(bind('https://127.0.0.1/v1/x'), 'ip_literal');
    assert.equal(bind('https://[::1]/v1/x'), 'ip_literal');
    for (const host of ['127.0.0.1', '::1']) {
      const text = `https://${host.includes(':') ? `[${host}]` : host}/v1/x`;
      assert.deepEqual(bind(text, { ...BINDING, host }), { relativePath: '/x' });
    }
  });
});
