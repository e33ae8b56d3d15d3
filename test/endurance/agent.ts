// One agent: a passport and one MCP client's connection, on which it makes one call after the other. A call never throws; what
// came of it stands in the call.
import { Agent, request } from 'node:http';
import type { Socket } from 'node:net';
import type { Call } from './evidence.ts';
import { isOpening, type Message, messageOf, openingOf, type Received, readingOf } from './forms.ts';
import type { Form } from './settings.ts';
import { MARK_HEADER } from './shop.ts';

export type Passport = { readonly token: string; readonly jti: string };
export type Connections = {
  /** All that were opened so far. */
  readonly opened: () => number;
  readonly open: () => number;
};
export type AgentClient = {
  readonly index: number;
  readonly passport: Passport;
  /** Opens the connection as an MCP client does. */
  readonly connect: () => Promise<void>;
  readonly call: (due: { readonly mark: string; readonly dueMs: number }) => Promise<Call>;
  readonly close: () => void;
};
export type Identity = {
  readonly index: number;
  readonly port: number;
  readonly service: number;
  readonly form: Form;
  readonly passport: Passport;
};

/** No call lasts so long: the appliance ends each after 30 s. */
const PATIENCE_MS = 60_000;

/** Counts the connections of all agents. */
export function countConnections(): Connections & { readonly add: (socket: Socket) => void } {
  const known = new WeakSet<Socket>();
  let [opened, open] = [0, 0];
  const add = (socket: Socket): void => {
    if (known.has(socket)) return;
    known.add(socket);
    socket.once('connect', () => {
      opened += 1;
      open += 1;
      socket.once('close', () => {
        open -= 1;
      });
    });
  };
  return { opened: () => opened, open: () => open, add };
}

export function agentClient(identity: Identity, onSocket: (socket: Socket) => void): AgentClient {
  const { index, port, service, form, passport } = identity;
  const wires = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = ({ path, headers, body }: Message): Promise<Received> =>
    new Promise((done, failed) => {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      const host = { host: '127.0.0.1', port, agent: wires };
      const sent = request({
        ...host,
        method: 'POST',
        path,
        headers: { host: `localhost:${port}`, ...headers },
        signal,
      });
      sent.on('socket', onSocket);
      sent.on('error', failed);
      sent.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('error', failed);
        response.on('end', () => {
          const mark = response.headers[MARK_HEADER];
          const all = { headers: response.rawHeaders.join('\n'), text };
          done({ status: response.statusCode ?? 0, markHeader: mark?.toString(), ...all });
        });
      });
      sent.end(body);
    });
  const call: AgentClient['call'] = async ({ mark, dueMs }) => {
    const sentMs = performance.now();
    const made = { mark, agent: index, form, dueMs, sentMs };
    try {
      const received = await send(messageOf({ form, mark, service, token: passport.token }));
      return { ...made, endMs: performance.now(), ...readingOf({ form, mark }, received) };
    } catch (error) {
      return { ...made, endMs: performance.now(), kind: 'cut', why: String(error) };
    }
  };
  const connect = async (): Promise<void> => {
    const answer = await send(openingOf(passport.token));
    if (!isOpening(answer))
      throw new Error(`agent ${index} could not connect: ${answer.status} ${answer.text}`);
  };
  return { index, passport, connect, call, close: () => wires.destroy() };
}
