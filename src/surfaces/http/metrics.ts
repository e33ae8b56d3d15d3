// `GET /metrics` for Prometheus: a key or a person (contract 4); the operation decides, the text is shown as it is.
import type { Express, Request, Response } from 'express';
import { Fault } from '#kernel/errors.ts';
import type { Operation } from '#kernel/operation.ts';
import { METRICS_TYPE } from '#platform/metrics/registry.ts';
import { arrivalOf, type Channel, sendFault } from './exchange.ts';
import type { Surface } from './surface.ts';

export function mountMetrics(app: Express, surface: Surface, channel: Channel): void {
  const { metrics } = surface;
  app.all(metrics.route.path, (request: Request, response: Response, next: (error?: unknown) => void) => {
    const arrival = arrivalOf({ request, response }, channel, surface);
    answer(surface, metrics, { request, response, arrival }).catch(next);
  });
}

type Asked = {
  readonly request: Request;
  readonly response: Response;
  readonly arrival: ReturnType<typeof arrivalOf>;
};

async function answer(surface: Surface, metrics: Operation, asked: Asked): Promise<void> {
  const { request, response, arrival } = asked;
  const caller = await surface.line.admit(metrics, arrival);
  if (!caller.ok) return sendFault(response, caller.fault);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET');
    return sendFault(response, new Fault('METHOD_NOT_ALLOWED'));
  }
  const read = await surface.line.invoke(metrics, {}, { ...arrival, caller: caller.value });
  if (!read.ok) return sendFault(response, read.fault);
  const bytes = Buffer.from(String(read.value.output));
  response.writeHead(read.value.status, {
    'content-type': METRICS_TYPE,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(bytes);
}
