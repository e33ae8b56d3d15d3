// JSON that means one thing to every parser; a string may be as long as a body may be.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { REST_BODY_BYTES_MAX } from '#kernel/limits.ts';
import { parseStrictJson } from '#kernel/strict-json.ts';

const reasonOf = (text: string): string => {
  const read = parseStrictJson(text);
  return read.ok ? `taken: ${JSON.stringify(read.value)}` : read.reason;
};

test('a string as long as the largest body is read', () => {
  const long = 'a'.repeat(REST_BODY_BYTES_MAX);
  const read = parseStrictJson(JSON.stringify({ long, escaped: '\\"'.repeat(1_000) }));
  assert.ok(read.ok);
  assert.deepEqual(read.value, { long, escaped: '\\"'.repeat(1_000) });
});

test('a string that is nearly one, as long as that, is refused in linear time', () => {
  for (const text of [
    '"',
    '"a',
    `"${'\\'.repeat(REST_BODY_BYTES_MAX)}`,
    `"${'\\"'.repeat(REST_BODY_BYTES_MAX / 2)}`,
  ])
    assert.match(reasonOf(text), /does not end/);
});

test('raw control characters and bad escapes are refused, good ones are read', () => {
  for (const text of [
    '"a\nb"',
    '"a\tb"',
    '{"a\nb":1}',
    '["short", "a\rb"]',
    '"\u0000"',
    '"\\x41"',
    '"\\u12"',
    '"\\u12g4"',
    '"\\"',
    '"a" "b"',
    "'a'",
  ])
    assert.doesNotMatch(reasonOf(text), /^taken/, JSON.stringify(text));
  assert.equal(reasonOf('"\\ud800"'), 'holds a lone surrogate');
  assert.equal(reasonOf('{"a":"\ud800"}'), 'holds a lone surrogate');
  assert.equal(reasonOf('"\\u0041\\n\\\\\\"\\/"'), 'taken: "A\\n\\\\\\"/"');
});

test('whatever JSON.stringify writes is read as it was', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = JSON.stringify(value);
      fc.pre(!text.includes('"__proto__":'));
      const read = parseStrictJson(text);
      assert.ok(read.ok, text);
      assert.equal(JSON.stringify(read.value), text);
    }),
  );
});

test('blanks between the parts, as people write them, change nothing', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom('  ', '\t', 3), (value, indent) => {
      const text = `\r\n ${JSON.stringify(value, null, indent)}\n`;
      fc.pre(!text.includes('"__proto__":'));
      const read = parseStrictJson(text);
      assert.ok(read.ok, text);
      assert.equal(JSON.stringify(read.value), JSON.stringify(value));
    }),
  );
});
