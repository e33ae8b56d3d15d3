// Small pieces that the HTTP surfaces share: what a request presents, its body as strict JSON, answers and errors.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeUtf8, toHex } from '#kernel/bytes.ts';
import { envelope, Fault } from '#kernel/errors.ts';
import { REST_BODY_BYTES_MAX, RETRY_AFTER_SECONDS } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { parseStrictJson } from '#kernel/strict-json.ts';
import type { Presented } from '#pipeline/authenticate.ts';
import type { Arrival } from '#pipeline/operations.ts';
import type { Surface } from './surface.ts';

const BEARER = /^Bearer ([!-~]+)$/i;
const JSON_TYPE = /^application\/json\s*(?:;\s*charset=utf-8\s*)?$/i;
/** Sizes of W3C trace context ids. */
const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

export type Channel = 'network' | 'socket';
export type Exchange = { readonly request: IncomingMessage; readonly response: ServerResponse };
/** Answers one request of a route. */
export type Serve = (exchange: Exchange) => Promise<void>;

type Around = Pick<Surface, 'host' | 'peers'>;

/** The channel is the caller on the socket: its file belongs to the owner alone. */
export const arrivalOf = (exchange: Exchange, channel: Channel, around: Around): Arrival => ({
  ...arrivedBy(exchange, channel, around),
  presented: presentedBy(exchange.request, channel),
});

/** The same for a surface that reads by itself what the request presents. */
export function arrivedBy(
  { request, response }: Exchange,
  channel: Channel,
  { host, peers }: Around,
): Omit<Arrival, 'presented'> {
  // Drawn as one: a call makes many small things, and each buffer costs more than its bytes.
  const random = toHex(host.randomBytes(TRACE_ID_BYTES + SPAN_ID_BYTES));
  const trace = { traceId: random.slice(0, 2 * TRACE_ID_BYTES), spanId: random.slice(2 * TRACE_ID_BYTES) };
  const source = channel === 'socket' ? 'local' : peers.sourceOf(request);
  return { trace, source, signal: goneSignal(response) };
}

function presentedBy(request: IncomingMessage, channel: Channel): Presented {
  const { authorization } = request.headers;
  const bearer = authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
  return {
    local: channel === 'socket' && authorization === undefined,
    unreadable: authorization !== undefined && bearer === undefined,
    bearer,
    passport: single(request, 'x-passport-token'),
    agent: single(request, 'x-stack-agent'),
    intent: single(request, 'x-stack-intent'),
  };
}

function single(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Fires when the client closed before its answer was written. Hangs on this answer, since a connection sees many. */
function goneSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** The client waits for `100 Continue` before it sends its body. */
export const expectsContinue = ({ headers, httpVersion }: IncomingMessage): boolean =>
  httpVersion === '1.1' && headers.expect?.toLowerCase() === '100-continue';

/** A body that its client is still sending: who was admitted before it may not be admitted any more when it is there. */
export const isComing = ({ complete, readableLength, headers }: IncomingMessage): boolean =>
  !complete && readableLength !== Number(headers['content-length']);

/** `undefined` where there is no body. Bound: REST_BODY_BYTES_MAX, judged by the declared length first. */
export async function readJson(request: IncomingMessage): Promise<Result<unknown>> {
  const declared = Number(request.headers['content-length'] ?? '0');
  if (declared > REST_BODY_BYTES_MAX) return refuse(new Fault('PAYLOAD_TOO_LARGE'));
  const read = await readBytes(request);
  if (!read.ok) return read;
  if (read.value.length === 0) return ok(undefined);
  if (!JSON_TYPE.test(request.headers['content-type'] ?? ''))
    return refuse(new Fault('UNSUPPORTED_MEDIA_TYPE'));
  const text = decodeUtf8(read.value);
  const parsed = text === undefined ? { ok: false as const, reason: 'not UTF-8' } : parseStrictJson(text);
  if (parsed.ok) return ok(parsed.value);
  return invalidBody(parsed.reason);
}

const invalidBody = (message: string): Result<never> =>
  refuse(new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: '', message }] } }));

const NOTHING = Buffer.alloc(0);

/** Of most requests the body came with the head: no stream has to be gone through. Bound: what a stream holds at once. */
function takeBytes(request: IncomingMessage): Buffer {
  const bytes = request.read() as Buffer | null;
  // Up to its end, which Node waits for before it forgets the request.
  request.resume();
  return bytes ?? NOTHING;
}

async function readBytes(request: IncomingMessage): Promise<Result<Buffer>> {
  if (!isComing(request)) return ok(takeBytes(request));
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > REST_BODY_BYTES_MAX) return refuse(new Fault('PAYLOAD_TOO_LARGE'));
      chunks.push(chunk);
    }
  } catch {
    // The caller went away or broke the framing: no fault of ours, and nobody is left to answer.
    return invalidBody('the body broke off');
  }
  return ok(Buffer.concat(chunks, size));
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return;
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(bytes);
}

export function sendFault(response: ServerResponse, fault: Fault): void {
  if (fault.status === 401) response.setHeader('www-authenticate', challenge(fault));
  if (fault.code === 'RATE_LIMITED') response.setHeader('retry-after', retryAfter(fault));
  // What is left of a refused body is not worth reading.
  if (fault.code === 'PAYLOAD_TOO_LARGE') response.setHeader('connection', 'close');
  sendJson(response, fault.status, envelope(fault));
}

/** Seconds (RFC 9110 10.2.3), the same as in the body. */
function retryAfter({ metadata }: Fault): string {
  const seconds = metadata['retry_after_seconds'];
  return String(typeof seconds === 'number' ? seconds : RETRY_AFTER_SECONDS);
}

/** RFC 6750 3: no error code where nothing was presented. */
function challenge(fault: Fault): string {
  const bare = fault.code === 'UNAUTHORIZED' || fault.code === 'AGENT_UNIDENTIFIED';
  return bare ? 'Bearer realm="stack"' : `Bearer realm="stack", error="invalid_token"`;
}
