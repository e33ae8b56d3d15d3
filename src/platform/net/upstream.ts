// The only dialler (invariant 11): one resolution, checked answers, the name kept in Host and SNI, TLS always verified.
// No redirects, retries, cookies, caches, environment proxies or decompression.
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, rootCertificates } from 'node:tls';
import { Pool } from 'undici';
import { asFault, Fault } from '#kernel/errors.ts';
import {
  CONNECT_TIMEOUT_MS,
  RESPONSE_HEADERS_BYTES_MAX,
  UPSTREAM_CONNECTIONS_MAX,
  UPSTREAM_KEEP_ALIVE_MS,
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
  readonly body: Uint8Array | undefined;
  readonly timeoutMs: number;
};
export type UpstreamResponse = {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: AsyncIterable<Uint8Array>;
};
export type Upstream = {
  readonly send: (request: UpstreamRequest, signal: AbortSignal) => Promise<Result<UpstreamResponse>>;
  readonly close: () => Promise<void>;
};

type Deps = { readonly resolver: Resolver; readonly closed: ClosedPlaces };

/** Pools kept; a config has far fewer services with hosts. */
const POOLS_MAX = 256;

export function createUpstream(deps: Deps): Upstream {
  const pools = new Map<string, Pool>();
  const poolOf = (request: UpstreamRequest): Pool => {
    const { scheme, host, port } = request.origin;
    const id = `${request.key} ${scheme}://${host}:${port}`;
    const known = pools.get(id);
    if (known !== undefined) return known;
    const pool = openPool(request, deps);
    pools.set(id, pool);
    const [oldest] = pools.keys();
    if (pools.size > POOLS_MAX && oldest !== undefined) {
      void pools.get(oldest)?.close();
      pools.delete(oldest);
    }
    return pool;
  };
  return {
    send: (request, signal) => send(poolOf(request), request, signal),
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
    },
  };
}

function openPool(request: UpstreamRequest, deps: Deps): Pool {
  const { scheme, host, port } = request.origin;
  const shown = isIP(host) === 6 ? `[${host}]` : host;
  return new Pool(`${scheme}://${shown}:${port}`, {
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
}

async function dial({ origin, network, caPem }: UpstreamRequest, deps: Deps): Promise<Socket> {
  const addresses = await checkedAddresses({ host: origin.host, port: origin.port, network }, deps);
  if (!addresses.ok) throw addresses.fault;
  let last: unknown;
  for (const address of addresses.value) {
    try {
      const socket = await openSocket(address, origin.port);
      return origin.scheme === 'https' ? await secure(socket, origin.host, caPem) : socket;
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

function secure(socket: Socket, host: string, caPem: string | undefined): Promise<Socket> {
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
      reject(unreachable(`${host}: ${error.message}`, 'tls'));
    });
    tls.once('secureConnect', () => {
      clearTimeout(timer);
      resolve(tls);
    });
  });
}

async function send(
  pool: Pool,
  request: UpstreamRequest,
  signal: AbortSignal,
): Promise<Result<UpstreamResponse>> {
  const deadline = AbortSignal.timeout(request.timeoutMs);
  const either = AbortSignal.any([signal, deadline]);
  try {
    const response = await pool.request({
      path: request.path,
      method: request.method as 'GET',
      headers: request.headers.flat(),
      body: request.body ?? null,
      signal: either,
      headersTimeout: request.timeoutMs,
      bodyTimeout: request.timeoutMs,
      responseHeaders: 'raw',
    });
    const headers = pairs(response.headers as unknown as readonly (Buffer | string)[]);
    const framing = framingProblem(headers);
    if (framing !== undefined) {
      response.body.destroy();
      const metadata = { sent: true, upstream_status: response.statusCode, reason: framing };
      return refuse(new Fault('RESPONSE_WITHHELD', { detail: framing, metadata }));
    }
    return ok({ status: response.statusCode, headers, body: chunks(response.body, deadline) });
  } catch (thrown) {
    return refuse(faultOf(thrown, deadline));
  }
}

function pairs(raw: readonly (Buffer | string)[]): [string, string][] {
  const list: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2)
    list.push([String(raw[at]).toLowerCase(), latin1(raw[at + 1])]);
  return list;
}

const latin1 = (value: Buffer | string | undefined): string =>
  typeof value === 'string' ? value : (value?.toString('latin1') ?? '');

/** Two readings of where the body ends are an attack or a fault; either way it is not shown. */
function framingProblem(headers: readonly (readonly [string, string])[]): string | undefined {
  const lengths = new Set(headers.filter(([name]) => name === 'content-length').map(([, value]) => value));
  const coded = headers.some(([name]) => name === 'transfer-encoding');
  if (lengths.size > 1) return 'two content-lengths';
  return coded && lengths.size > 0 ? 'both transfer-encoding and content-length' : undefined;
}

async function* chunks(body: AsyncIterable<Uint8Array>, deadline: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (thrown) {
    throw faultOf(thrown, deadline);
  }
}

/** A fault of the dial says that nothing was sent; anything later may have been. */
function faultOf(thrown: unknown, deadline: AbortSignal): Fault {
  if (thrown instanceof Fault) return thrown;
  if (deadline.aborted)
    return new Fault('UPSTREAM_TIMEOUT', { detail: 'no whole answer in time', metadata: { sent: true } });
  const { name = '', message = '', code = '' } = thrown as { name?: string; message?: string; code?: string };
  if (name === 'AbortError') {
    return new Fault('UPSTREAM_UNREACHABLE', {
      detail: 'the caller went away',
      metadata: { sent: true, reason: 'aborted' },
    });
  }
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new Fault('UPSTREAM_TIMEOUT', { detail: message, metadata: { sent: true } });
  }
  if (
    code.startsWith('HPE_') ||
    code === 'UND_ERR_HEADERS_OVERFLOW' ||
    code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
  ) {
    return new Fault('RESPONSE_WITHHELD', {
      detail: `${code} ${message}`,
      metadata: { sent: true, reason: 'framing' },
    });
  }
  const fault = asFault(thrown);
  return new Fault('UPSTREAM_UNREACHABLE', {
    detail: `${code} ${message}`,
    metadata: { sent: true, reason: 'broken' },
    cause: fault.cause,
  });
}
