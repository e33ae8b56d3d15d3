// Metrics keep to known words whatever they are given, stay bounded, and cost a call next to nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '#kernel/errors.ts';
import { METRIC_LABEL_VALUES_MAX } from '#kernel/limits.ts';
import { createMeasures, endOf } from '#pipeline/measure.ts';
import { readExposition } from '#test/support/exposition.ts';

const measured = (isService: (name: string) => boolean = () => true) => {
  const measures = createMeasures('1.2.3');
  measures.look({
    isService,
    callsInFlight: () => 3,
    connections: () => 4,
    writerQueue: () => 5,
    logAvailable: () => true,
    freeBytes: () => 6,
    clockBehindMs: () => 7_000,
  });
  return { measures, read: async () => readExposition(await measures.text()) };
};

test('a service that the config does not have is unknown, also before there is a config', async () => {
  const { measures, read } = measured((name) => name === 'billing');
  for (const service of ['billing', 'evil\n} 1', null])
    measures.call({ service, action: null, end: 'refused' });
  measures.upstream('gone', 1);
  measures.vaultFailure('gone');
  const { samples, value } = await read();
  const names = samples.flatMap(({ labels }) => labels['service'] ?? []);
  assert.deepEqual([...new Set(names)].sort(), ['billing', 'unknown']);
  assert.equal(value('stack_calls_total', { service: 'unknown', action: 'none' }), 2);
  const early = createMeasures('1.2.3');
  early.call({ service: 'billing', action: null, end: '2xx' });
  assert.equal(readExposition(await early.text()).value('stack_calls_total', { service: 'unknown' }), 1);
});

test('invariant 9: names that reloads bring are bounded; the rest is counted as other', async () => {
  const { measures, read } = measured();
  const more = 50;
  for (let at = 0; at < METRIC_LABEL_VALUES_MAX + more; at += 1)
    measures.call({ service: `s${at}`, action: `s${at}:a:b`, end: '2xx' });
  const { value, samples } = await read();
  assert.equal(value('stack_calls_total'), METRIC_LABEL_VALUES_MAX + more);
  assert.equal(value('stack_calls_total', { service: 'other', action: 'other' }), more);
  const series = samples.filter(({ name }) => name === 'stack_calls_total');
  assert.equal(series.length, METRIC_LABEL_VALUES_MAX + 1);
});

test('gauges are asked when somebody looks', async () => {
  const { value } = await measured().read();
  assert.deepEqual(
    ['stack_calls_in_flight', 'stack_listener_connections', 'stack_writer_queue_units'].map((name) =>
      value(name),
    ),
    [3, 4, 5],
  );
  assert.equal(value('stack_build_info', { version: '1.2.3' }), 1);
});

test('batches, the disk’s refusals and the head of the log', async () => {
  const { measures, read } = measured();
  measures.auditHead(41);
  measures.batch({ units: 2, durationMs: 4, refused: false });
  measures.batch({ units: 300, durationMs: 2_000, refused: true });
  measures.committed([], { lastSeq: 43 });
  measures.committed([], { lastSeq: 42 });
  const { value } = await read();
  assert.equal(value('stack_audit_head_sequence'), 43);
  assert.equal(value('stack_writer_batch_failures_total'), 1);
  assert.equal(value('stack_writer_batch_units_sum'), 302);
  assert.equal(value('stack_writer_commit_duration_seconds_bucket', { le: '0.005' }), 1);
  assert.ok(Math.abs((value('stack_writer_commit_duration_seconds_sum') ?? 0) - 2.004) < 1e-9);
});

test('a verb ends in success, is refused, or fails where it is our fault or the service’s', async () => {
  const { measures, read } = measured();
  measures.operation('stack_list_services', undefined);
  measures.operation('stack_list_services', new Fault('FORBIDDEN'));
  measures.operation('stack_list_services', new Fault('AUDIT_UNAVAILABLE'));
  const { value } = await read();
  for (const outcome of ['success', 'refused', 'failed'])
    assert.equal(value('stack_operations_total', { operation: 'stack_list_services', outcome }), 1, outcome);
  assert.equal(value('stack_refusals_total', { code: 'AUDIT_UNAVAILABLE' }), 1);
});

test('a status is counted by its class, an odd one as other', () => {
  assert.deepEqual([200, 299, 404, 503, 101, 999, 0].map(endOf), [
    '2xx',
    '2xx',
    '4xx',
    '5xx',
    'other',
    'other',
    'other',
  ]);
});
