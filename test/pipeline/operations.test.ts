// The operations line where something throws: the caller is told where to find the cause, and nothing of the cause.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import type { Fault } from '#kernel/errors.ts';
import { VERBS_IN_FLIGHT_MAX } from '#kernel/limits.ts';
import { operation } from '#kernel/operation.ts';
import { ok } from '#kernel/result.ts';
import { createMeasures } from '#pipeline/measure.ts';
import { createOperationLine } from '#pipeline/operations.ts';
import { createPlaces } from '#pipeline/places.ts';
import { createTurns } from '#pipeline/turns.ts';

const CAUSE = 'the disk said no';
const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
const caller = { kind: 'person', id: 'local' } as const;

const throwing = operation({
  name: 'stack_throw',
  action: 'test.throw',
  summary: 'Throws.',
  effect: 'read',
  callers: ['person'],
  scope: 'agents:read',
  input: z.strictObject({}),
  output: z.strictObject({}),
  example: { input: {}, output: {} },
  errors: [],
  route: { method: 'GET', path: '/v1/throw' },
  toolset: null,
  line: 'operations',
  run: async () => {
    throw new Error(CAUSE);
  },
});

describe('the operations line', () => {
  it('invariant 10: shows of an unknown error the trace alone, under which the log has it whole', async () => {
    const logged: unknown[] = [];
    const line = createOperationLine({
      host: { nowMs: () => 0 },
      log: { error: (...said: unknown[]) => logged.push(said) },
      authenticator: { caller: async () => ok(caller) },
      measure: createMeasures('0.0.0'),
      places: createPlaces(8),
      turns: createTurns(() => 0),
    } as never);
    const arrival = { presented: {}, trace, source: 'local', signal: new AbortController().signal };
    const answer = await line.invoke(throwing, {}, { ...arrival, caller } as never);
    assert.ok(!answer.ok);
    assert.deepEqual([answer.fault.code, answer.fault.metadata], ['INTERNAL', { trace_id: trace.traceId }]);
    const log = JSON.stringify(logged);
    assert.ok(log.includes(CAUSE) && log.includes(trace.traceId), log);
  });

  it('gives one caller no more places than its share, so that the verbs of another go on', async () => {
    let end = (): void => undefined;
    const ended = new Promise<void>((done) => {
      end = done;
    });
    const slow = operation({
      ...throwing,
      run: async () => {
        await ended;
        return ok({ output: {}, changes: [] });
      },
    });
    const denied: unknown[] = [];
    const places = createPlaces(VERBS_IN_FLIGHT_MAX);
    const line = createOperationLine({
      ...{ host: { nowMs: () => 0 }, measure: createMeasures('0.0.0'), places, turns: createTurns(() => 0) },
      recorder: { denial: async ({ fault }: { fault: Fault }) => void denied.push(fault.code) },
    } as never);
    const from = { presented: {}, trace, source: 'local', signal: new AbortController().signal };
    const invoke = (id: string) => line.invoke(slow, {}, { ...from, caller: { ...caller, id } } as never);
    const flood = Array.from({ length: 200 }, () => invoke('flood'));
    const other = invoke('other');
    end();
    const answers = await Promise.all(flood);
    const refused = answers.filter((answer) => !answer.ok);
    assert.equal(refused.length, 200 - VERBS_IN_FLIGHT_MAX / 4);
    assert.deepEqual([...new Set(denied)], ['RATE_LIMITED']);
    assert.equal((await other).ok, true);
    assert.equal(places.taken(), 0, 'every place was left');
  });
});
