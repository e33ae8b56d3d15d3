// A process of its own that dials under whatever environment it was started with, and prints what it saw as JSON.
// Beside the appliance's dialler it uses Node's own clients, which prove that the environment was in force.
import { get } from 'node:http';
import { connect } from 'node:tls';
import { createUpstream, type UpstreamRequest } from '#platform/net/upstream.ts';

export type Dialling = { readonly tlsPort: number; readonly plainPort: number; readonly caPem?: string };
export type Dialled = {
  /** The code of our own call, or OK. */
  readonly tls: string;
  readonly plain: string;
  /** Whether a client of Node that asks for nothing accepts the certificate. */
  readonly nodeAccepts: boolean;
  /** Body that Node's own HTTP client got from the plain upstream. */
  readonly fetched: string;
};

const { tlsPort, plainPort, caPem } = JSON.parse(process.argv[2] ?? '') as Dialling;

async function call(scheme: 'http' | 'https', port: number): Promise<string> {
  const upstream = createUpstream({ resolver: async () => ['127.0.0.1'], closed: () => false });
  const request: UpstreamRequest = {
    origin: { scheme, host: 'api.service.test', port },
    key: 'service:1',
    network: { kind: 'loopback' },
    caPem,
    method: 'GET',
    path: '/',
    headers: [],
    body: undefined,
    timeoutMs: 5_000,
  };
  const sent = await upstream.send(request, new AbortController().signal);
  if (sent.ok) sent.value.discard();
  await upstream.close();
  return sent.ok ? 'OK' : `${sent.fault.code} ${String(sent.fault.metadata['reason'])}`;
}

const nodeAccepts = new Promise<boolean>((done) => {
  const socket = connect({ port: tlsPort, host: '127.0.0.1', servername: 'api.service.test' }, () => {
    done(true);
    socket.destroy();
  });
  socket.on('error', () => done(false));
});
const fetched = new Promise<string>((done) => {
  get({ host: '127.0.0.1', port: plainPort, timeout: 3_000 }, (response) => {
    response
      .setEncoding('utf8')
      .on('data', done)
      .on('end', () => done(''));
  }).on('error', (error) => done(error.message));
});
const dialled: Dialled = {
  tls: await call('https', tlsPort),
  plain: await call('http', plainPort),
  nodeAccepts: await nodeAccepts,
  fetched: await fetched,
};
process.stdout.write(JSON.stringify(dialled));
