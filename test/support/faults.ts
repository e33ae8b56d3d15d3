// A running appliance before an upstream that misbehaves by the path of the request, and one that behaves. Each call is
// made in one of the three forms, and answers what its caller saw and what the log says of it.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Appliance, startAppliance } from './appliance.ts';
import { readExposition } from './exposition.ts';
import { rpc } from './mcp.ts';
import { rawClient } from './path-form.ts';
import { type RawUpstream, rawUpstream, type Script } from './raw-upstream.ts';
import { ask, askLocally, type Json } from './requests.ts';

export const FAULT_SECRET = 'canary-upstream-faults-51d2e84b06';

export type Form = 'envelope' | 'path' | 'mcp';
export type Told = {
  /** OK, the code of a refusal, or BROKEN where an answer was begun and cut off. */
  readonly code: string;
  readonly metadata: Json;
  /** Of the service's answer. */
  readonly status: number | undefined;
  readonly text: string;
};
export type Faults = {
  readonly appliance: Appliance;
  readonly bad: RawUpstream;
  readonly call: (form: Form, path: string, sending?: Sending) => Promise<Told>;
  /** The outcome entry of the call for this path, once it is there. */
  readonly outcome: (path: string) => Promise<Json>;
  readonly memoryBytes: () => Promise<number>;
  readonly dispose: () => Promise<void>;
};
export type Sending = {
  readonly service?: string;
  readonly method?: string;
  readonly body?: string;
};
export type FaultSetup = {
  /** By the first segment of the path. */
  readonly scripts: Readonly<Record<string, Script>>;
  readonly limits: string;
  /** Further services: name, and the YAML of their place in one line. */
  readonly places?: Readonly<Record<string, string>>;
  /** Services whose secret is stored; the others have theirs in the environment. */
  readonly stored?: readonly string[];
};

const serviceOf = (name: string, place: string, secret: string): string => `
  ${name}:
    ${place}
    inject: { bearer: "{secret}" }
    secret: { ${secret} }
    actions: { "${name}:all:use": [ "GET /**", "POST /**" ] }`;

export async function startFaults({
  scripts,
  limits,
  places = {},
  stored = [],
}: FaultSetup): Promise<Faults> {
  const endings: (() => void)[] = [];
  const bad = await rawUpstream({ after: (end) => void endings.push(end) }, (socket, nth) => {
    const name = /^[A-Z]+ \/([^/ ]*)/.exec(bad.requests[nth] ?? '')?.[1] ?? '';
    scripts[name]?.(socket, nth);
  });
  const good = createServer((request, response) => {
    request.resume().on('end', () => response.end('{"good":true}'));
  });
  await new Promise<void>((done) => good.listen(0, '127.0.0.1', done));
  const loopback = (port: number): string => `base_url: http://127.0.0.1:${port}\n    network: loopback`;
  const all = {
    bad: loopback(bad.port),
    good: loopback((good.address() as AddressInfo).port),
    ...places,
  };
  const close = (): void => {
    for (const end of endings) end();
    good.closeAllConnections();
    good.close();
  };
  const appliance = await startAppliance({
    services: Object.entries(all)
      .map(([name, place]) =>
        serviceOf(name, place, stored.includes(name) ? `vault: ${name}` : 'env: FAULT_SECRET'),
      )
      .join(''),
    agents: `  clerk: { services: { ${Object.keys(all)
      .map((name) => `${name}: [ "${name}:*" ]`)
      .join(', ')} } }`,
    extra: `limits: { ${limits} }`,
    // A small heap: what grows then is kept, and not merely not yet collected.
    env: { FAULT_SECRET, NODE_OPTIONS: '--max-old-space-size=96 --max-semi-space-size=4' },
  }).catch((thrown: unknown) => {
    // Listeners that stay would keep the whole run waiting.
    close();
    throw thrown;
  });
  return {
    appliance,
    bad,
    call: (form, path, sending = {}) => FORMS[form](appliance, path, sending),
    outcome: (path) => outcomeOf(appliance, path),
    memoryBytes: async () => {
      const { text } = await askLocally(appliance, '/metrics');
      return readExposition(text).value('process_resident_memory_bytes') ?? Number.NaN;
    },
    dispose: async () => {
      close();
      await appliance.dispose();
    },
  };
}

