// Talks to the running appliance over its local socket; whoever may open the socket is the person `local`.

import { request } from 'node:http';
import { join } from 'node:path';
import { SOCKET_TIMEOUT_MS } from '#kernel/limits.ts';

export type SocketAnswer = { readonly status: number; readonly body: unknown };
export type SocketCall = {
  readonly method: string;
  readonly route: string;
  readonly body?: unknown;
  /** How long the appliance may be silent. */
  readonly timeoutMs?: number;
};
/** `absent`: nobody listens. `forbidden`: the socket is another user's. `broken`: no whole answer came, what was done is unknown. */
export type SocketText =
  | { readonly kind: 'answer'; readonly status: number; readonly text: string }
  | { readonly kind: 'absent' | 'forbidden' }
  | { readonly kind: 'broken'; readonly reason: string };

/** sun_path of Linux holds 108 bytes with its end. */
const SOCKET_PATH_BYTES_MAX = 107;

/** Where the socket of this data folder is: under XDG_RUNTIME_DIR if the folder's own path is too long for one. */
export function socketPathOf(dataDir: string, environment: (name: string) => string | undefined): string {
  const path = join(dataDir, 'stack.sock');
  const runtime = environment('XDG_RUNTIME_DIR');
  return Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX || runtime === undefined
    ? path
    : join(runtime, 'stack.sock');
}

/** The answer as its JSON value. `undefined`: nobody listens on the socket. */
export async function callSocket(path: string, call: SocketCall): Promise<SocketAnswer | undefined> {
  const answer = await askSocket(path, call);
  if (answer.kind === 'answer') return { status: answer.status, body: JSON.parse(answer.text) as unknown };
  if (answer.kind === 'absent') return undefined;
  throw new Error(answer.kind === 'broken' ? answer.reason : `${path} cannot be opened by this user`);
}

/** The answer as the text that was sent. */
export function askSocket(path: string, call: SocketCall): Promise<SocketText> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', host: 'localhost' };
    const timeout = call.timeoutMs ?? SOCKET_TIMEOUT_MS;
    const failed = (error: NodeJS.ErrnoException): void => resolve(failureOf(error));
    const outgoing = request(
      { socketPath: path, method: call.method, path: call.route, headers, timeout },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            kind: 'answer',
            status: response.statusCode ?? 0,
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
        response.on('error', failed);
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('the appliance does not answer on its socket')));
    outgoing.on('error', failed);
    outgoing.end(call.body === undefined ? undefined : JSON.stringify(call.body));
  });
}

function failureOf({ code, message }: NodeJS.ErrnoException): SocketText {
  if (code === 'ENOENT' || code === 'ECONNREFUSED') return { kind: 'absent' };
  if (code === 'EACCES' || code === 'EPERM') return { kind: 'forbidden' };
  return {
    kind: 'broken',
    reason: code === 'ECONNRESET' ? 'the appliance ended before it answered' : message,
  };
}
