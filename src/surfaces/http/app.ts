// The router: guard, then what agents call in a loop (the path form, `/v1/proxy`, `/mcp`), or one Express app with health,
// REST and MCP; on the local socket no calls to services by path and no MCP.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import express, { type Express } from 'express';
import { assert } from '#kernel/assert.ts';
import { asFault, Fault } from '#kernel/errors.ts';
import { createFold } from '#kernel/fold.ts';
import { LOG_FOLD_KEYS_MAX, LOG_FOLD_MS, LOG_TEXT_CHARS_MAX } from '#kernel/limits.ts';
import { placeOfPeer } from '#platform/net/address.ts';
import { createMcp, mountMcp } from '#surfaces/mcp/mount.ts';
import { mountDocuments } from '#surfaces/openapi/mount.ts';
import { createProxyHandler } from '#surfaces/proxy/handler.ts';
import { isProxyTarget } from '#surfaces/proxy/target.ts';
import { createRoute, mountRest } from '#surfaces/rest/routes.ts';
import { type Channel, expectsContinue, type Serve, sendFault, sendJson } from './exchange.ts';
import { guardRequest, type HostList } from './guard.ts';
import { mountMetrics } from './metrics.ts';
import { mountStatusList } from './status-list.ts';
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
  mountMetrics(app, surface, channel);
  mountStatusList(app, surface);
  mountRest(app, surface, channel);
  const mcp = channel === 'network' ? createMcp(surface) : undefined;
  if (mcp !== undefined) mountMcp(app, mcp);
  app.use((_request: IncomingMessage, response: ServerResponse) =>
    sendFault(
      response,
      new Fault('NOT_FOUND', { detail: 'no such route', next: 'GET /reference shows every route.' }),
    ),
  );
  const failed = createFailed(surface);
  app.use((thrown: unknown, _request: IncomingMessage, response: ServerResponse, _next: () => void) =>
    failed(response, thrown),
  );
  const proxy = channel === 'network' ? createProxyHandler(surface) : undefined;
  const hot = hotRoutes(surface, { channel, mcp });
  const route = app as unknown as RequestListener;
  const judge = channel === 'network' ? createGuard(surface, hosts) : guardLocal;
  return (request, response) => {
    response.once('finish', () => surface.measure.request(channel, response.statusCode));
    const fault = judge(request);
    if (fault !== undefined) return turnAway(response, fault);
    // Beside the router, which would decode the path to find a route: here the raw text is the call.
    if (proxy !== undefined && isProxyTarget(request.url)) return proxy(request, response);
    if (expectsContinue(request)) response.writeContinue();
    const serve = request.method === 'POST' ? hot.get(request.url ?? '') : undefined;
    if (serve === undefined) return route(request, response);
    serve({ request, response }).catch((thrown: unknown) => failed(response, thrown));
  };
}

type Ways = { readonly channel: Channel; readonly mcp: Serve | undefined };

/**
 * Routes by their exact target: what agents call in a loop is not looked for, as the router does, pattern by pattern. With a
 * query or one slash more it is, and comes to the same handler.
 */
function hotRoutes(surface: Surface, { channel, mcp }: Ways): ReadonlyMap<string, Serve> {
  const proxy = surface.registry.byName('stack_proxy_request');
  assert(proxy !== undefined && proxy.route.method === 'POST', 'the verb that is called most is missing');
  const rest = [proxy.route.path, createRoute(surface, proxy, channel)] as const;
  return new Map(mcp === undefined ? [rest] : [rest, ['/mcp', mcp]]);
}

const createFailed =
  ({ log }: Surface) =>
  (response: ServerResponse, thrown: unknown): void => {
    log.error('unexpected error in the router', { error: String(thrown) });
    sendFault(response, asFault(thrown));
  };

/** Where such a request ends may be a matter of opinion: nothing behind it is read. */
function turnAway(response: ServerResponse, fault: Fault): void {
  response.setHeader('connection', 'close');
  sendFault(response, fault);
}

type Guard = (request: IncomingMessage) => Fault | undefined;

const guardLocal: Guard = (request) => guardRequest(request, undefined);

function createGuard(surface: Surface, hosts: () => HostList): Guard {
  const { measure, peers } = surface;
  const tell = createTeller(surface);
  return (request) => {
    const clear = peers.cameInClear(request) ? new Fault('TLS_REQUIRED') : undefined;
    const fault = guardRequest(request, hosts()) ?? clear;
    if (fault === undefined) return undefined;
    measure.refusal(fault.code);
    tell(peers.sourceOf(request), fault);
    return fault;
  };
}

/** What the guard refuses reaches no record: the operator sees it here, once a minute per source and code. */
function createTeller({ host, log }: Surface): (source: string, fault: Fault) => void {
  const fold = createFold({ windowMs: LOG_FOLD_MS, keysMax: LOG_FOLD_KEYS_MAX });
  return (source, fault) => {
    if (!fold.due(`${placeOfPeer(source)} ${fault.code}`, host.monotonicMs())) return;
    const reason = fault.detail?.slice(0, LOG_TEXT_CHARS_MAX);
    log.warn('request refused', { source, code: fault.code, reason });
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
