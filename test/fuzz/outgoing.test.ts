// What leaves for a service, byte by byte: seeded hostile calls in both forms. Each call that is let through is exactly one
// well-formed request at the service, below the prefix, with our credential once and no header that nobody listed.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { after, before, it, type TestContext } from 'node:test';
import { seededRandom } from '#test/crash/chance.ts';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { rawClient } from '#test/support/path-form.ts';
import type { Json } from '#test/support/requests.ts';

const CASES = Number(process.env['STACK_FUZZ'] ?? 300);
const SEED = Number(process.env['STACK_SEED'] ?? randomInt(2 ** 31));
const SECRET = 'canary-outgoing-7f3a9c51d2e84b06';
const LISTED = new Set([
  'host',
  'connection',
  'authorization',
  'accept',
  'accept-encoding',
  'content-length',
  'content-type',
  'transfer-encoding',
  'user-agent',
  'x-request-id',
  'if-match',
  'range',
]);

type Request = {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
};
const received: Request[] = [];
const broken: string[] = [];
let appliance: Appliance;
let upstream: Server;

/** Strict: whatever a lenient reader would mend is a finding. Answers what is left, or undefined while it is not whole. */
function readOne(text: string): { readonly request: Request; readonly rest: string } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [line = '', ...lines] = text.slice(0, end).split('\r\n');
  const [, method, target] = /^([A-Z]+) (\/[\x21-\x7e]*) HTTP\/1\.1$/.exec(line) ?? [];
  const headers = lines.map(
    (header) => /^([!-9;-~]+): ([\t\x20-\x7e]*)$/.exec(header)?.slice(1) as [string, string],
  );
  if (method === undefined || target === undefined || headers.includes(undefined as never)) {
    broken.push(text.slice(0, 500));
    return undefined;
  }
  const of = (name: string): readonly string[] =>
    headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  const lengths = of('content-length');
  let rest = text.slice(end + 4);
  let body = '';
  if (of('transfer-encoding').length > 0) {
    if (lengths.length > 0 || of('transfer-encoding').join() !== 'chunked') broken.push(text.slice(0, 500));
    for (let size = -1; size !== 0; ) {
      const head = /^([0-9a-f]+)\r\n/.exec(rest)?.[1];
      if (head === undefined) return undefined;
      size = Number.parseInt(head, 16);
      if (rest.length < head.length + size + 4) return undefined;
      body += rest.slice(head.length + 2, head.length + 2 + size);
      rest = rest.slice(head.length + size + 4);
    }
  } else {
    if (lengths.length > 1) broken.push(text.slice(0, 500));
    const length = Number(lengths[0] ?? 0);
    if (rest.length < length) return undefined;
    body = rest.slice(0, length);
    rest = rest.slice(length);
  }
  return { request: { method, target, headers, body }, rest };
}

