// A running appliance with one service behind the path form, an upstream under a script, and raw requests to it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type Appliance, startAppliance } from './appliance.ts';
import { askLocally, type Json } from './requests.ts';

export const SECRET = 'canary-path-form-7f3a9c51d2e84b06';

export type Script = (request: IncomingMessage, response: ServerResponse) => void;
export type PathForm = {
  readonly appliance: Appliance;
  /** Requests that reached the service, by their raw target. */
  readonly reached: IncomingMessage[];
  /** What the service does with the next requests. */
  readonly script: (script: Script) => void;
  readonly sockets: ReadonlySet<Socket>;
  readonly dispose: () => Promise<void>;
};

const services = (port: number) => `
  shop:
    base_url: http://127.0.0.1:${port}/v1
    network: loopback
    inject: { header: x-shop-key, value: "{secret}" }
    secret: { env: SHOP_KEY }
    headers: { allow: [ x-request-id ], volatile: [ x-request-id ] }
    actions:
      shop:all:use: [ "GET /**", "HEAD /**", "PUT /**", "DELETE /**", "POST /upload/**" ]
      shop:orders:create: [ { call: "POST /orders", where: [ { path: body.total, op: lte, value: 100 } ] } ]
      shop:refunds:create: [ "POST /refunds" ]
    approval: [ shop:refunds:create ]`;

const agents = `
  clerk:
    services: { shop: [ "shop:*" ] }`;

export async function startPathForm(limits: string): Promise<PathForm> {
  const reached: IncomingMessage[] = [];
  const sockets = new Set<Socket>();
  let script: Script = (_request, response) => void response.end('ok');
  const upstream: Server = createServer((request, response) => {
    reached.push(request);
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    script(request, response);
  });
  upstream.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  const appliance = await startAppliance({
    services: services(port),
    agents,
    extra: `limits: { ${limits} }`,
    env: { SHOP_KEY: SECRET },
  });
  return {
    appliance,
    reached,
    sockets,
    script: (next) => {
      script = next;
    },
    dispose: async () => {
      await appliance.dispose();
      upstream.closeAllConnections();
      upstream.close();
    },
  };
}

export type Raw = {
  readonly socket: Socket;
  readonly write: (text: string | Uint8Array) => void;
  /** Everything until the other side closes, or until `mark` is in it. */
  readonly until: (mark?: string) => Promise<string>;
};

/** A client that says exactly what it is told. */
export function rawClient({ port }: Appliance): Raw {
  const socket = connect({ host: '127.0.0.1', port });
  let text = '';
  let wake: () => void = () => undefined;
  let closed = false;
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
    wake();
  });
  socket
    .on('error', () => undefined)
    .on('close', () => {
      closed = true;
      wake();
    });
  return {
    socket,
    write: (bytes) => void socket.write(bytes),
    until: async (mark) => {
      while (!closed && (mark === undefined || !text.includes(mark)))
        await new Promise<void>((done) => {
          wake = done;
        });
      return text;
    },
  };
}

/** A head with the key and the agent, for the service's path. */
export function head(appliance: Appliance, line: string, headers: readonly string[] = []): string {
  const all = [
    `${line} HTTP/1.1`,
    `Host: localhost:${appliance.port}`,
    `Authorization: Bearer ${appliance.apiKey}`,
    'X-Stack-Agent: clerk',
    ...headers,
  ];
  return `${all.join('\r\n')}\r\n\r\n`;
}

/** The newest outcome of a call, once it is there. */
export async function outcome(
  appliance: Appliance,
): Promise<{ readonly outcome: Json; readonly intent: Json }> {
  for (;;) {
    const { body } = await askLocally(appliance, '/v1/audit?limit=20');
    const entries = (body['entries'] as Json[]).filter(({ action }) => action === 'credential.proxy');
    const [last] = entries;
    const intent = entries.find(({ entry_id: id }) => id === last?.['refers_to']);
    if (last !== undefined && intent !== undefined) return { outcome: last, intent };
    await new Promise((done) => setTimeout(done, 20));
  }
}
