// Calls that stay open until somebody ends them, in every form a call can have, before a service that notes when it lost them.
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { type PathForm, rawClient } from './path-form.ts';
import { ask, askLocally, type Json } from './requests.ts';

const WAIT_MS = 10_000;

export type Passport = { readonly token: string; readonly jti: string; readonly sessionId: string };

export async function issue(
  { appliance }: Pick<PathForm, 'appliance'>,
  { agent = 'clerk', ttl = 900 } = {},
): Promise<Passport> {
  const intent = { summary: 'stay open', services: ['shop'] };
  const { body } = await askLocally(appliance, '/v1/passports/issue', {
    body: { agent, intent, ttl_seconds: ttl },
  });
  return { token: String(body['token']), jti: String(body['jti']), sessionId: String(body['session_id']) };
}

/** A part of it for another agent, `hops` deep; the last is what the calls are made with. */
export async function delegated(
  { appliance }: Pick<PathForm, 'appliance'>,
  top: Passport,
  hops: number,
): Promise<readonly Passport[]> {
  const chain = [top];
  for (let hop = 0; hop < hops; hop += 1) {
    const intent = { summary: 'stay open', services: ['shop'] };
    const body = { parent_token: chain.at(-1)?.token, child_agent_id: 'clerk', intent };
    const answer = (await askLocally(appliance, '/v1/passports/delegate', { body })).body;
    chain.push({ token: String(answer['token']), jti: String(answer['jti']), sessionId: top.sessionId });
  }
  return chain;
}

/** One call under way, seen from both ends. */
export type OpenCall = {
  /** Everything the client got, when its connection or its answer has ended; and when that was. */
  readonly client: Promise<{ readonly text: string; readonly atMs: number }>;
  /** When the service lost the connection. */
  readonly lostMs: Promise<number>;
  /** The client goes away. */
  readonly leave: () => void;
};

type Opening = { readonly form: PathForm; readonly passport: Passport; readonly key?: string | undefined };

/** How it is counted by whoever cuts it. */
export type Counted = 'requests' | 'streams' | 'calls';
export type OpenForm = {
  readonly counted: Counted;
  readonly open: (opening: Opening) => Promise<OpenCall>;
};

/** Resolves with the answer that the service is to give, when the request is there. */
function arrival(form: PathForm): {
  readonly response: Promise<ServerResponse>;
  readonly lostMs: Promise<number>;
} {
  const there = Promise.withResolvers<ServerResponse>();
  const lost = Promise.withResolvers<number>();
  form.script((request, response) => {
    request.resume();
    response.on('close', () => lost.resolve(performance.now()));
    there.resolve(response);
  });
  return { response: inTime(there.promise, 'the call did not reach the service'), lostMs: lost.promise };
}

export function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(what)), WAIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const bearer = ({ token }: Passport): string => `Authorization: Bearer ${token}`;

/** Words of a request on the path form, and whatever comes back. */
export function rawCall({ form, passport, key }: Opening, line: string, headers: readonly string[] = []) {
  const client = rawClient(form.appliance);
  const named = key === undefined ? [] : [`X-Stack-Idempotency-Key: ${key}`];
  const host = `Host: localhost:${form.appliance.port}`;
  client.write([`${line} HTTP/1.1`, host, bearer(passport), ...named, ...headers, '', ''].join('\r\n'));
  return client;
}

/** The path form; `begin` says how far the answer has come before the call counts as open. */
const byPath =
  (begin: (response: ServerResponse) => void, line = 'GET /proxy/shop/stream', body = '') =>
  async (opening: Opening): Promise<OpenCall> => {
    const { response, lostMs } = arrival(opening.form);
    const client = rawCall(opening, line, body === '' ? [] : ['Transfer-Encoding: chunked']);
    if (body !== '') client.write(`${body.length.toString(16)}\r\n${body}\r\n`);
    begin(await response);
    if (begin !== nothing) await client.until('first');
    return {
      client: client.until('PASSPORT_').then((text) => ({ text, atMs: performance.now() })),
      lostMs,
      leave: () => void client.socket.destroy(),
    };
  };

const nothing = (_response: ServerResponse): void => undefined;
const first = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('data: first\n\n');
};

/** One POST whose answer comes when the call has ended. */
const byPost =
  (path: string, body: (key: string | undefined) => Json) =>
  async ({ form, passport, key }: Opening): Promise<OpenCall> => {
    const { response, lostMs } = arrival(form);
    const headers = {
      authorization: `Bearer ${passport.token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    const leaving = new AbortController();
    const request = { method: 'POST', headers, body: JSON.stringify(body(key)), signal: leaving.signal };
    const answer = fetch(`${form.appliance.url}${path}`, request).then(
      async (got) => ({ text: await got.text(), atMs: performance.now() }),
      (thrown: unknown) => ({ text: String(thrown), atMs: performance.now() }),
    );
    await response;
    return { client: answer, lostMs, leave: () => leaving.abort() };
  };

const call = (key: string | undefined): Json => ({
  ...{ service: 'shop', method: 'GET', path: '/stream' },
  ...(key === undefined ? {} : { idempotency_key: key }),
});

export const OPEN_FORMS: Readonly<Record<string, OpenForm>> = {
  'a stream on the path form': { counted: 'streams', open: byPath(first) },
  'a call on the path form that waits for its answer': { counted: 'requests', open: byPath(nothing) },
  'an upload on the path form': {
    counted: 'requests',
    open: byPath(nothing, 'POST /proxy/shop/upload/a', 'part'),
  },
  'a call in the envelope': { counted: 'requests', open: byPost('/v1/proxy', call) },
  'a tool of MCP': {
    counted: 'calls',
    open: byPost('/mcp', (key) => ({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'stack_proxy_request', arguments: call(key) },
    })),
  },
};

/** Every way in which it can be tried whether a passport still lets a call pass. */
export async function triedWith(
  { appliance }: Pick<PathForm, 'appliance'>,
  { token }: Passport,
): Promise<string> {
  const headers = { authorization: `Bearer ${token}` };
  const path = await ask(appliance, '/proxy/shop/after', { headers });
  const envelope = await ask(appliance, '/v1/proxy', { headers, body: call(undefined) });
  const code = (answer: { readonly body: Json }): unknown => (answer.body['error'] as Json)?.['code'];
  return `${path.status} ${String(code(path))} ${envelope.status} ${String(code(envelope))}`;
}

/** A client that takes nothing of what it is sent until it is asked how its connection ended. */
export function deafClient(
  { form, passport }: Opening,
  line: string,
): { readonly end: () => Promise<string> } {
  const socket = connect({ host: '127.0.0.1', port: form.appliance.port }).pause();
  let how = 'closed';
  socket.on('error', (error: NodeJS.ErrnoException) => {
    how = error.code ?? 'error';
  });
  const host = `Host: localhost:${form.appliance.port}`;
  socket.write([`${line} HTTP/1.1`, host, bearer(passport), '', ''].join('\r\n'));
  const ended = new Promise<string>((closed) => socket.on('close', () => closed(how)));
  return {
    end: () => {
      socket.resume();
      return ended;
    },
  };
}
