// The header rule name by name and value by value: what no list opens, what is dropped in silence, and with which words
// everything else is refused.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { REQUEST_HEADER_VALUE_BYTES_MAX, REQUEST_HEADERS_MAX } from '#kernel/limits.ts';
import {
  type BuiltHeaders,
  buildRequestHeaders,
  type HeaderRule,
  isAlwaysAllowed,
  isForbiddenHeader,
} from '#platform/net/request-headers.ts';

type Given = readonly (readonly [name: string, value: unknown])[];
const ENVELOPE: HeaderRule = { allow: ['x-custom'], injected: ['x-token'], form: 'envelope' };
const REQUEST: HeaderRule = { ...ENVELOPE, form: 'request' };

function built(given: Given, rule = ENVELOPE): BuiltHeaders {
  const headers = buildRequestHeaders(given, rule);
  assert.ok(headers.ok, JSON.stringify(given));
  return headers.value;
}

function refused(given: Given, rule = ENVELOPE): { readonly header: unknown; readonly reason: unknown } {
  const headers = buildRequestHeaders(given, rule);
  assert.ok(!headers.ok, `must be refused: ${JSON.stringify(given)}`);
  const { code, detail, metadata } = headers.fault;
  assert.equal(code, 'HEADER_DENIED');
  assert.equal(detail, `${metadata['header']}: ${metadata['reason']}`);
  return { header: metadata['header'], reason: metadata['reason'] };
}
const reason = (name: string, value: unknown, rule = ENVELOPE): unknown =>
  refused([[name, value]], rule).reason;

const words = (text: string): readonly string[] => text.trim().split(/\s+/);
const FORBIDDEN = words(`
  authorization proxy-authorization cookie cookie2 set-cookie set-cookie2 www-authenticate proxy-authenticate x-api-key
  api-key apikey x-auth-token x-access-token x-vault-token private-token job-token x-amz-security-token x-goog-api-key
  ocp-apim-subscription-key x-csrf-token authentication-info x-shopify-access-token dd-api-key x-passport-token
  x-stack-agent x-stack-intent host forwarded via origin referer destination x-host x-real-ip x-client-ip
  true-client-ip cf-connecting-ip x-original-host x-original-url x-rewrite-url x-cluster-client-ip x-proxyuser-ip
  client-ip fastly-client-ip x-envoy-original-path x-backend-server x-http-destinationurl max-forwards x-http-method
  x-http-method-override x-method-override _method x-method connection content-length transfer-encoding
  content-encoding te trailer upgrade expect keep-alive proxy-connection http2-settings accept-encoding alt-svc
  alt-used early-data x-forwarded-for x-forwarded-host proxy-anything sec-fetch-mode x-amz-security-other
  x-stack-anything access-control-request-method`);
const ALWAYS =
  words(`accept accept-language content-type idempotency-key if-match if-modified-since if-none-match
  if-unmodified-since range user-agent`);

describe('a header that carries credential, routing, method or framing', () => {
  for (const name of FORBIDDEN)
    it(`${name} is opened by no list, in no spelling`, () => {
      const spellings = [name, name.toUpperCase(), name.replaceAll('-', '_')];
      for (const spelling of spellings) {
        assert.ok(isForbiddenHeader(spelling), spelling);
        assert.ok(!isAlwaysAllowed(spelling), spelling);
        const rule = { ...ENVELOPE, allow: [spelling.toLowerCase()] };
        if (spelling.toLowerCase() === 'connection') continue;
        assert.equal(reason(spelling, 'a', rule), 'is set by the appliance alone', spelling);
      }
    });

  it('is told from one whose name only holds such a name', () => {
    for (const name of ['x-host-name', 'my-x-forwarded-for', 'x-sec-a', 'not-proxy-a', 'a-x-stack-b', 'x'])
      assert.ok(!isForbiddenHeader(name), name);
  });

  it('is also the one that the credential goes into', () => {
    for (const rule of [ENVELOPE, REQUEST])
      assert.equal(reason('X-Token', 'a', { ...rule, allow: ['x-token'] }), 'is set by the appliance alone');
  });
});

