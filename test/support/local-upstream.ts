// A service on loopback that demands its credential in a header. It keeps what it saw, byte for byte as far as
// node:http tells, so that a test (and the demo) can say what reached a service and what did not.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Seen = {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
};
export type Reply = { readonly status?: number; readonly body: unknown };
export type LocalUpstream = {
  readonly port: number;
  readonly url: string;
  readonly seen: readonly Seen[];
  readonly stop: () => Promise<void>;
};

/** How a request carries the credential, what is answered to it, and what to one that does not carry it. */
export type Manners = {
  readonly header: string;
  readonly value: string;
  readonly answer: (seen: Seen) => Reply;
  readonly denial: Reply;
};

export const headerOf = (seen: Seen, header: string): string | undefined =>
  seen.headers.find(([name]) => name.toLowerCase() === header)?.[1];

async function read(request: IncomingMessage): Promise<Seen> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const raw = request.rawHeaders;
  const headers = raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? ''] as const] : []));
  const body = Buffer.concat(parts).toString('utf8');
  return { method: request.method ?? '', url: request.url ?? '', headers, body };
}

export async function startUpstream({ header, value, answer, denial }: Manners): Promise<LocalUpstream> {
  const all: Seen[] = [];
  const server = createServer(async (request, response) => {
    const seen = await read(request);
    all.push(seen);
    const { status = 200, body } = headerOf(seen, header) === value ? answer(seen) : denial;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const stop = () =>
    new Promise<void>((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  return { port, url: `http://127.0.0.1:${port}`, seen: all, stop };
}

/** Slack as far as two calls of it go. It shows the caller the credential it got, as no service should. */
export function startSlack(botToken: string): Promise<LocalUpstream> {
  const answer = (seen: Seen): Reply => {
    const given = seen.body === '' ? {} : (JSON.parse(seen.body) as Record<string, unknown>);
    const { channel, text } = given;
    const got = { authorization: headerOf(seen, 'authorization') };
    if (seen.url === '/api/chat.postMessage')
      return { body: { ok: true, channel, ts: '1767225600.000100', message: { text }, got } };
    if (seen.url === '/api/conversations.archive') return { body: { ok: true } };
    return { status: 404, body: { ok: false, error: 'unknown_method' } };
  };
  return startUpstream({
    header: 'authorization',
    value: `Bearer ${botToken}`,
    answer,
    denial: { body: { ok: false, error: 'not_authed' } },
  });
}
