// The only dialler (invariant 11): one resolution, checked answers, the name kept in Host and SNI, TLS always verified.
// No redirects, retries, cookies, caches, environment proxies or decompression.
import { constants } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, rootCertificates } from 'node:tls';
import type { Pool } from 'undici';
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
import { exchange, type Sending, type UpstreamResponse } from './exchange.ts';
import { type ClosedPlaces, checkedAddresses, type Resolver } from './resolve.ts';

export type Origin = { readonly scheme: 'http' | 'https'; readonly host: string; readonly port: number };
/** The path is raw, with its query. */
export type UpstreamRequest = Omit<Sending, 'headers'> & {
  readonly origin: Origin;
  /** Identity of the service definition: connections are never shared between definitions. */
  readonly key: string;
  readonly network: NetworkRule;
  readonly caPem: string | undefined;
  readonly headers: readonly (readonly [string, string])[];
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
  const open = async (request: UpstreamRequest, id: string): Promise<Pool> => {
    // With the first call: it would be a good part of the time to start.
    const { Pool } = await import('undici');
    const known = pools.get(id);
    if (known !== undefined) return known;
    const { scheme, host, port } = request.origin;
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
    send: (request, signal) => {
      const { scheme, host, port } = request.origin;
      const id = `${request.key} ${scheme}://${host}:${port}`;
      const pool = pools.get(id);
      const sending = sendingOf(request);
      if (pool !== undefined) return exchange(pool, sending, signal);
      return open(request, id).then((opened) => exchange(opened, sending, signal));
    },
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
    },
  };
}

function sendingOf({ headers, ...request }: UpstreamRequest): Sending {
  const flat: string[] = [];
  for (const [name, value] of headers) flat.push(name, value);
  const { method, path, body, timeoutMs, streamMs, handle } = request;
  return { method, path, headers: flat, body, timeoutMs, streamMs, handle };
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

/** The names of a certificate are its owner's text. What Node advises after a semicolon is for its own command line. */
const tlsReason = ({ code, message }: NodeJS.ErrnoException): string =>
  code === 'ERR_TLS_CERT_ALTNAME_INVALID'
    ? 'the certificate is for other names'
    : (message.split(';')[0] ?? message);

type Peer = { readonly host: string; readonly caPem: string | undefined };

function secure(socket: Socket, { host, caPem }: Peer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const tls = connectTls({
      socket,
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      minVersion: 'TLSv1.2',
      // A second handshake could bring another certificate, and the name in it is judged after the first one only.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      // Said here, so that no environment variable can switch verification off.
      rejectUnauthorized: true,
      ALPNProtocols: ['http/1.1'],
      ...(caPem === undefined ? {} : { ca: [...rootCertificates, caPem] }),
    });
    const timer = setTimeout(() => tls.destroy(new Error('handshake timed out')), CONNECT_TIMEOUT_MS);
    tls.once('error', (error) => {
      clearTimeout(timer);
      reject(unreachable(`${host}: ${tlsReason(error)}`, 'tls'));
    });
    tls.once('secureConnect', () => {
      clearTimeout(timer);
      resolve(tls);
    });
  });
}
