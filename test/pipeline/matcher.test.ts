// The streaming matcher gives what a search of the whole text gives, whatever the chunks; it holds back no byte that
// cannot become part of a pattern, and lets no piece of one out at a border.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileMatcher, type Matcher } from '#pipeline/matcher.ts';

const MARKER = Buffer.from('[*]');

/** Every occurrence by brute force; overlapping ones are one run. */
function expected(text: Buffer, patterns: readonly Buffer[]): string {
  const covered = patterns.flatMap((pattern) => {
    const spans: { start: number; end: number }[] = [];
    for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + 1))
      spans.push({ start: at, end: at + pattern.length });
    return spans;
  });
  covered.sort((a, b) => a.start - b.start);
  const runs: { start: number; end: number }[] = [];
  for (const span of covered) {
    const last = runs.at(-1);
    if (last !== undefined && last.end > span.start) last.end = Math.max(last.end, span.end);
    else runs.push({ ...span });
  }
  let output = '';
  let from = 0;
  for (const { start, end } of runs) {
    output += `${text.subarray(from, start).toString('latin1')}[*]`;
    from = end;
  }
  return output + text.subarray(from).toString('latin1');
}

function streamed(matcher: Matcher, chunks: readonly Buffer[]): string {
  const stream = matcher.open(MARKER);
  const parts = chunks.map((chunk) => Buffer.from(stream.push(chunk)).toString('latin1'));
  return parts.join('') + Buffer.from(stream.end()).toString('latin1');
}

function cut(text: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    chunks.push(text.subarray(at, at + size));
    at += size;
  }
  return [...chunks, text.subarray(at)];
}

/** Few letters, so that prefixes, overlaps and patterns inside patterns come up all the time. */
const letters = (maxLength: number) =>
  fc.array(fc.constantFrom(...'abc'), { minLength: 1, maxLength }).map((all) => Buffer.from(all.join('')));
const sizes = fc.array(fc.nat({ max: 5 }), { maxLength: 60 });

test('for any text, patterns and chunks, the stream gives what a search of the whole gives', () => {
  fc.assert(
    fc.property(letters(80), fc.array(letters(6), { maxLength: 5 }), sizes, (text, patterns, lengths) => {
      const matcher = compileMatcher(patterns);
      assert.equal(streamed(matcher, cut(text, lengths)), expected(text, patterns));
    }),
    { numRuns: 3000 },
  );
});

test('for any secrets in any surroundings, no eight bytes of one come out, wherever the chunks end', () => {
  const secret = fc.string({ minLength: 12, maxLength: 30, unit: fc.constantFrom(...'0123456789abcdef') });
  const around = fc.string({ maxLength: 20, unit: fc.constantFrom(...' {}":,.') });
  fc.assert(
    fc.property(fc.array(secret, { minLength: 1, maxLength: 4 }), around, sizes, (secrets, gap, lengths) => {
      const text = Buffer.from(gap + secrets.map((one) => one + gap).join(''));
      const output = streamed(compileMatcher(secrets.map((one) => Buffer.from(one))), cut(text, lengths));
      for (const one of secrets)
        for (let at = 0; at + 8 <= one.length; at += 1) assert.ok(!output.includes(one.slice(at, at + 8)));
    }),
    { numRuns: 1000 },
  );
});

test('what is held back is the longest live prefix of a pattern and not a byte more', () => {
  fc.assert(
    fc.property(letters(40), fc.array(letters(6), { minLength: 1, maxLength: 4 }), (text, patterns) => {
      fc.pre(!patterns.some((pattern) => text.includes(pattern)));
      const live = patterns.flatMap((pattern) =>
        Array.from({ length: Math.min(pattern.length, text.length + 1) }, (_, size) => size).filter((size) =>
          pattern.subarray(0, size).equals(text.subarray(text.length - size)),
        ),
      );
      const stream = compileMatcher(patterns).open(MARKER);
      assert.equal(stream.push(text).length, text.length - Math.max(0, ...live));
    }),
  );
});

test('an event passes at once, with a secret at its very end, too', () => {
  const stream = compileMatcher([Buffer.from('secret-0123456789')]).open(MARKER);
  const give = (text: string): string => Buffer.from(stream.push(Buffer.from(text))).toString();
  assert.equal(give('data: one\n\n'), 'data: one\n\n');
  assert.equal(give('data: secret-0123456789'), 'data: [*]');
  assert.equal(give('data: sec'), 'data: ');
  assert.equal(give('ond\n\n'), 'second\n\n');
  assert.equal(give('secret-01'), '');
  assert.equal(Buffer.from(stream.end()).toString(), 'secret-01');
});

test('what was given out does not change when more comes', () => {
  const stream = compileMatcher([Buffer.from('abcdefgh')]).open(MARKER);
  stream.push(Buffer.from('abc'));
  const first = stream.push(Buffer.from('x-abcde'));
  const shown = Buffer.from(first).toString();
  for (const more of ['fg', 'zz', 'abcdefgh', 'y'.repeat(1000)]) stream.push(Buffer.from(more));
  assert.equal(shown, 'abcx-');
  assert.equal(Buffer.from(first).toString(), shown);
});

test('a long secret that comes byte by byte, and a text made to hold it back, take linear time', () => {
  const secret = Buffer.from(`${'a'.repeat(60_000)}b`);
  const matcher = compileMatcher([secret]);
  const began = performance.now();
  const stream = matcher.open(MARKER);
  for (const byte of secret) stream.push(Buffer.of(byte));
  assert.equal(
    Buffer.from(matcher.open(MARKER).push(Buffer.alloc(2_000_000, 'a'))).length,
    2_000_000 - 60_000,
  );
  // Quadratic work would be minutes; the bound leaves room for a busy machine.
  assert.ok(performance.now() - began < 10_000);
});

test('without patterns everything passes, and nothing can hold one', () => {
  const matcher = compileMatcher([]);
  assert.equal(streamed(matcher, [Buffer.from('as it is')]), 'as it is');
  assert.equal(matcher.shortestBytes, Number.POSITIVE_INFINITY);
});
