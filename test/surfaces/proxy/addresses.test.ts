// Where Location and Link may send a client: below the service they lead through the appliance, and to nowhere else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rewriteAddresses } from '#surfaces/proxy/addresses.ts';

const ADDRESSES = {
  baseUrl: 'https://api.example.com/v1',
  proxyUrl: 'http://localhost:7822/proxy/shop',
  requestUrl: 'https://api.example.com/v1/orders/7?page=1',
};
const rewritten = (name: string, value: string) => rewriteAddresses([[name, value]], ADDRESSES);

for (const [given, expected] of [
  ['https://api.example.com/v1/orders?page=2', 'http://localhost:7822/proxy/shop/orders?page=2'],
  ['/v1/orders/8#a', 'http://localhost:7822/proxy/shop/orders/8#a'],
  ['8', 'http://localhost:7822/proxy/shop/orders/8'],
  ['?page=2', 'http://localhost:7822/proxy/shop/orders/7?page=2'],
  ['https://API.example.com:443/v1/a%2Fb', 'http://localhost:7822/proxy/shop/a%2Fb'],
] as const) {
  test(`a redirect to ${given} leads through the appliance`, () => {
    assert.deepEqual(rewritten('location', given), [['location', expected]]);
  });
}

for (const given of [
  'https://evil.test/v1/x',
  // Ours, but another verb or service than the one that was asked: the client would bring our key along.
  'http://localhost:7822/v1/passports/revoke-all',
  '/v2/agents',
  '/v1/../admin',
  '//evil.test/v1/x',
  'https://api.example.com.evil.test/v1/x',
  'https://me@api.example.com/v1/x',
  'https://api.example.com:8443/v1/x',
  'http://api.example.com/v1/x',
  'https://api.example.com/v10/x',
  'javascript:alert(1)',
  'https://',
]) {
  test(`a redirect to ${given} stands under a name that no client follows`, () => {
    assert.deepEqual(rewritten('location', given), [['x-stack-location', given]]);
  });
}

test('links below the service are rewritten one by one, and others are left out', () => {
  const link =
    '<https://api.example.com/v1/orders?page=2>; rel="next", <https://evil.test/steal>; rel="prev", </v1/orders?page=9>; rel="last"';
  const kept =
    '<http://localhost:7822/proxy/shop/orders?page=2>; rel="next", <http://localhost:7822/proxy/shop/orders?page=9>; rel="last"';
  assert.deepEqual(rewritten('link', link), [['link', kept]]);
  assert.deepEqual(rewritten('link', '<https://evil.test/steal>; rel="next"'), []);
  assert.deepEqual(rewritten('link', 'https://evil.test/steal; rel="next"'), []);
});

test('a link that is hidden in a parameter of another one is judged like every link', () => {
  const [kept] = rewritten('link', '</v1/a>; title="<https://evil.test/>; rel=next", <x>; rel="last"');
  assert.ok(!kept?.[1].includes('evil.test'), kept?.[1]);
});

test('an address from which its reader would leave something out is not put together', () => {
  assert.deepEqual(rewritten('location', '/v1/half-of\t-a-secret'), [
    ['x-stack-location', '/v1/half-of\t-a-secret'],
  ]);
  assert.deepEqual(rewritten('link', '</v1/half-of\t-a-secret>; rel="next"'), []);
});

test('other headers stay as they are', () => {
  assert.deepEqual(rewritten('etag', '"https://api.example.com/v1/"'), [
    ['etag', '"https://api.example.com/v1/"'],
  ]);
  assert.deepEqual(rewritten('content-location', 'https://elsewhere.test/'), [
    ['content-location', 'https://elsewhere.test/'],
  ]);
});
