// The only dialler (invariant 11): one resolution, checked answers, the name kept in Host and SNI, TLS always verified.
// No redirects, retries, cookies, caches, environment proxies or decompression.
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, rootCertificates } from 'node:tls';
import type { Dispatcher, Pool } from 'undici';
import { asFault, Fault } from '#kernel/errors.ts';
import {
  CONNECT_TIMEOUT_MS,
  RESPONSE_HEADERS_BYTES_MAX,
  UPSTREAM_ADDRESSES_MAX,
  UPSTREAM_CONNECTIONS_MAX,
  UPSTREAM_KEEP_ALIVE_MS,
  UPSTREAM_POOLS_MAX,
} from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { NetworkRule } from './address.ts';
import { type ClosedPlaces, checkedAddresses, type Resolver } from './resolve.ts';

export type Origin = { readonly scheme: 'http' | 'https'; readonly host: string; readonly port: number };
export type UpstreamRequest = {
  readonly origin: Origin;
  /** Identity of the service definition: connections are never shared between definitions. */
  readonly key: string;
  readonly network: NetworkRule;
  readonly caPem: string | undefined;
  readonly method: string;
  /** Raw path with query. */
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** Until the head of the answer is there; also the longest pause within its body. */
  readonly timeoutMs: number;
  /** How long a body may go on after its head; `undefined`: `timeoutMs` is for the whole of the call. */
  readonly streamMs?: number | undefined;
};
export type UpstreamResponse = {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: AsyncIterable<Uint8Array>;
  /** Closes the connection of a body that nobody is going to read. */
  readonly discard: () => void;
};
/** Where a service is, and how its certificate is judged. */
export type Place = Pick<UpstreamRequest, 'origin' | 'network' | 'caPem'>;
export type Upstream = {
  /** Resolves, connects and shakes hands under all rules, and sends nothing. */
  readonly reach: (place: Place) => Promise<Result<void>>;
  readonly send: (request: UpstreamRequest, signal: AbortSignal) => Promise<Result<UpstreamResponse>>;
  readonly close: () => Promise<void>;
};

type Deps = { readonly resolver: Resolver; readonly closed: ClosedPlaces };

export function createUpstream(deps: Deps): Upstream {
  const pools = new Map<string, Pool>();
  const poolOf = async (request: UpstreamRequest): Promise<Pool> => {
    // With the first call: it would be a good part of the time to start.
    const { Pool } = await import('undici');
    const { scheme, host, port } = request.origin;
    const id = `${request.key} ${scheme}://${host}:${port}`;
    const known = pools.get(id);
    if (known !== undefined) return known;
    const pool = new Pool(`${scheme}://${shown(host)}:${port}`, poolOptions(request, deps));
    pools.set(id, pool);
    const [oldest] = pools.keys();
    if (pools.size > UPSTREAM_POOLS_MAX && oldest !== undefined) {
      void pools.get(oldest)?.close();
      pools.delete(oldest);
    }
    return pool;
  };
  return {
    reach: (place) => reach(place, deps),
    send: async (request, signal) => send(await poolOf(request), request, signal),
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
    },
  };
}

const shown = (host: string): string => (isIP(host) === 6 ? `[${host}]` : host);

const poolOptions = (request: UpstreamRequest, deps: Deps): Pool.Options => ({
  connections: UPSTREAM_CONNECTIONS_MAX,
  pipelining: 1,
  keepAliveTimeout: UPSTREAM_KEEP_ALIVE_MS,
  keepAliveMaxTimeout: UPSTREAM_KEEP_ALIVE_MS,
  maxHeaderSize: RESPONSE_HEADERS_BYTES_MAX,
  allowH2: false,
  connect: (_options, callback) => {
    dial(request, deps).then(
      (socket) => callback(null, socket),
      (thrown: unknown) => callback(thrown instanceof Error ? thrown : new Error(String(thrown)), null),
    );
  },
});

async function reach(place: Place, deps: Deps): Promise<Result<void>> {
  try {
    const socket = await dial(place, deps);
    socket.destroy();
    return ok(undefined);
  } catch (thrown) {
    return refuse(asFault(thrown));
  }
}

