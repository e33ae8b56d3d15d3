// The redactor takes every literal occurrence of a live secret out of bytes, text and parsed JSON.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileRedactor, REDACTED } from '#pipeline/redact.ts';

const SECRET = 'canary$&-4f1d"x/9';

test('every occurrence in bytes is replaced, and nothing else', () => {
  const redactor = compileRedactor([SECRET]);
  const body = Buffer.from(`a${SECRET}b${SECRET}${SECRET}c`);
  assert.equal(Buffer.from(redactor.bytes(body)).toString(), `a${REDACTED}b${REDACTED}${REDACTED}c`);
  assert.equal(Buffer.from(redactor.bytes(Buffer.from('plain'))).toString(), 'plain');
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

test('for any surroundings the output holds no occurrence', () => {
  const redactor = compileRedactor([SECRET]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 64 }), (before, after) => {
      const output = redactor.bytes(Buffer.concat([before, Buffer.from(SECRET), after]));
      return !Buffer.from(output).includes(SECRET);
    }),
  );
});

test('without secrets everything passes as it is', () => {
  const redactor = compileRedactor([]);
  assert.equal(redactor.reachBytes, 0);
  assert.equal(redactor.text('as it is'), 'as it is');
});

test('a header name that holds a secret in small letters is known', () => {
  const { inName } = compileRedactor(['Canary-Value-7F3A']);
  assert.ok(inName('x-canary-value-7f3a-b'));
  assert.ok(!inName('x-canary'));
});
