// The redactor takes every literal occurrence of a live secret out of bytes, text and parsed JSON.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileRedactor, REDACTED, type Redactor } from '#pipeline/redact.ts';

function bytesOf(redactor: Redactor, body: Uint8Array): Buffer {
  const stream = redactor.open();
  return Buffer.concat([stream.push(body), stream.end()]);
}

const SECRET = 'canary$&-4f1d"x/9';

test('every occurrence in bytes is replaced, and nothing else', () => {
  const redactor = compileRedactor([SECRET]);
  const body = Buffer.from(`a${SECRET}b${SECRET}${SECRET}c`);
  assert.equal(bytesOf(redactor, body).toString(), `a${REDACTED}b${REDACTED}${REDACTED}c`);
  assert.equal(bytesOf(redactor, Buffer.from('plain')).toString(), 'plain');
});

test('a secret hidden behind JSON escapes is found after parsing, in values and member names', () => {
  const redactor = compileRedactor([SECRET]);
  const parsed = JSON.parse(JSON.stringify({ [SECRET]: [SECRET, { deep: `x${SECRET}` }], n: 1, z: null }));
  assert.equal(JSON.stringify(redactor.json(parsed)).includes('canary'), false);
  assert.deepEqual(redactor.json({ n: 1, z: null, t: true }), { n: 1, z: null, t: true });
});

test('a secret that contains another one is taken whole', () => {
  const redactor = compileRedactor(['abcdefgh', 'abcdefgh-tail']);
  assert.equal(redactor.text('x abcdefgh-tail y'), `x ${REDACTED} y`);
});

test('secrets that overlap are taken together, so that no end of one is left', () => {
  const redactor = compileRedactor(['abcdefgh', 'efghijklmn']);
  assert.equal(redactor.text('x abcdefghijklmn y'), `x ${REDACTED} y`);
  assert.equal(bytesOf(redactor, Buffer.from('abcdefghijklmn')).toString(), REDACTED);
});

test('for any surroundings the output holds no occurrence', () => {
  const redactor = compileRedactor([SECRET]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 64 }), (before, after) => {
      return !bytesOf(redactor, Buffer.concat([before, Buffer.from(SECRET), after])).includes(SECRET);
    }),
  );
});

test('without secrets everything passes as it is', () => {
  const redactor = compileRedactor([]);
  assert.equal(redactor.shortestBytes, Number.POSITIVE_INFINITY);
  assert.equal(redactor.text('as it is'), 'as it is');
});

test('a header name that holds a secret in small letters is known', () => {
  const { inName } = compileRedactor(['Canary-Value-7F3A']);
  assert.ok(inName('x-canary-value-7f3a-b'));
  assert.ok(!inName('x-canary'));
});