async function dial({ origin, network, caPem }: Place, deps: Deps): Promise<Socket> {
  const addresses = await checkedAddresses({ host: origin.host, port: origin.port, network }, deps);
  if (!addresses.ok) throw addresses.fault;
  let last: unknown;
  for (const address of addresses.value.slice(0, UPSTREAM_ADDRESSES_MAX)) {
    try {
      const socket = await openSocket(address, origin.port);
      return origin.scheme === 'https' ? await secure(socket, { host: origin.host, caPem }) : socket;
    } catch (thrown) {
      last = thrown;
    }
  }
  throw last;
}

const unreachable = (detail: string, reason: string): Fault =>
  new Fault('UPSTREAM_UNREACHABLE', { detail, metadata: { sent: false, reason } });

function openSocket(address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: address, port, noDelay: true });
    const timer = setTimeout(() => socket.destroy(new Error('connect timed out')), CONNECT_TIMEOUT_MS);
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(unreachable(`${address}:${port}: ${error.message}`, 'connect'));
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
  });
}

type Peer = { readonly host: string; readonly caPem: string | undefined };

function secure(socket: Socket, { host, caPem }: Peer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const tls = connectTls({
      socket,
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      minVersion: 'TLSv1.2',
      // Said here, so that no environment variable can switch verification off.
      rejectUnauthorized: true,
      ALPNProtocols: ['http/1.1'],
      ...(caPem === undefined ? {} : { ca: [...rootCertificates, caPem] }),
    });
    const timer = setTimeout(() => tls.destroy(new Error('handshake timed out')), CONNECT_TIMEOUT_MS);
    tls.once('error', (error) => {
      clearTimeout(timer);
      // What Node advises after a semicolon is for its own command line.
      reject(unreachable(`${host}: ${error.message.split(';')[0]}`, 'tls'));
    });
    tls.once('secureConnect', () => {
      clearTimeout(timer);
      resolve(tls);
    });
  });
}

/** Whether the first byte of a request may have left. */
type Departure = { departed: boolean; readonly signal: AbortSignal };

/** undici starts a request just before it writes it; until then the request waits for a dial or a free connection. */
function noting(departure: Departure, handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
  return {
    onRequestStart: (controller, context) => {
      departure.departed = !departure.signal.aborted;
      handler.onRequestStart?.(controller, context);
    },
    onRequestUpgrade: (...given) => handler.onRequestUpgrade?.(...given),
    onResponseStart: (controller, status, ...given) => {
      const framing = status < 200 ? undefined : framingProblem(pairs(controller.rawHeaders));
      if (framing === undefined) return handler.onResponseStart?.(controller, status, ...given);
      // Here and not after the fact: an aborted connection is closed, a finished one would be used again.
      const metadata = { sent: true, upstream_status: status, reason: 'framing' };
      controller.abort(new Fault('RESPONSE_WITHHELD', { detail: framing, metadata }));
    },
    onResponseData: (...given) => handler.onResponseData?.(...given),
    onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
    onResponseError: (...given) => handler.onResponseError?.(...given),
  };
}

async function send(
  pool: Pool,
  request: UpstreamRequest,
  signal: AbortSignal,
): Promise<Result<UpstreamResponse>> {
  const deadline = startDeadline(request.timeoutMs);
  const departure: Departure = { departed: false, signal: AbortSignal.any([signal, deadline.signal]) };
  try {
    const response = await Promise.race([exchange(pool, request, departure), neverLeft(departure)]);
    if (request.streamMs !== undefined) deadline.restart(request.streamMs);
    const headers = pairs(response.headers as unknown as RawHeaders);
    const discard = (): void => {
      deadline.stop();
      response.body.on('error', () => undefined).destroy();
    };
    return ok({ status: response.statusCode, headers, body: chunks(response.body, deadline), discard });
  } catch (thrown) {
    deadline.stop();
    return refuse(faultOf(thrown, { deadline: deadline.signal, sent: departure.departed }));
  }
}

type Deadline = {
  readonly signal: AbortSignal;
  readonly restart: (ms: number) => void;
  readonly stop: () => void;
};