before(async () => {
  upstream = createServer((socket) => {
    let text = '';
    socket.setEncoding('latin1').on('error', () => undefined);
    socket.on('data', (part) => {
      text += String(part);
      for (let one = readOne(text); one !== undefined; one = readOne(text)) {
        received.push(one.request);
        text = one.rest;
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }
    });
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const address = upstream.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  appliance = await startAppliance({
    services: `
  shop:
    base_url: http://127.0.0.1:${port}/v1
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: SHOP_KEY }
    headers: { allow: [ x-request-id ] }
    actions: { "shop:all:use": [ "GET /**", "POST /**", "PUT /**", "DELETE /**" ] }`,
    agents: '  clerk: { services: { shop: [ "shop:*" ] } }',
    extra: 'limits: { call_timeout: 2s }',
    env: { SHOP_KEY: SECRET },
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

const PIECES = [
  'a',
  'b/c',
  '/',
  '//',
  '..',
  '.',
  '%2e%2e',
  '%2F',
  '%00',
  '%0d%0a',
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  '?',
  '#',
  '&',
  '=',
  ';',
  ':',
  '@',
  '\\',
  'ä',
  '\u2028',
  '\ud800',
  '\uff0f',
  ' HTTP/1.1\r\nX-Evil: 1\r\n\r\n',
  'X-Evil: 1',
  'GET /v1/evil HTTP/1.1',
  '{secret}',
  '"',
  "'",
  '<',
  '0\r\n\r\n',
] as const;
const NAMES = [
  'accept',
  'Content-Type',
  'x-request-id',
  'X-Evil',
  'Host',
  'Content-Length',
  'Transfer-Encoding',
  'Connection',
  'Authorization',
  'x-request-id\r\nX-Evil',
  'x-request-id ',
  'X_Request_Id',
  'Upgrade',
  'Expect',
  'If-Match',
  '',
  '__proto__',
  'range',
] as const;

type Random = () => number;
const one = <T>(list: readonly T[], random: Random): T => list[Math.floor(random() * list.length)] as T;
const some = (random: Random, most: number): string =>
  Array.from({ length: Math.floor(random() * (most + 1)) }, () => one(PIECES, random)).join('');

function envelope(random: Random): Json {
  const headers: Json = {};
  for (let nth = Math.floor(random() * 3); nth > 0; nth -= 1)
    Object.defineProperty(headers, one(NAMES, random), {
      value: one([...PIECES, 'text/plain', 'application/json', '5'], random),
      enumerable: true,
      configurable: true,
    });
  const query: Json = {};
  for (let nth = Math.floor(random() * 3); nth > 0; nth -= 1) query[some(random, 2)] = some(random, 2);
  const method =
    random() < 0.85
      ? one(['GET', 'POST', 'PUT', 'DELETE'], random)
      : one(['get', 'GET /x', 'POST\r\n', 'CONNECT', 'TRACE', 'PRI'], random);
  const call: Json = {
    service: 'shop',
    method,
    path: random() < 0.5 ? `/a/${some(random, 1)}` : `/${some(random, 3)}`,
    headers,
    query,
  };
  if (method !== 'GET' && random() < 0.7)
    call['body'] = one<unknown>(
      [some(random, 6), { a: some(random, 3) }, [some(random, 2)], '', 0, true],
      random,
    );
  return call;
}

function bytesOf(call: Json, random: Random): string {
  const by = `Host: localhost:${appliance.port}\r\nAuthorization: Bearer ${appliance.apiKey}\r\nX-Stack-Agent: clerk\r\nConnection: close\r\n`;
  if (random() < 0.6) {
    const body = Buffer.from(JSON.stringify(call)).toString('latin1');
    return `POST /v1/proxy HTTP/1.1\r\n${by}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  }
  // The path form takes what a socket can say; what is no request at all, the listener's own fuzz sends.
  const clean = (text: string): string => text.replaceAll(/[\r\n\0 ]/g, '');
  const headers = Object.entries(call['headers'] as Json).map(
    ([name, value]) => `${clean(name) || 'x'}: ${clean(String(value))}\r\n`,
  );
  const body = Buffer.from(String(call['body'] ?? ''), 'latin1').toString('latin1');
  const framed = headers.some((line) => /^(?:content-length|transfer-encoding)/i.test(line));
  const length = body === '' || framed ? '' : `Content-Length: ${body.length}\r\n`;
  return `${String(call['method']).split(/[\r\n ]/)[0]} /proxy/shop${clean(String(call['path'])).replaceAll(/[^\x21-\x7e]/g, '')} HTTP/1.1\r\n${by}${headers.join('')}${length}\r\n${body}`;
}

it(`${CASES} hostile calls leave as one request each, or not at all`, {
  timeout: 3_600_000,
}, async (t: TestContext) => {
  t.diagnostic(`STACK_SEED=${SEED}`);
  const random = seededRandom(SEED);
  let allowed = 0;
  for (let nth = 0; nth < CASES; nth += 1) {
    const bytes = bytesOf(envelope(random), random);
    const before = received.length;
    const client = rawClient(appliance);
    client.write(Buffer.from(bytes, 'latin1'));
    const timer = setTimeout(() => client.socket.destroy(), 3_000);
    const answer = await client.until();
    clearTimeout(timer);
    const reached = received.slice(before);
    const through = /^HTTP\/1\.1 200 /.test(answer) && !/^x-stack-error:/im.test(answer);
    const shown = `STACK_SEED=${SEED} ${JSON.stringify(bytes)} → ${JSON.stringify(reached)} ${broken.join()}`;
    assert.deepEqual([broken.length, reached.length], [0, through ? 1 : 0], shown);
    const [request] = reached;
    if (request === undefined) continue;
    allowed += 1;
    assert.match(request.target, /^\/v1\//, shown);
    assert.doesNotMatch(
      decodeURIComponent(request.target.split('?')[0] ?? ''),
      /\/\.\.?(?:\/|$)|[\r\n\0\\]/,
      shown,
    );
    const names = request.headers.map(([name]) => name.toLowerCase());
    assert.equal(new Set(names).size, names.length, shown);
    assert.ok(
      names.every((name) => LISTED.has(name)),
      shown,
    );
    const credentials = request.headers.filter(([, value]) => value.includes(SECRET));
    assert.deepEqual(
      credentials.map(([name, value]) => [name.toLowerCase(), value]),
      [['authorization', `Bearer ${SECRET}`]],
    );
  }
  t.diagnostic(`${allowed} went through`);
  assert.ok(allowed > CASES / 50, 'the fuzz says something');
  assert.doesNotMatch(appliance.logs(), /unexpected error|Unhandled/);
});
