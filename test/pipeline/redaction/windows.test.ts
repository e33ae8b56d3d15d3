// The search gives what trying every window at every place gives, for any windows and texts; what may still become a
// window is known to the byte.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type Pattern, Windows } from '#pipeline/redaction/windows.ts';

type Run = { readonly start: number; readonly end: number };
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const whole = (text: string, owner = 0): Pattern => ({ text, window: text.length, step: 1, owner });

function search(patterns: readonly Pattern[], text: string): readonly (Run & { readonly owner: number })[] {
  const found: (Run & { readonly owner: number })[] = [];
  const finds = {
    owner: -1,
    found: (start: number, end: number) => void found.push({ start, end, owner: finds.owner }),
  };
  // Behind the end stands what no search may look at.
  new Windows(patterns).search(bytes(`${text}${'a'.repeat(40)}`), text.length, finds);
  return found;
}

const windowsOf = ({ text, window, step }: Pattern): readonly string[] =>
  Array.from({ length: Math.max(0, Math.floor((text.length - window) / step) + 1) }, (_, at) =>
    text.slice(at * step, at * step + window),
  );

function expected(patterns: readonly Pattern[], text: string): readonly Run[] {
  const spans = patterns
    .flatMap(windowsOf)
    .flatMap((window) =>
      Array.from({ length: text.length }, (_, start) => start)
        .filter((start) => text.startsWith(window, start))
        .map((start) => ({ start, end: start + window.length })),
    )
    .sort((a, b) => a.start - b.start);
  const runs: { start: number; end: number }[] = [];
  for (const span of spans) {
    const last = runs.at(-1);
    if (last !== undefined && span.start < last.end) last.end = Math.max(last.end, span.end);
    else runs.push({ ...span });
  }
  return runs;
}

const letters = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...'ab'), minLength, maxLength });
/** Windows of several lengths, so that some begin with others. */
const patterns = fc.array(
  fc
    .tuple(letters(8, 20), fc.integer({ min: 8, max: 14 }), fc.constantFrom(1, 2))
    .map(([text, window, step]) => ({ text, window: Math.min(window, text.length), step, owner: 0 })),
  { maxLength: 3 },
);

it('every run of windows is found, to the byte, and nothing else', () => {
  fc.assert(
    fc.property(patterns, fc.array(letters(0, 12), { maxLength: 4 }), fc.nat(2), (all, between, turn) => {
      const pieces = between.map(
        (gap, at) => `${gap}${all[(at + turn) % Math.max(1, all.length)]?.text ?? ''}`,
      );
      const text = pieces.join('');
      const found = search(all, text).map(({ start, end }) => ({ start, end }));
      assert.deepEqual(found, expected(all, text));
    }),
    { numRuns: 300 },
  );
});

it('windows of several lengths are found beside each other, each with its owner', () => {
  const all = [whole('abcdefgh', 1), { text: 'ponmlkjihgfedcba', window: 12, step: 1, owner: 2 }];
  assert.deepEqual(search(all, 'xxabcdefghxxponmlkjihgfedcbaxx'), [
    { start: 2, end: 10, owner: 1 },
    { start: 12, end: 28, owner: 2 },
  ]);
  assert.deepEqual(search(all, 'abcdefghabcdefghponmlkjihgfe'), [
    { start: 0, end: 8, owner: 1 },
    { start: 8, end: 16, owner: 1 },
    { start: 16, end: 28, owner: 2 },
  ]);
  for (const text of ['', 'abcdefg', 'bcdefgh', 'abcdefgxabcdefg', 'ponmlkjihgf'])
    assert.deepEqual(search(all, text), [], text);
});

it('no windows find nothing, and have no shortest', () => {
  const none = new Windows([]);
  assert.deepEqual([none.shortest, none.longest], [Number.POSITIVE_INFINITY, 0]);
  assert.deepEqual(search([], 'some text'), []);
  assert.equal(none.live(bytes('text'), 4), 0);
});

it('the shortest and longest window are known, and the alphabet', () => {
  const { shortest, longest, alphabet } = new Windows([
    whole('abcdefgh'),
    { text: 'hgfedcba\0xyz', window: 12, step: 1, owner: 0 },
  ]);
  assert.deepEqual([shortest, longest], [8, 12]);
  assert.deepEqual(
    [...alphabet.entries()].filter(([, is]) => is === 1).map(([byte]) => String.fromCharCode(byte)),
    [...'abcdefghxyz'],
  );
});

it('what a text ends with is live as long as a window goes on so', () => {
  const windows = new Windows([
    whole('abcdefgh'),
    { text: 'xyabcdeabcdefgxy', window: 12, step: 2, owner: 0 },
  ]);
  const live = (text: string, end = text.length): number => windows.live(bytes(text), end);
  for (const [text, length] of [
    ['', 0],
    ['-', 0],
    ['-a', 1],
    ['-abc', 3],
    ['-abcdefg', 7],
    ['-abcdefgh', 0],
    ['abcdefgx', 1],
    ['-xyabcdeabcd', 11],
    ['-xyabcde', 7],
    ['-abd', 0],
    ['-y', 0],
    ['-bcdea', 4],
    ['-cdeab', 5],
    ['-abcdeabcdef', 11],
  ] as const)
    assert.equal(live(text), length, text);
  assert.equal(live('-abcdefgh', 5), 4);
});
