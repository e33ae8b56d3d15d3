// The verb behind `GET /metrics`. Its answer is text and no JSON, so it stands in no registry; the operations line is the same.
import { z } from 'zod';
import { type Operation, operation } from '#kernel/operation.ts';
import { ok } from '#kernel/result.ts';
import type { Measures } from './measure.ts';

export function metricsOperation({ text }: Pick<Measures, 'text'>): Operation {
  return operation({
    name: 'stack_metrics',
    action: 'metrics.read',
    summary: 'What the appliance counts about itself, in the text format of Prometheus.',
    effect: 'read',
    callers: ['key', 'person'],
    scope: 'audit:read',
    input: z.strictObject({}),
    output: z.string().describe('Metrics in the text format, version 0.0.4.'),
    example: { input: {}, output: '# TYPE stack_calls_in_flight gauge\nstack_calls_in_flight 0\n' },
    errors: [],
    route: { method: 'GET', path: '/metrics' },
    toolset: null,
    line: 'operations',
    run: async () => ok({ output: await text(), changes: [] }),
  });
}
