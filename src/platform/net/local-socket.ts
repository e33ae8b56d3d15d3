// Talks to the running appliance over its local socket; whoever may open the socket is the person `local`.

import { request } from 'node:http';
import { join } from 'node:path';
import { SOCKET_TIMEOUT_MS } from '#kernel/limits.ts';

export type SocketAnswer = { readonly status: number; readonly body: unknown };

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

/** `undefined`: nobody listens on the socket. */
export function callSocket(
  path: string,
  call: { method: string; route: string; body?: unknown },
): Promise<SocketAnswer | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', host: 'localhost' };
    const outgoing = request(
      { socketPath: path, method: call.method, path: call.route, headers, timeout: SOCKET_TIMEOUT_MS },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            body: JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown,
          }),
        );
        response.on('error', reject);
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('the appliance does not answer on its socket')));
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined);
      else reject(error);
    });
    outgoing.end(call.body === undefined ? undefined : JSON.stringify(call.body));
  });
}
