// A flood is said once per key and window; the memory of it has a bound.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFold, createTally } from '#kernel/fold.ts';

test('a key is due once per window, each key for itself', () => {
  const fold = createFold({ windowMs: 60, keysMax: 10 });
  assert.deepEqual(
    [0, 59, 60, 119].map((now) => fold.due('a', now)),
    [true, false, true, false],
  );
  assert.equal(fold.due('b', 1), true);
});

test('invariant 9: beyond the bound the key that was said longest ago is forgotten', () => {
  const fold = createFold({ windowMs: 1_000, keysMax: 2 });
  for (const key of ['a', 'b', 'c']) assert.equal(fold.due(key, 0), true);
  assert.equal(fold.due('c', 1), false);
  assert.equal(fold.due('b', 1), false);
  assert.equal(fold.due('a', 1), true, 'a made room for c');
});

test('a tally says the first of a window, and tells the number of the rest with the next or when the window is over', () => {
  const tally = createTally<string>({ windowMs: 60, keysMax: 10 });
  const notes = [0, 1, 59, 60, 61].map((now) => tally.note('a', `at ${now}`, now));
  assert.deepEqual(notes, [0, undefined, undefined, 2, undefined]);
  assert.deepEqual(tally.unsaid(119), []);
  assert.deepEqual(tally.unsaid(120), [{ what: 'at 61', times: 1 }]);
  assert.deepEqual(tally.unsaid(120), [], 'said once');
  assert.equal(tally.note('a', 'again', 121), 0);
  assert.equal(tally.note('a', 'and again', 122), undefined);
  assert.deepEqual(tally.unsaid(122, true), [{ what: 'and again', times: 1 }], 'at the end all is told');
});

test('invariant 9: a tally with all its windows open says each of a further key, so that none is lost', () => {
  const tally = createTally<number>({ windowMs: 1_000, keysMax: 2 });
  assert.deepEqual([tally.note('a', 1, 0), tally.note('b', 1, 0)], [0, 0]);
  assert.deepEqual([tally.note('c', 1, 0), tally.note('c', 1, 1)], [0, 0]);
  assert.equal(tally.note('a', 1, 1), undefined);
});
