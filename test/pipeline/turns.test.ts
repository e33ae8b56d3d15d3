// Turns to begin: a lone caller never waits; of several each begins as much in a round, and nobody is forgotten.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REQUESTS_PER_ROUND, TURNS_REMEMBERED_MS, TURNS_WAITING_MAX } from '#kernel/limits.ts';
import { createTurns } from '#pipeline/turns.ts';

const round = () => new Promise<void>((next) => setImmediate(next));

function clocked() {
  let nowMs = 0;
  const turns = createTurns(() => nowMs);
  const begun: string[] = [];
  const take = (holder: string, name = holder): void => {
    const turn = turns.take(holder);
    if (turn === undefined) begun.push(name);
    else void turn.then(() => begun.push(name));
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { turns, begun, take, pass };
}

test('a lone caller never waits, however many it begins', () => {
  const { begun, take } = clocked();
  for (let at = 0; at < 1_000; at += 1) take('a');
  assert.equal(begun.length, 1_000);
});

test('beside another a flood begins a few in each round, in their order, and the other at once', async () => {
  const { begun, take } = clocked();
  take('polite');
  for (let at = 0; at < 10; at += 1) take('flood', `flood ${at}`);
  assert.equal(begun.length, 1 + REQUESTS_PER_ROUND);
  await round();
  take('polite');
  assert.equal(begun.at(-1), 'polite', 'no line before the one that does not flood');
  for (let at = 0; at < 20; at += 1) await round();
  const floods = begun.filter((name) => name !== 'polite');
  assert.deepEqual(
    floods,
    Array.from({ length: 10 }, (_, at) => `flood ${at}`),
    'none is forgotten',
  );
});

test('some seconds after the other was last there the flood is alone, and what waits goes on', async () => {
  const { begun, take, pass } = clocked();
  take('polite');
  for (let at = 0; at < 100; at += 1) take('flood');
  pass(TURNS_REMEMBERED_MS);
  take('flood');
  await round();
  await round();
  assert.equal(begun.length, 102);
});

test('invariant 9: so many wait, and no more', () => {
  const { turns, take } = clocked();
  take('polite');
  let waiting = 0;
  for (let at = 0; at < TURNS_WAITING_MAX + 10; at += 1) if (turns.take('flood') !== undefined) waiting += 1;
  assert.equal(waiting, TURNS_WAITING_MAX);
});
