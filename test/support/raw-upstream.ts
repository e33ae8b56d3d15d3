// Upstreams that misbehave: real sockets under a script, and a call to them through the appliance's own dialler.
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { asFault, type Fault } from '#kernel/errors.ts';
import { compileRedactor } from '#pipeline/redact.ts';
import { createScrub } from '#pipeline/scrub.ts';
import type { Resolver } from '#platform/net/resolve.ts';
import { createUpstream, type Upstream, type UpstreamRequest } from '#platform/net/upstream.ts';

export type RawUpstream = {
  readonly port: number;
  /** Every request as it came, head and body. */
  readonly requests: string[];
  /** TCP connections so far. */
  readonly connections: () => number;
  /** Connections that are open now. */
  readonly open: () => number;
  /** Waits until none is open, and not for long. */
  readonly allClosed: () => Promise<void>;
};
/** Called once per request head, with its number from 0. */
export type Script = (socket: Socket, nth: number) => void;

const CLOSED_MS = 3_000;

/** A test, or whatever else says when it is over. */
export type Ending = { readonly after: (end: () => void) => void };

/** Raw bytes in, raw bytes out. Ends with the test. */
export async function rawUpstream(t: Ending, script: Script, tls?: TlsOptions): Promise<RawUpstream> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const serve = (socket: Socket): void => {
    socket.setEncoding('latin1').on('error', () => undefined);
    socket.on('data', (text: string) => {
      if (!/^(?:GET|HEAD|POST) /.test(text)) {
        requests.push((requests.pop() ?? '') + text);
        return;
      }
      requests.push(text);
      script(socket, requests.length - 1);
    });
  };
  const server: Server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  server.on('tlsClientError', () => undefined);
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const allClosed = async (): Promise<void> => {
    const end = performance.now() + CLOSED_MS;
    while (sockets.size > 0) {
      if (performance.now() > end) throw new Error(`${sockets.size} connections stayed open`);
      await new Promise((done) => setTimeout(done, 10));
    }
  };
  return {
    port: address.port,
    requests,
    connections: () => connections,
    open: () => sockets.size,
    allClosed,
  };
}

/** Answers every request with the same bytes and leaves the connection open. */
export const answering =
  (bytes: string): Script =>
  (socket) =>
    void socket.write(Buffer.from(bytes, 'latin1'));

export type Line = {
  readonly upstream: Upstream;
  readonly call: (
    call: Partial<UpstreamRequest> & { readonly port: number },
    by?: AbortSignal,
  ) => Promise<Seen>;
};
/** What the next step of the line is given: an answer after the scrub, or a refusal. */
export type Seen = {
  readonly code: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly detail: string;
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
};
export type LineSetup = {
  readonly addresses?: readonly string[];
  readonly resolver?: Resolver;
  readonly secrets?: readonly string[];
  readonly bytesMax?: number;
};

const TIMEOUT_MS = 5_000;
const BODY_BYTES_MAX = 1_000_000;
const NOTHING = { code: 'OK', metadata: {}, detail: '', status: 0, headers: [], body: '' };

/** Dials loopback under whatever name the call gives, sends, and scrubs the answer. */
export function openLine(t: Ending, setup: LineSetup = {}): Line {
  const resolver = setup.resolver ?? (async () => setup.addresses ?? ['127.0.0.1']);
  const upstream = createUpstream({ resolver, closed: () => false });
  t.after(() => upstream.close());
  const redactor = compileRedactor((setup.secrets ?? []).map((text) => ({ service: 'shop', text })));
  const scrub = createScrub({ redactor: () => redactor, bytesMax: () => setup.bytesMax ?? BODY_BYTES_MAX });
  return {
    upstream,
    call: async ({ port, ...call }, by = new AbortController().signal) => {
      const origin = call.origin ?? { scheme: 'http', host: 'upstream.test', port };
      const sent = await upstream.send({ ...REQUEST, ...call, origin: { ...origin, port } }, by);
      const seen = sent.ok ? scrub({ response: sent.value } as Parameters<typeof scrub>[0]) : sent;
      if (!seen.ok) return refused(seen.fault);
      const { status, headers, body } = seen.value;
      const parts: Uint8Array[] = [];
      try {
        for await (const part of body) parts.push(part);
      } catch (thrown) {
        return refused(asFault(thrown));
      }
      return { ...NOTHING, status, headers, body: Buffer.concat(parts).toString('latin1') };
    },
  };
}

const refused = ({ code, metadata, detail = '' }: Fault): Seen => ({ ...NOTHING, code, metadata, detail });

const REQUEST: Omit<UpstreamRequest, 'origin'> = {
  key: 'service:1',
  network: { kind: 'loopback' },
  caPem: undefined,
  method: 'GET',
  path: '/thing',
  headers: [['authorization', 'Bearer canary-of-the-call']],
  body: undefined,
  timeoutMs: TIMEOUT_MS,
};
