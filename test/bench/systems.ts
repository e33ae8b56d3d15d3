// The systems that are compared. Each is a port, the request that makes it fetch the same item from the same upstream, and
// the processes whose CPU time it costs. One that cannot run here says how to get it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '#test/support/appliance.ts';
import type { Ours } from './ours.ts';
import { onCoreUnderTest, type Spawned, start } from './spawned.ts';
import {
  answersAt,
  CREDENTIAL,
  CREDENTIAL_HEADER,
  ITEM_PATH,
  MARK,
  nginxConfig,
  nginxWords,
} from './upstream.ts';
import type { Target } from './wire.ts';

export type System = {
  readonly id: string;
  readonly title: string;
  /** Asked before each measurement, since a passport ends. */
  readonly target: () => Promise<Target>;
  /** Root of the processes under test; none where only the upstream works. */
  readonly pid: () => number | undefined;
  /** Told how many calls were made, where they stand in a log of ours. */
  readonly made?: (calls: number) => void;
};

export type Sending = {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
};

/** A request as bytes, made once. */
export function requestBytes(port: number, sending: Sending): Buffer {
  const { method = 'GET', path, headers = {}, body } = sending;
  const payload = body === undefined ? '' : JSON.stringify(body);
  const framing =
    body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(payload)) };
  const all = Object.entries({ host: `localhost:${port}`, ...headers, ...framing });
  const lines = [`${method} ${path} HTTP/1.1`, ...all.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${payload}`);
}

export function targetOf(port: number, sending: Sending, mark = MARK): Target {
  const bytes = requestBytes(port, sending);
  return { port, request: () => bytes, mark };
}

export function directSystem(port: number): System {
  const target = targetOf(port, { path: ITEM_PATH, headers: { [CREDENTIAL_HEADER]: CREDENTIAL } });
  return { id: 'direct', title: 'upstream direct', target: async () => target, pid: () => undefined };
}

const proxySystem = (name: Pick<System, 'id' | 'title'>, port: number, { pid }: Spawned): System => {
  const target = targetOf(port, { path: ITEM_PATH });
  return { ...name, target: async () => target, pid: () => pid };
};

/** The yardstick before an upstream. */
export async function startBareProxy(upstreamPort: number): Promise<Spawned & { readonly port: number }> {
  const port = await freePort();
  const program = join(import.meta.dirname, 'bare-proxy.ts');
  const origin = `http://127.0.0.1:${upstreamPort}`;
  const words = [process.execPath, program, String(port), origin, CREDENTIAL_HEADER, CREDENTIAL];
  return { ...(await start({ words: onCoreUnderTest(words) })), port };
}

export async function startUndici(upstreamPort: number): Promise<System[]> {
  const spawned = await startBareProxy(upstreamPort);
  return [proxySystem({ id: 'undici', title: 'bare Node proxy, undici' }, spawned.port, spawned)];
}

export async function startNginxProxy(upstreamPort: number, folder: string): Promise<System[]> {
  const port = await freePort();
  const file = join(folder, 'proxy.conf');
  const http = `
    upstream service { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 1000000000; }
    server {
      listen 127.0.0.1:${port};
      location / {
        proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
        proxy_set_header ${CREDENTIAL_HEADER} ${CREDENTIAL};
      }
    }`;
  writeFileSync(file, nginxConfig(folder, http).replace('nginx.pid', 'nginx-proxy.pid'));
  const spawned = await start({ words: onCoreUnderTest(nginxWords(file)), isReady: answersAt(port) });
  return [proxySystem({ id: 'nginx', title: 'nginx, header added' }, port, spawned)];
}

const bearer = async (ours: Ours): Promise<Record<string, string>> => ({
  authorization: `Bearer ${await ours.passport()}`,
});

/** The same call in the forms that the appliance takes. */
export function oursSystems(ours: Ours): System[] {
  const { port, pid } = ours.appliance;
  const call = { service: 'shop', method: 'GET', path: '/item' };
  const form = (name: Pick<System, 'id' | 'title'>, sending: Sending): System => ({
    ...name,
    target: async () =>
      targetOf(port, { ...sending, headers: { ...sending.headers, ...(await bearer(ours)) } }),
    pid,
    made: ours.made,
  });
  return [
    form({ id: 'path', title: 'ours, path form' }, { path: '/proxy/shop/item' }),
    form({ id: 'proxy', title: 'ours, POST /v1/proxy' }, { method: 'POST', path: '/v1/proxy', body: call }),
  ];
}

/** The path form again, to the service that is slow and streams. */
export function oursAt(ours: Ours, path: string): System {
  const title = `ours, path form, ${path}`;
  const target = async (): Promise<Target> =>
    targetOf(ours.appliance.port, { path: `/proxy/slow/${path}`, headers: await bearer(ours) });
  return { id: 'path', title, target, pid: ours.appliance.pid, made: ours.made };
}
