// The router: guard, then the path form or one Express app with health, REST and MCP; on the local socket no calls to
// services by path and no MCP.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express, { type Express } from 'express';
import { asFault, Fault } from '#kernel/errors.ts';
import { mountMcp } from '#surfaces/mcp/mount.ts';
import { mountDocuments } from '#surfaces/openapi/mount.ts';
import { createProxyHandler } from '#surfaces/proxy/handler.ts';
import { isProxyTarget } from '#surfaces/proxy/target.ts';
import { mountRest } from '#surfaces/rest/routes.ts';
import { type Channel, expectsContinue, sendFault, sendJson } from './exchange.ts';
import { guardRequest, type HostList } from './guard.ts';
import type { Surface } from './surface.ts';

export function createApp(surface: Surface, channel: Channel, hosts: () => HostList): RequestListener {
  const app = express();
  // Each is work per request that nothing here uses.
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.set('case sensitive routing', true);
  mountHealth(app, surface);
  mountDocuments(app, surface);
  mountRest(app, surface, channel);
  if (channel === 'network') mountMcp(app, surface);
  app.use((_request: IncomingMessage, response: ServerResponse) =>
    sendFault(response, new Fault('NOT_FOUND')),
  );
  app.use((thrown: unknown, _request: IncomingMessage, response: ServerResponse, _next: () => void) => {
    surface.log.error('unexpected error in the router', { error: String(thrown) });
    sendFault(response, asFault(thrown));
  });
  const proxy = channel === 'network' ? createProxyHandler(surface) : undefined;
  const route = app as unknown as RequestListener;
  return (request, response) => {
    const fault = guardRequest(request, channel === 'socket' ? undefined : hosts());
    if (fault !== undefined) return sendFault(response, fault);
    // Beside the router, which would decode the path to find a route: here the raw text is the call.
    if (proxy !== undefined && isProxyTarget(request.url)) return proxy(request, response);
    if (expectsContinue(request)) response.writeContinue();
    route(request, response);
  };
}

/** Read by probes that hold no credential. */
function mountHealth(app: Express, surface: Surface): void {
  app.get('/healthz', (_request, response) =>
    sendJson(response, 200, { status: 'ok', version: surface.version }),
  );
  app.get('/readyz', (_request, response) => {
    const reason = surface.unready();
    if (reason === undefined) sendJson(response, 200, { status: 'ready', version: surface.version });
    else sendJson(response, 503, { status: 'not ready', reason });
  });
}