type Make = (appliance: Appliance, path: string, sending: Sending) => Promise<Told>;
const AS_AGENT = { 'x-stack-agent': 'clerk' };
const callOf = (path: string, { service = 'bad', method = 'GET', body }: Sending): Json => ({
  service,
  method,
  path,
  ...(body === undefined ? {} : { body }),
});

function toldBy(body: Json): Told {
  const error = body['error'] as Json | undefined;
  const text = JSON.stringify(body);
  if (error === undefined) return { code: 'OK', metadata: {}, status: Number(body['status']), text };
  return { code: String(error['code']), metadata: error['metadata'] as Json, status: undefined, text };
}

const envelope: Make = async (appliance, path, sending) =>
  toldBy((await ask(appliance, '/v1/proxy', { headers: AS_AGENT, body: callOf(path, sending) })).body);

const mcp: Make = async (appliance, path, sending) => {
  const params = { name: 'stack_proxy_request', arguments: callOf(path, sending) };
  const { result, text } = await rpc(appliance, { method: 'tools/call', params, headers: AS_AGENT });
  return toldBy((result?.['structuredContent'] as Json | undefined) ?? { error: { code: text } });
};

/** The bytes of a call in one of the forms, as a bare socket sends them. */
export function bytesOf(
  form: Form,
  { port, apiKey }: Appliance,
  at: Sending & { readonly path: string },
): string {
  const { path, service = 'bad', method = 'GET', body = '' } = at;
  const params = { name: 'stack_proxy_request', arguments: callOf(path, at) };
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params };
  const [line, type, content] = {
    path: [`${method} /proxy/${service}${path}`, 'text/plain', body],
    envelope: ['POST /v1/proxy', 'application/json', JSON.stringify(callOf(path, at))],
    mcp: ['POST /mcp', 'application/json', JSON.stringify(message)],
  }[form] as [string, string, string];
  const lines = [
    `${line} HTTP/1.1`,
    `Host: localhost:${port}`,
    `Authorization: Bearer ${apiKey}`,
    'X-Stack-Agent: clerk',
    ...(content === '' ? [] : [`Content-Type: ${type}`, `Content-Length: ${content.length}`]),
    ...(form === 'path' ? ['Connection: close'] : []),
  ];
  return `${lines.join('\r\n')}\r\n\r\n${content}`;
}

/** By a bare socket: only this shows whether an answer that was begun was also ended. */
const throughPath: Make = async (appliance, path, sending) => {
  const client = rawClient(appliance);
  client.write(bytesOf('path', appliance, { ...sending, path }));
  const text = await client.until();
  client.socket.destroy();
  const [head = '', rest = ''] = text.split(/\r\n\r\n(.*)/s);
  if (/^x-stack-error:/im.test(head)) return toldBy(JSON.parse(rest) as Json);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  const ended = status === 204 || status === 304 ? rest === '' : isWhole(head, rest);
  return { code: ended ? 'OK' : 'BROKEN', metadata: {}, status, text: rest };
};

function isWhole(head: string, rest: string): boolean {
  const length = /^content-length: (\d+)/im.exec(head)?.[1];
  return length === undefined ? rest.endsWith('0\r\n\r\n') : rest.length === Number(length);
}

const FORMS: Readonly<Record<Form, Make>> = { envelope, path: throughPath, mcp };

const OUTCOME_MS = 5_000;

async function outcomeOf(appliance: Appliance, path: string): Promise<Json> {
  const end = performance.now() + OUTCOME_MS;
  while (performance.now() < end) {
    for (let cursor: unknown; cursor !== null; ) {
      const from = cursor === undefined ? '' : `&cursor=${String(cursor)}`;
      const { body } = await askLocally(appliance, `/v1/audit?limit=100${from}`);
      const entries = body['entries'] as Json[];
      const found = entries.find((entry) => entry['path'] === path && entry['refers_to'] !== null);
      if (found !== undefined) return found;
      cursor = body['next_cursor'] ?? null;
    }
    await new Promise((done) => setTimeout(done, 30));
  }
  throw new Error(`no outcome entry for ${path}`);
}
