// The guard refuses before any route sees the request.
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { guardRequest, hostList } from '#surfaces/http/guard.ts';

const LIST = hostList({
  listenHost: '127.0.0.1',
  port: 7822,
  publicUrl: 'http://localhost:7822',
  hosts: ['stack.corp.example'],
});

function request(url: string, headers: readonly (readonly [string, string])[]): IncomingMessage {
  const map = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
  return { url, httpVersion: '1.1', headers: map, rawHeaders: headers.flat() } as unknown as IncomingMessage;
}

const get = (url: string, ...more: (readonly [string, string])[]) =>
  guardRequest(request(url, [['Host', 'localhost:7822'], ...more]), LIST)?.code;

test('hosts of the list pass without regard to case, all others are refused on every route', () => {
  assert.equal(guardRequest(request('/healthz', [['Host', 'LOCALHOST:7822']]), LIST), undefined);
  assert.equal(guardRequest(request('/healthz', [['Host', 'stack.corp.example']]), LIST), undefined);
  for (const host of ['evil.test', 'localhost:9999', 'localhost.evil.test:7822', '']) {
    assert.equal(guardRequest(request('/healthz', [['Host', host]]), LIST)?.code, 'HOST_DENIED', host);
  }
  assert.equal(guardRequest(request('/healthz', []), LIST)?.code, 'HOST_DENIED');
});

test('a foreign or null web origin is refused, our own passes', () => {
  assert.equal(get('/mcp', ['Origin', 'http://evil.test']), 'ORIGIN_DENIED');
  assert.equal(get('/mcp', ['Origin', 'null']), 'ORIGIN_DENIED');
  assert.equal(get('/mcp', ['Origin', 'http://localhost:7822']), undefined);
});

test('two credentials, two hosts or two body types are refused', () => {
  for (const name of ['Authorization', 'Host', 'X-Passport-Token', 'Content-Type']) {
    assert.equal(get('/v1/agents', [name, 'a'], [name, 'b']), 'INVALID_REQUEST', name);
  }
});

test('a header that only the path form hears is refused elsewhere, and not left unheard', () => {
  for (const name of ['X-Stack-Idempotency-Key', 'X-Stack-Approval']) {
    for (const path of ['/v1/proxy', '/mcp', '/v1/agents'])
      assert.equal(get(path, [name, 'a']), 'INVALID_REQUEST', `${name} ${path}`);
    assert.equal(get('/proxy/shop/x', [name, 'a']), undefined);
    assert.equal(get('/proxy/shop/x', [name, 'a'], [name, 'b']), 'INVALID_REQUEST');
  }
});

test('a token in the query is refused', () => {
  assert.equal(get('/v1/agents?access_token=a'), 'UNAUTHORIZED');
  assert.equal(get('/v1/agents?Passport=a'), 'UNAUTHORIZED');
  assert.equal(get('/v1/agents?limit=1'), undefined);
});

test('so is what a verb takes in its body as a secret, and a key or passport of ours under any name', () => {
  for (const name of ['parent_token', 'challenge_id', 'value'])
    assert.equal(get(`/v1/agents?${name}=a`), 'UNAUTHORIZED', name);
  const header = Buffer.from('{"alg":"EdDSA","kid":"k","typ":"passport+jwt"}').toString('base64url');
  const passport = `${header}.eyJhIjoxfQ.${'A'.repeat(86)}`;
  for (const token of [passport, `sk_live_${'0'.repeat(64)}`]) {
    assert.equal(get(`/v1/passports?cursor=${token}`), 'UNAUTHORIZED');
    assert.equal(
      get(`/v1/passports?cursor=%${token.charCodeAt(0).toString(16)}${token.slice(1)}`),
      'UNAUTHORIZED',
    );
    assert.equal(get(`/v1/passports/${token}/report`), 'UNAUTHORIZED');
  }
  assert.equal(get('/v1/passports?cursor=pp_0'), undefined);
});

test('paths that could mean two things are refused', () => {
  for (const path of [
    '/v1//agents',
    '/v1/agents;x',
    '//evil.test/x',
    '/a/..%2f',
    '/v1/../x',
    '/%2e/x',
    '/a\\b',
    'http://x/',
  ]) {
    assert.ok(get(path) !== undefined, path);
  }
  assert.equal(get('/v1/.well-known/jwks.json'), undefined);
});