describe('a header that passes', () => {
  for (const name of ALWAYS)
    it(`is ${name}, whatever the service lists`, () => {
      for (const spelling of [name, name.toUpperCase()]) {
        assert.ok(isAlwaysAllowed(spelling), spelling);
        const value = name === 'content-type' ? 'text/plain' : 'a';
        assert.deepEqual(built([[spelling, value]], { ...ENVELOPE, allow: [] }).headers, [[name, value]]);
      }
    });

  it('is one that the service lists, its name in small letters and its value without blanks around', () => {
    assert.deepEqual(built([['X-CUSTOM', ' \ta b\t~! ']]), {
      headers: [['x-custom', 'a b\t~!']],
      dropped: [],
    });
    assert.equal(isAlwaysAllowed('x-custom'), false);
    assert.equal(reason('x-other', 'a'), 'is not listed under headers.allow');
  });

  it('keeps its place among the others', () => {
    const given = [
      ['accept', 'a'],
      ['x-custom', 'b'],
      ['range', ''],
    ] as const;
    assert.deepEqual(built(given), { headers: given, dropped: [] });
  });

  it('stands there once', () => {
    const given = [
      ['accept', 'a'],
      ['Accept', 'b'],
    ] as const;
    for (const rule of [ENVELOPE, REQUEST])
      assert.deepEqual(refused(given, rule), { header: 'Accept', reason: 'is given twice' });
  });

  it('has one line of printable ASCII as its value', () => {
    for (const value of ['a\nb', 'a\r', '\u0000', '\u007f', 'ä', 5, null, undefined, ['a'], {}, true])
      for (const rule of [ENVELOPE, REQUEST])
        assert.equal(reason('accept', value, rule), 'value must be one line of printable ASCII');
    const whole = Array.from({ length: 0x7f - 0x20 }, (_, at) => String.fromCharCode(0x20 + at)).join('');
    assert.deepEqual(built([['x-custom', `a${whole}`]]).headers, [['x-custom', `a${whole}`]]);
  });

  it('is as long as the limit says and no longer', () => {
    const value = 'a'.repeat(REQUEST_HEADER_VALUE_BYTES_MAX);
    assert.deepEqual(built([['x-custom', value]]).headers, [['x-custom', value]]);
    assert.equal(reason('x-custom', `${value}a`), 'value is too long');
  });

  it('has a token of RFC 9110 5.6.2 as its name, which no object carries of itself', () => {
    const allow = ["!#$%&'*+.^_`|~", 'a09z'];
    for (const name of [...allow, 'A09Z'])
      assert.deepEqual(built([[name, 'a']], { ...ENVELOPE, allow }).headers, [[name.toLowerCase(), 'a']]);
    for (const name of [
      '',
      'a b',
      ' a',
      'a ',
      'a:',
      'ä',
      'a\n',
      '(a)',
      '__proto__',
      'constructor',
      'prototype',
    ])
      for (const rule of [ENVELOPE, REQUEST])
        assert.equal(reason(name, 'a', { ...rule, allow: [name] }), 'is no header name', name);
  });

  it('is named in a refusal by no more than its beginning', () => {
    const headers = buildRequestHeaders([['a'.repeat(100), 'a']], ENVELOPE);
    assert.equal(headers.ok ? '' : headers.fault.metadata['header'], 'a'.repeat(64));
  });

  it('holds neither a secret reference nor a token of ours', () => {
    for (const value of ['{secret}', 'a{{secret:b}}', '{ Secret', '{{\tSECRET.x }}', '{  secret'])
      assert.equal(reason('x-custom', value), 'secret references stand in the config only', value);
    for (const value of ['secret', '{a secret}', '{']) built([['x-custom', value]]);
    const key = `sk_live_${'0'.repeat(64)}`;
    for (const rule of [ENVELOPE, REQUEST])
      assert.equal(reason('x-custom', `a ${key}`, rule), 'holds a key or a passport of the appliance');
  });
});

describe('the number of headers', () => {
  const many = (count: number): Given => Array.from({ length: count }, (_, at) => [`x-${at}`, 'a'] as const);
  const allow = many(REQUEST_HEADERS_MAX + 1).map(([name]) => name);

  it('has a bound in an envelope; the listener bounds it on the path form', () => {
    assert.equal(
      built(many(REQUEST_HEADERS_MAX), { ...ENVELOPE, allow }).headers.length,
      REQUEST_HEADERS_MAX,
    );
    assert.deepEqual(refused(many(REQUEST_HEADERS_MAX + 1), { ...ENVELOPE, allow }), {
      header: '',
      reason: `more than ${REQUEST_HEADERS_MAX} headers`,
    });
    const { headers } = built(many(REQUEST_HEADERS_MAX + 1), { ...REQUEST, allow });
    assert.equal(headers.length, REQUEST_HEADERS_MAX + 1);
  });
});