function startDeadline(ms: number): Deadline {
  const controller = new AbortController();
  const end = (): void => controller.abort(new DOMException('the time of the call is over', 'TimeoutError'));
  let timer = setTimeout(end, ms);
  return {
    signal: controller.signal,
    restart: (more) => {
      clearTimeout(timer);
      timer = setTimeout(end, more);
    },
    stop: () => clearTimeout(timer),
  };
}

function exchange(
  pool: Pool,
  request: UpstreamRequest,
  departure: Departure,
): Promise<Dispatcher.ResponseData> {
  const noted = pool.compose(
    (dispatch) => (options, handler) => dispatch(options, noting(departure, handler)),
  );
  return noted.request({
    path: request.path,
    method: request.method as 'GET',
    headers: request.headers.flat(),
    // undici takes any iterable and writes it piece by piece; its types name only Node's streams.
    body: (request.body ?? null) as Uint8Array | null,
    signal: departure.signal,
    headersTimeout: request.timeoutMs,
    bodyTimeout: request.timeoutMs,
    responseHeaders: 'raw',
  });
}

/** undici looks at the signal of a waiting request only when its dial has ended; the caller does not wait for that. */
function neverLeft(departure: Departure): Promise<never> {
  const { signal } = departure;
  return new Promise((_resolve, reject) => {
    const end = (): void => {
      if (!departure.departed) reject(signal.reason);
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

type RawHeaders = Dispatcher.DispatchController['rawHeaders'];

function pairs(raw: RawHeaders): [string, string][] {
  const list: [string, string][] = [];
  for (let at = 0; Array.isArray(raw) && at + 1 < raw.length; at += 2)
    list.push([latin1(raw[at]).toLowerCase(), latin1(raw[at + 1])]);
  return list;
}

const latin1 = (value: Buffer | string | undefined): string =>
  typeof value === 'string' ? value : (value?.toString('latin1') ?? '');

/** Two readings of where the body ends are an attack or a fault; either way it is not shown. */
function framingProblem(headers: readonly (readonly [string, string])[]): string | undefined {
  const lengths = new Set(headers.filter(([name]) => name === 'content-length').map(([, value]) => value));
  const codings = headers.filter(([name]) => name === 'transfer-encoding').map(([, value]) => value);
  if (lengths.size > 1) return 'two content-lengths';
  if (codings.length > 0 && lengths.size > 0) return 'both transfer-encoding and content-length';
  // A compressed transfer would hide a secret from the scrubber.
  const plain = codings.length === 0 || codings.join().trim().toLowerCase() === 'chunked';
  return plain ? undefined : `transfer-encoding ${codings.join()}`;
}

async function* chunks(body: AsyncIterable<Uint8Array>, deadline: Deadline): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (thrown) {
    throw faultOf(thrown, { deadline: deadline.signal, sent: true });
  } finally {
    deadline.stop();
  }
}

const WITHHELD = new Set(['UND_ERR_HEADERS_OVERFLOW', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH']);

type Ending = { readonly deadline: AbortSignal; readonly sent: boolean };

/** A fault of the dial says that nothing was sent; anything later may have been. */
function faultOf(thrown: unknown, { deadline, sent }: Ending): Fault {
  if (thrown instanceof Fault) return thrown;
  if (deadline.aborted)
    return new Fault('UPSTREAM_TIMEOUT', { detail: 'no whole answer in time', metadata: { sent } });
  const { name = '', message = '', code = '' } = thrown as { name?: string; message?: string; code?: string };
  if (name === 'AbortError') {
    const metadata = { sent, reason: 'aborted' };
    return new Fault('UPSTREAM_UNREACHABLE', { detail: 'the caller went away', metadata });
  }
  const detail = `${code} ${message}`;
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new Fault('UPSTREAM_TIMEOUT', { detail, metadata: { sent } });
  }
  // The parser's errors carry no code.
  if (name === 'HTTPParserError' || WITHHELD.has(code)) {
    return new Fault('RESPONSE_WITHHELD', { detail, metadata: { sent, reason: 'framing' } });
  }
  const { cause } = asFault(thrown);
  return new Fault('UPSTREAM_UNREACHABLE', { detail, metadata: { sent, reason: 'broken' }, cause });
}