test('the path form keeps its raw path for the URL gate, on the network alone; a token of ours is refused under any name', () => {
  const key = `sk_live_${'0'.repeat(64)}`;
  assert.equal(get('/proxy/shop/a%2Fb//c?key=1&token=2'), undefined);
  assert.equal(get(`/proxy/shop/a?x=${key}`), 'UNAUTHORIZED');
  assert.equal(get('/proxy/shop/a', ['Host', 'evil.test']), 'INVALID_REQUEST');
  assert.equal(guardRequest(request('/proxy/shop/a%2Fb', []), undefined)?.code, 'NOT_FOUND');
});

const listAt = (listenHost: string, more: { publicUrl?: string; hosts?: string[]; port?: number } = {}) =>
  hostList({ listenHost, port: 7822, publicUrl: 'https://stack.corp.example', hosts: [], ...more });
const hostAt = (list: ReturnType<typeof hostList>, host: string, ...more: (readonly [string, string])[]) =>
  guardRequest(request('/healthz', [['Host', host], ...more]), list)?.code;

test('behind a proxy the public name passes, with its port or without', () => {
  for (const listen of ['0.0.0.0', '::', '10.0.0.9']) {
    const list = listAt(listen);
    assert.equal(hostAt(list, 'stack.corp.example'), undefined);
    assert.equal(hostAt(list, 'Stack.Corp.Example:443'), undefined);
    for (const host of [
      'stack.corp.example:7822',
      'stack.corp.example.',
      'a.stack.corp.example',
      '10.0.0.8:7822',
    ])
      assert.equal(hostAt(list, host), 'HOST_DENIED', host);
  }
});

test('listening on every address lists none of them: the wildcard is nobody’s name', () => {
  for (const listen of ['0.0.0.0', '::', '0:0::0']) {
    const list = listAt(listen);
    for (const host of ['0.0.0.0:7822', '[::]:7822', '[0:0::0]:7822', '192.0.2.2:7822'])
      assert.equal(hostAt(list, host), 'HOST_DENIED', host);
    assert.equal(hostAt(list, 'localhost:7822'), undefined);
  }
});

test('an IPv6 address passes as it was written and as clients shorten it', () => {
  const list = listAt('2001:DB8:0::5');
  for (const host of ['[2001:db8:0::5]:7822', '[2001:db8::5]:7822', '[2001:DB8::5]:7822', '[::1]:7822'])
    assert.equal(hostAt(list, host), undefined, host);
  for (const host of ['[2001:db8::6]:7822', '2001:db8::5:7822', '[2001:db8::5]', '[2001:db8::5]:80'])
    assert.equal(hostAt(list, host), 'HOST_DENIED', host);
});

test('at the usual port clients leave it out', () => {
  const list = listAt('127.0.0.1', { port: 80, publicUrl: 'http://localhost' });
  for (const host of ['localhost', '127.0.0.1', '[::1]', 'localhost:80'])
    assert.equal(hostAt(list, host), undefined, host);
});

test('forwarded hosts are never read: the Host header alone is judged', () => {
  const list = listAt('0.0.0.0');
  for (const name of ['X-Forwarded-Host', 'Forwarded', 'X-Original-Host', 'X-Host', 'X-Forwarded-Server']) {
    assert.equal(hostAt(list, 'evil.test', [name, 'stack.corp.example']), 'HOST_DENIED', name);
    assert.equal(hostAt(list, 'stack.corp.example', [name, 'evil.test']), undefined, name);
  }
});

test('where the public URL has TLS, a page of that name without it is a stranger', () => {
  const list = listAt('127.0.0.1', { hosts: ['stack.internal'] });
  const origin = (value: string) => hostAt(list, 'stack.corp.example', ['Origin', value]);
  assert.equal(origin('https://stack.corp.example'), undefined);
  assert.equal(origin('https://stack.internal'), undefined);
  for (const value of ['http://stack.corp.example', 'http://stack.internal', 'https://evil.test'])
    assert.equal(origin(value), 'ORIGIN_DENIED', value);
  assert.equal(origin('http://localhost:7822'), undefined, 'our own listener');
});
