// JSON requests to a running appliance: over TCP with a key, and over the local socket, which is the person `local`.
import { request } from 'node:http';
import type { Appliance, Installation } from './appliance.ts';
import { assertDocumented } from './documented.ts';

export type Json = Record<string, unknown>;
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Json;
};
export type Sending = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
};

const SOCKET_MS = 15_000;

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return {};
  }
}

/** A request with the key that `init` made; `authorization: ''` in the headers leaves the key out. */
export async function ask(
  to: Pick<Appliance, 'url' | 'apiKey'>,
  path: string,
  sending: Sending = {},
): Promise<Answer> {
  const headers = new Headers({ authorization: `Bearer ${to.apiKey}` });
  for (const [name, value] of Object.entries(sending.headers ?? {})) {
    if (value === '') headers.delete(name);
    else headers.set(name, value);
  }
  const init: RequestInit = {
    method: sending.method ?? (sending.body === undefined ? 'GET' : 'POST'),
    headers,
  };
  if (sending.body !== undefined) {
    headers.set('content-type', 'application/json');
    init.body = JSON.stringify(sending.body);
  }
  const response = await fetch(`${to.url}${path}`, init);
  const text = await response.text();
  const body = parsed(text);
  assertDocumented(init.method ?? 'GET', path, { status: response.status, body });
  return { status: response.status, headers: response.headers, text, body };
}

/** A request over `data_dir/stack.sock`. */
export async function askLocally(to: Installation, path: string, sending: Sending = {}): Promise<Answer> {
  const answer = await overSocket(to, path, sending);
  assertDocumented(sending.method ?? (sending.body === undefined ? 'GET' : 'POST'), path, answer);
  return answer;
}

function overSocket(to: Installation, path: string, sending: Sending): Promise<Answer> {
  const payload = sending.body === undefined ? undefined : JSON.stringify(sending.body);
  const method = sending.method ?? (payload === undefined ? 'GET' : 'POST');
  const headers: Record<string, string> = { host: 'localhost', ...sending.headers };
  if (payload !== undefined) {
    headers['content-type'] = 'application/json';
    headers['content-length'] = String(Buffer.byteLength(payload));
  }
  return new Promise((done, failed) => {
    const signal = AbortSignal.timeout(SOCKET_MS);
    const sent = request({ socketPath: to.socketPath, path, method, headers, signal }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('error', failed);
      response.on('end', () => {
        const seen = new Headers();
        for (const [name, value] of Object.entries(response.headers)) seen.set(name, String(value));
        done({ status: response.statusCode ?? 0, headers: seen, text, body: parsed(text) });
      });
    });
    sent.on('error', failed);
    sent.end(payload);
  });
}
