// The path form: any method on `/proxy/<service>/…` becomes a call on the traffic line, its body and its answer passed on
// while they come. Translates and decides nothing; an unfinished answer breaks the connection and never looks whole.
import type { IncomingMessage, RequestListener } from 'node:http';
import { assert } from '#kernel/assert.ts';
import { asFault, Fault } from '#kernel/errors.ts';
import type { Operation } from '#kernel/operation.ts';
import { type Call, METHODS, type Upload } from '#pipeline/call.ts';
import { streamed } from '#pipeline/deliver.ts';
import { streamedAndKept } from '#pipeline/keep-stream.ts';
import { arrivedBy, type Exchange, expectsContinue, sendFault } from '#surfaces/http/exchange.ts';
import type { Surface } from '#surfaces/http/surface.ts';
import { rewriteAddresses } from './addresses.ts';
import { type Taken, takeCredentials } from './credentials.ts';
import { createSink } from './sink.ts';
import { readTarget, type Target } from './target.ts';

export function createProxyHandler(surface: Surface): RequestListener {
  const operation = surface.registry.byName('stack_proxy_request');
  assert(operation !== undefined, 'the verb of the path form is missing');
  return (request, response) => {
    serve(surface, operation, { request, response }).catch((thrown: unknown) => {
      surface.log.error('unexpected error on the path form', { error: String(thrown) });
      fail({ request, response }, asFault(thrown));
    });
  };
}

async function serve(surface: Surface, operation: Operation, exchange: Exchange): Promise<void> {
  const { request } = exchange;
  const target = readTarget(request.url ?? '');
  const place = target === undefined ? undefined : surface.place(target.service);
  const taken = takeCredentials(request, place?.keyHeader);
  const arrival = { ...arrivedBy(exchange, 'network', surface), presented: taken.presented };
  // Before the target and the method: a stranger is told 401 and nothing else (invariant 12).
  const caller = await surface.line.admit(operation, arrival);
  if (!caller.ok) return fail(exchange, caller.fault);
  if (target === undefined) return fail(exchange, nowhere());
  const rest = surface.peers.isProxy(request) ? taken.rest.filter(isCallers) : taken.rest;
  const call = callOf(exchange, target, { ...taken, rest });
  if (call === undefined) return fail(exchange, new Fault('METHOD_NOT_ALLOWED'));
  const { trace, signal } = arrival;
  const addresses = {
    baseUrl: place?.baseUrl ?? '',
    proxyUrl: `${surface.publicUrl()}/proxy/${target.service}`,
    requestUrl: `${place?.baseUrl ?? ''}${target.path}`,
  };
  const sink = createSink(exchange.response, (headers) => rewriteAddresses(headers, addresses));
  const answer = await surface.traffic.send({
    caller: caller.value,
    call,
    trace,
    signal,
    to: call.idempotency_key === undefined ? streamed(sink) : streamedAndKept(sink),
  });
  if (!answer.ok) return fail(exchange, answer.fault);
  release(request);
}

/** A proxy before us adds these to every request; from anybody else they are refused with the call. */
const ADDED_BY_PROXIES = /^(?:x-forwarded-[a-z]+|x-real-ip|forwarded|via)$/;
const isCallers = ([name]: readonly [string, string]): boolean => !ADDED_BY_PROXIES.test(name);

const nowhere = (): Fault =>
  new Fault('NOT_FOUND', {
    detail: 'the path names no service',
    next: 'Write /proxy/<service>/ and then the path below its base_url; stack_list_services shows the names.',
  });

function callOf(exchange: Exchange, target: Target, taken: Taken): Call | undefined {
  const method = METHODS.find((known) => known === exchange.request.method);
  if (method === undefined) return undefined;
  const upload = uploadOf(exchange);
  return {
    form: 'request',
    service: target.service,
    method,
    path: target.path,
    headers: taken.rest,
    ...(taken.approvalId === undefined ? {} : { approval_id: taken.approvalId }),
    ...(taken.idempotencyKey === undefined ? {} : { idempotency_key: taken.idempotencyKey }),
    ...(upload === undefined ? {} : { upload }),
  };
}

/** RFC 9112 6.3: there is a body where a length or a transfer coding says so. */
function uploadOf(exchange: Exchange): Upload | undefined {
  const { headers } = exchange.request;
  if (headers['transfer-encoding'] !== undefined)
    return { declaredBytes: undefined, chunks: chunksOf(exchange) };
  const declaredBytes = Number(headers['content-length'] ?? '0');
  return declaredBytes > 0 ? { declaredBytes, chunks: chunksOf(exchange) } : undefined;
}

/** Read on demand: what the service does not take yet stays in the client's socket. */
async function* chunksOf({ request, response }: Exchange): AsyncGenerator<Uint8Array> {
  // Only now is the client told to go on (RFC 9110 10.1.1): the call is allowed and its intent is durable.
  if (expectsContinue(request)) response.writeContinue();
  // The answer may be there before the body is, and still has to go out on this connection.
  yield* request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}

function fail(exchange: Exchange, fault: Fault): void {
  const { request, response } = exchange;
  if (response.headersSent) {
    // To a client of HTTP/1.0, as some proxies are, the end of the connection is the end of the body: it gets a reset.
    if (request.httpVersion === '1.0') request.socket.resetAndDestroy();
    response.destroy();
    return;
  }
  // Ours, and not of the service: no answer of a service keeps a header of this name.
  response.setHeader('x-stack-error', fault.code);
  response.setHeader('content-security-policy', 'sandbox');
  if (fault.code === 'METHOD_NOT_ALLOWED') response.setHeader('allow', METHODS.join(', '));
  // SDKs repeat a 5xx by themselves; this header, which several of them read, keeps them from doing a thing twice.
  if (fault.metadata['sent'] === true) response.setHeader('x-should-retry', 'false');
  // Nobody wants the rest of its body: the connection ends with the answer.
  if (fault.metadata['reason'] === 'cut' && !request.complete) response.setHeader('connection', 'close');
  // The client was never told to send its body and may not; what comes next on this connection would be read as one.
  if (expectsContinue(request) && !request.complete) response.setHeader('connection', 'close');
  sendFault(response, fault);
  release(request);
}

/** The rest of a body that nobody wants: read and thrown away, bounded by the listener's time for a request. */
function release(request: IncomingMessage): void {
  if (!request.complete && !request.destroyed) request.resume();
}
