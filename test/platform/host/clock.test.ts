// Time that never goes back, whatever is done to the machine's clock.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, createClock } from '#platform/host/clock.ts';

const START_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

function machine(): { clock: Clock; pass: (ms: number) => void; set: (ms: number) => void } {
  let wall = START_MS;
  let monotonic = 5;
  const clock = createClock({ wallMs: () => Math.floor(wall), monotonicMs: () => monotonic });
  return {
    clock,
    pass: (ms) => {
      wall += ms;
      monotonic += ms;
    },
    set: (ms) => {
      wall += ms;
    },
  };
}

test('is the machine’s clock as long as that goes forward', () => {
  const { clock, pass, set } = machine();
  pass(1_000);
  assert.equal(clock.nowMs(), START_MS + 1_000);
  set(HOUR_MS);
  assert.equal(clock.nowMs(), START_MS + 1_000 + HOUR_MS);
  assert.equal(clock.behindMs(), 0);
});

test('goes on from where it was when the machine’s clock is set back, and at its pace', () => {
  const { clock, pass, set } = machine();
  pass(1_000);
  assert.equal(clock.nowMs(), START_MS + 1_000);
  set(-HOUR_MS);
  assert.equal(clock.nowMs(), START_MS + 1_000);
  for (let step = 0; step < 10; step += 1) {
    pass(0.4);
    clock.nowMs();
  }
  assert.equal(clock.nowMs(), START_MS + 1_004);
  assert.ok(Math.abs(clock.behindMs() - HOUR_MS) <= 1);
  set(HOUR_MS);
  pass(10);
  assert.ok(Math.abs(clock.nowMs() - START_MS - 1_014) <= 1);
  assert.ok(clock.behindMs() <= 1);
});

test('says once by how much it was set, and nothing while time only passes', () => {
  const { clock, pass, set } = machine();
  pass(HOUR_MS);
  assert.equal(clock.setByMs(), 0);
  set(-HOUR_MS);
  pass(10);
  assert.equal(clock.setByMs(), -HOUR_MS);
  assert.equal(clock.setByMs(), 0);
});

test('is not before a time that the log has seen', () => {
  const { clock, pass } = machine();
  clock.notBefore(START_MS + 5_000);
  assert.equal(clock.nowMs(), START_MS + 5_000);
  clock.notBefore(START_MS);
  pass(1_000);
  assert.equal(clock.nowMs(), START_MS + 6_000);
});
