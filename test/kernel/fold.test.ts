// A flood is said once per key and window; the memory of it has a bound.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFold } from '#kernel/fold.ts';

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
