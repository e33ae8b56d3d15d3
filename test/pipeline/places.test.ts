// Places under way: a lone caller gets a quarter, several share, and one that does not flood always finds a place.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CALLS_IN_FLIGHT_MAX, CALLS_PER_AGENT_IN_FLIGHT_MAX } from '#kernel/limits.ts';
import { createPlaces } from '#pipeline/places.ts';

function flood(places: ReturnType<typeof createPlaces>, holder: string): number {
  let got = 0;
  while (places.enter(holder)) got += 1;
  return got;
}

test('a lone caller gets a quarter, enough for 256 connections', () => {
  assert.equal(flood(createPlaces(CALLS_IN_FLIGHT_MAX), 'a'), CALLS_PER_AGENT_IN_FLIGHT_MAX);
  assert.equal(CALLS_PER_AGENT_IN_FLIGHT_MAX, 256);
});

test('invariant 9: a hundred that flood leave room for the next one, as soon as calls have ended', () => {
  const places = createPlaces(CALLS_IN_FLIGHT_MAX);
  const names = Array.from({ length: 100 }, (_, at) => `flood ${at}`);
  const held = new Map(names.map((name) => [name, flood(places, name)]));
  // Calls end; each flood fills what it may, again and again.
  for (let round = 0; round < 500; round += 1) {
    for (const name of names) {
      const own = held.get(name) ?? 0;
      if (own > 0) places.leave(name);
      held.set(name, Math.max(0, own - 1) + flood(places, name));
    }
  }
  const most = Math.max(...held.values());
  assert.ok(most < 20, `one flood of a hundred holds ${most}`);
  assert.ok(places.taken() <= CALLS_IN_FLIGHT_MAX);
  assert.ok(flood(places, 'polite') > 0);
});

test('what is left can be taken again, by anybody', () => {
  const places = createPlaces(40);
  assert.equal(flood(places, 'a'), 10);
  for (let at = 0; at < 10; at += 1) places.leave('a');
  assert.deepEqual([places.taken(), flood(places, 'b')], [0, 10]);
});