describe('content-type', () => {
  it('is one well-formed media type', () => {
    for (const value of [
      'text/plain',
      'application/vnd.github+json; charset=utf-8',
      'TEXT/HTML;charset=UTF-8',
      'a/b; c="d; e"; f=g',
      'a/b; c=""',
      "a/b; c='x.y'",
      'multipart/form-data; boundary=----x',
    ])
      assert.deepEqual(built([['content-type', ` ${value} `]]).headers, [['content-type', value]]);
    for (const value of [
      '',
      'text',
      'text/',
      '/plain',
      ' / ',
      'text/plain, text/html',
      'x text/plain',
      'text/plain x',
      'text/plain;',
      'text/plain;  a=b',
      'text/plain; a',
      'text/plain; =b',
      'text/plain; a=',
      'text/plain; a=b=c',
      'text/plain; a="b',
      'text/plain; a="b"c',
      'text/plain; a="b\\"',
      'text/plain; a="b"; "',
      'text/plain; a(=b',
      'text/plain; a=(b',
      'te(t/plain',
      'text/pl(in',
    ])
      assert.equal(reason('content-type', value), 'is not a well-formed media type', value);
    // Only here: another header may hold anything.
    assert.deepEqual(built([['accept', 'text']]).headers, [['accept', 'text']]);
  });
});

describe('connection', () => {
  it('names no header but its own', () => {
    for (const rule of [ENVELOPE, REQUEST])
      for (const value of ['close', 'keep-alive', 'Keep-Alive , CLOSE'])
        assert.deepEqual(built([['Connection', value]], rule), { headers: [], dropped: ['connection'] });
    for (const value of [
      'x-custom',
      'close, x-custom',
      'x-custom, close',
      '',
      'close,',
      'te',
      'upgrade',
      'http2-settings',
    ])
      assert.deepEqual(refused([['Connection', value]]), {
        header: 'connection',
        reason: 'may name only close, keep-alive',
      });
  });

  it('may say what clients say who offer h2c, on the path form', () => {
    for (const value of ['Upgrade, HTTP2-Settings', 'TE', 'te, close'])
      assert.deepEqual(built([['connection', value]], REQUEST), { headers: [], dropped: ['connection'] });
    assert.deepEqual(refused([['connection', 'close, authorization']], REQUEST), {
      header: 'connection',
      reason: 'may name only close, keep-alive, te, upgrade, http2-settings',
    });
  });
});

describe('the path form', () => {
  const HOP = words(`accept-encoding alt-used content-length expect host http2-settings keep-alive origin
    proxy-connection referer te trailer sec-fetch-site sec-anything`);
  for (const name of HOP)
    it(`drops ${name}, which is about the client's own hop, and an envelope refuses it`, () => {
      assert.deepEqual(built([[name.toUpperCase(), 'a']], REQUEST), { headers: [], dropped: [name] });
      assert.equal(reason(name, 'a'), 'is set by the appliance alone');
    });

  it('drops what the service does not list, each name once, and says so', () => {
    const given = [
      ['X-Other', 'a'],
      ['x-other', 'b'],
      ['x-sec-a', 'c'],
      ['accept', 'd'],
      ['x-odd', 5],
    ] as const;
    assert.deepEqual(built(given, REQUEST), {
      headers: [['accept', 'd']],
      dropped: ['x-other', 'x-sec-a', 'x-odd'],
    });
  });

  it('keeps a listed header whose name only holds that of a browser', () => {
    const rule = { ...REQUEST, allow: ['x-sec-a'] };
    assert.deepEqual(built([['x-sec-a', 'b']], rule), { headers: [['x-sec-a', 'b']], dropped: [] });
  });

  it('refuses what could be meant for the service and what no client says by itself', () => {
    for (const name of ['authorization', 'cookie', 'x-forwarded-for', 'x-api-key', 'content-encoding'])
      assert.equal(reason(name, 'a', REQUEST), 'is set by the appliance alone', name);
  });

  it('opens no tunnel, and takes a body in chunks only', () => {
    assert.deepEqual(built([['Upgrade', ' H2C ']], REQUEST), { headers: [], dropped: ['upgrade'] });
    assert.deepEqual(refused([['Upgrade', 'websocket']], REQUEST), {
      header: 'upgrade',
      reason: 'no tunnels',
    });
    assert.deepEqual(built([['Transfer-Encoding', ' Chunked ']], REQUEST).dropped, ['transfer-encoding']);
    for (const value of ['gzip', 'gzip, chunked', ''])
      assert.deepEqual(refused([['Transfer-Encoding', value]], REQUEST), {
        header: 'transfer-encoding',
        reason: 'must be chunked',
      });
    assert.equal(reason('upgrade', ['h2c'], REQUEST), 'value must be one line of printable ASCII');
  });
});
