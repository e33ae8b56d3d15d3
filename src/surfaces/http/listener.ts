// The listeners: a TCP socket and the owner's local socket, under the bounds of kernel/limits.ts.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import {
  LISTENER_CHECK_MS,
  LISTENER_CONNECTIONS_MAX,
  LISTENER_HEADER_BYTES_MAX,
  LISTENER_HEADERS_MAX,
  LISTENER_HEADERS_TIMEOUT_MS,
  LISTENER_KEEP_ALIVE_MS,
  LISTENER_REQUEST_TIMEOUT_MS,
} from '#kernel/limits.ts';
import { urlOf } from '#platform/net/listening.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { Halt } from '#surfaces/cli/halt.ts';

export type Place = { readonly host: string; readonly port: number } | { readonly path: string };
export type Listener = {
  /** The port that was bound; 0 for a local socket. */
  readonly port: number;
  /** Open now. */
  readonly connections: () => number;
  /** Stops accepting, waits for open requests up to `graceMs`, then cuts what is left. */
  readonly close: (graceMs: number) => Promise<void>;
};

export type Refusal = 'peer' | 'full';
export type Door = {
  /** Asked before a byte is read; a connection that is not admitted is reset. */
  readonly admits: (address: string | undefined) => boolean;
  readonly refused: (why: Refusal, address: string | undefined) => void;
};
/** A local socket's file is its guard. */
export const OPEN_DOOR: Door = { admits: () => true, refused: () => undefined };

export async function listen(place: Place, handler: RequestListener, door: Door): Promise<Listener> {
  const server = createServer(
    {
      maxHeaderSize: LISTENER_HEADER_BYTES_MAX,
      connectionsCheckingInterval: LISTENER_CHECK_MS,
      headersTimeout: LISTENER_HEADERS_TIMEOUT_MS,
      requestTimeout: LISTENER_REQUEST_TIMEOUT_MS,
      keepAliveTimeout: LISTENER_KEEP_ALIVE_MS,
      // Both framings, bare LF and the like are refused by the strict parser.
      insecureHTTPParser: false,
      requireHostHeader: true,
    },
    handler,
  );
  server.maxHeadersCount = LISTENER_HEADERS_MAX;
  server.maxConnections = LISTENER_CONNECTIONS_MAX;
  // Whoever reads the body says when to go on; Node itself would ask for it before anyone knows who calls.
  server.on('checkContinue', handler);
  // No tunnels. Node answers an upgrade that nobody listens for as the ordinary request it also is (clients that offer
  // h2c send one with every request), and closes on CONNECT.
  const connections = guard(server, door);
  await bind(server, place);
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { port, connections, close: (graceMs) => shut(server, graceMs) };
}

/** Answers how many connections are open. */
function guard(server: Server, { admits, refused }: Door): () => number {
  let open = 0;
  server.on('connection', (socket: Socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
    const { remoteAddress } = socket;
    if (admits(remoteAddress)) return;
    socket.resetAndDestroy();
    refused('peer', remoteAddress);
  });
  server.on('drop', (facts) => refused('full', facts?.remoteAddress));
  return () => open;
}

function bind(server: Server, place: Place): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      reject(new Halt(sentenceOf(place, error), EXIT.refused));
    server.once('error', failed);
    server.listen('path' in place ? { path: place.path } : { host: place.host, port: place.port }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

/** Contract 1. */ /** What the operator can do something about. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there already',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not; ports below 1024 need CAP_NET_BIND_SERVICE',
};

function sentenceOf(place: Place, { code = '', message }: NodeJS.ErrnoException): string {
  const where = 'path' in place ? place.path : urlOf(place);
  const reason = REASONS[code];
  return `cannot listen on ${where}: ${reason === undefined ? message : `${reason} (${code})`}`;
}

function shut(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
