// The redactor takes live secrets out of bytes, header lines, text and parsed JSON, and names the service of each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileRedactor, markerOf, type Redactor } from '#pipeline/redact.ts';

function bytesOf(redactor: Redactor, body: Uint8Array): Buffer {
  const stream = redactor.open();
  return Buffer.concat([stream.push(body), stream.end()]);
}

const SECRET = 'canary$&-4f1d"x/9';
const SHOP = markerOf('shop');
const of = (...texts: readonly string[]): Redactor =>
  compileRedactor(texts.map((text) => ({ service: 'shop', text })));

test('every occurrence in bytes is replaced, and nothing else', () => {
  const redactor = of(SECRET);
  const body = Buffer.from(`a${SECRET}b${SECRET}${SECRET}c`);
  assert.equal(bytesOf(redactor, body).toString(), `a${SHOP}b${SHOP}${SHOP}c`);
  assert.equal(bytesOf(redactor, Buffer.from('plain')).toString(), 'plain');
});

test('the marker names the service whose secret it was', () => {
  const redactor = compileRedactor([
    { service: 'shop', text: 'canary-of-the-shop-1' },
    { service: 'bank', text: 'another-of-a-bank-2' },
  ]);
  const text = redactor.text('canary-of-the-shop-1 another-of-a-bank-2');
  assert.equal(text, '[redacted:shop] [redacted:bank]');
});

test('a secret hidden behind JSON escapes is found after parsing, in values and member names', () => {
  const redactor = of(SECRET);
  const parsed = JSON.parse(JSON.stringify({ [SECRET]: [SECRET, { deep: `x${SECRET}` }], n: 1, z: null }));
  assert.equal(JSON.stringify(redactor.json(parsed)).includes('canary'), false);
  assert.deepEqual(redactor.json({ n: 1, z: null, t: true }), { n: 1, z: null, t: true });
});

test('a secret that contains another one is taken whole', () => {
  assert.equal(of('abcdefgh', 'abcdefgh-tail').text('x abcdefgh-tail y'), `x ${SHOP} y`);
});

test('secrets that overlap are taken together, so that no end of one is left', () => {
  const redactor = of('abcdefgh', 'efghijklmn');
  assert.equal(redactor.text('x abcdefghijklmn y'), `x ${SHOP} y`);
  assert.equal(bytesOf(redactor, Buffer.from('abcdefghijklmn')).toString(), SHOP);
});

test('a short secret counts whole, also in base64 and in digits', () => {
  const redactor = of('q7Zk1#xW');
  for (const form of ['q7Zk1#xW', 'cTdaazEjeFc=', '71375a6b31237857', 'q7Zk1%23xW'])
    assert.ok(redactor.text(`<${form}>`).startsWith(`<${SHOP}`), form);
  assert.equal(redactor.text('q7Zk1#x'), 'q7Zk1#x');
});

test('for any surroundings the output holds no occurrence', () => {
  const redactor = of(SECRET);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 64 }), (before, after) => {
      return !bytesOf(redactor, Buffer.concat([before, Buffer.from(SECRET), after])).includes(SECRET);
    }),
  );
});

test('without secrets everything passes as it is', () => {
  const redactor = of();
  assert.equal(redactor.shortestBytes, Number.POSITIVE_INFINITY);
  assert.equal(redactor.text('as it is'), 'as it is');
  assert.equal(bytesOf(redactor, Buffer.from('as %41 it\n is')).toString(), 'as %41 it\n is');
});

test('header lines with a secret in a name or a value are told from clean ones', () => {
  const redactor = of('Canary-Value-7F3A');
  assert.ok(!redactor.clean([['x-canary-value-7f3a-b', '1']]));
  assert.ok(
    !redactor.clean([
      ['a', 'b'],
      ['c', 'key=Canary%2DValue%2d7F3A'],
    ]),
  );
  assert.ok(
    redactor.clean([
      ['x-canary', 'value-7f3a'],
      ['Canary-Val', 'ue-7F3A'],
    ]),
  );
});
