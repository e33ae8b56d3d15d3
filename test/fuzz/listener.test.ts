// Raw bytes at the listener of a running appliance: seeded mutations of good requests, of the corpus' bad ones and of JSON
// bodies. No crash, no 5xx but with a logged cause, memory flat, and the next good request is served.
// STACK_SEED repeats a run, STACK_FUZZ sets the number of cases (a night: 100000).
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, it, type TestContext } from 'node:test';
import { seededRandom } from '#test/crash/chance.ts';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { readExposition } from '#test/support/exposition.ts';
import { ask, askLocally } from '#test/support/requests.ts';

const CASES = Number(process.env['STACK_FUZZ'] ?? 1_500);
const SEED = Number(process.env['STACK_SEED'] ?? randomInt(2 ** 31));
const AT_ONCE = 24;
/** Where nothing is answered, the request is not whole: its client gives up. */
const PATIENCE_MS = 150;
const GROWTH_BYTES = 50_000_000;
const MUTATIONS_MAX = 4;

type Entry = { readonly direction: string; readonly raw: string };
const corpus = JSON.parse(readFileSync(new URL('../corpus/headers.json', import.meta.url), 'utf8')) as {
  readonly entries: readonly Entry[];
};

let appliance: Appliance;
let upstream: Server;
let reached = 0;

before(async () => {
  upstream = createServer((request, response) => {
    reached += 1;
    request.resume().on('end', () => response.end('{}'));
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: `
  shop:
    base_url: http://127.0.0.1:${port}
    network: loopback
    actions: { "shop:all:use": [ "GET /**", "POST /**" ] }`,
    agents: '  clerk: { services: { shop: [ "shop:*" ] } }',
    extra: 'limits: { call_timeout: 2s }',
    env: { NODE_OPTIONS: '--max-old-space-size=128 --max-semi-space-size=4' },
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

function seeds(): readonly string[] {
  const by = `Host: localhost:${appliance.port}\r\nAuthorization: Bearer ${appliance.apiKey}\r\nX-Stack-Agent: clerk\r\n`;
  const json = (line: string, body: string): string =>
    `${line} HTTP/1.1\r\n${by}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const call = {
    service: 'shop',
    method: 'POST',
    path: '/x',
    headers: { accept: 'a/b' },
    body: { a: [1, 'b'] },
  };
  const params = { name: 'stack_proxy_request', arguments: call };
  const message = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
  return [
    json('POST /v1/proxy', JSON.stringify(call)),
    json('POST /mcp', message),
    json(
      'POST /mcp',
      JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: meta } }),
    ),
    json('POST /v1/agents/register', '{"name":"made","description":"by the fuzz"}'),
    json('POST /v1/passports/issue', '{"agent":"clerk","intent":{"summary":"fuzz","services":["shop"]}}'),
    `GET /proxy/shop/a/b?c=d HTTP/1.1\r\n${by}\r\n`,
    `POST /proxy/shop/a HTTP/1.1\r\n${by}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: a\r\n\r\n`,
    `POST /proxy/shop/a HTTP/1.1\r\n${by}Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc`,
    `GET /v1/services?limit=2 HTTP/1.1\r\n${by}\r\nGET /healthz HTTP/1.1\r\n${by}\r\n`,
    `GET /v1/audit HTTP/1.0\r\n${by}Connection: keep-alive\r\n\r\n`,
    // Where the line is right and nothing else is.
    ...['/v1/proxy', '/mcp', '/v1/passports/verify'].map((path) => json(`POST ${path}`, '{}')),
    ...corpus.entries
      .filter(({ direction, raw }) => direction === 'listener' && /^[A-Z]/.test(raw))
      .map(({ raw }) => raw.replaceAll(':8700', `:${appliance.port}`).replace('\r\n\r\n', `\r\n${by}\r\n`)),
  ];
}

/** What parsers stumble over. */
const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '%',
  '%00',
  '%2e%2e/',
  '../',
  '//',
  '\\',
  '?',
  '#',
  '"',
  '{',
  '}',
  '[',
  ']',
  '[[[[[[[[',
  '{"a":',
  '0',
  '-1',
  '1e999',
  '0x',
  '\u00ff',
  '\ud800',
  '\u2028',
  '__proto__',
  'constructor',
  'Transfer-Encoding: chunked\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 99999999999\r\n',
  'Host: evil.test\r\n',
  'Connection: Upgrade\r\nUpgrade: websocket\r\n',
  'Expect: 100-continue\r\n',
  'Cookie: a=b\r\n',
  'HTTP/1.1',
  'HTTP/2.0',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '0\r\n\r\n',
  'ffffffffffffffffff\r\n',
  'a'.repeat(9_000),
  'X: y\r\n'.repeat(120),
] as const;

type Random = () => number;
const below = (random: Random, bound: number): number => Math.floor(random() * bound);

const MUTATIONS: readonly ((text: string, random: Random) => string)[] = [
  (text, random) => {
    const at = below(random, text.length);
    return text.slice(0, at) + String.fromCharCode(below(random, 256)) + text.slice(at + 1);
  },
  (text, random) => {
    const at = below(random, text.length + 1);
    return text.slice(0, at) + (PIECES[below(random, PIECES.length)] ?? '') + text.slice(at);
  },
  (text, random) => {
    const at = below(random, text.length);
    return text.slice(0, at) + text.slice(at + 1 + below(random, 12));
  },
  (text, random) => text.slice(0, below(random, text.length)),
  (text, random) => {
    const at = below(random, text.length);
    const part = text.slice(at, at + 1 + below(random, 40));
    return text.slice(0, at) + part.repeat(2 + below(random, 3)) + text.slice(at + part.length);
  },
  (text, random) => {
    const lines = text.split('\r\n');
    const [one, other] = [below(random, lines.length), below(random, lines.length)];
    [lines[one], lines[other]] = [lines[other] ?? '', lines[one] ?? ''];
    return lines.join('\r\n');
  },
];

const changed = (text: string, random: Random): string => {
  let now = text;
  for (let nth = 1 + below(random, MUTATIONS_MAX); nth > 0 && now !== ''; nth -= 1)
    now = (MUTATIONS[below(random, MUTATIONS.length)] ?? String)(now, random);
  return now;
};

/** Of every second request with a length only the body is changed, and its length set right: it gets past the parser. */
function mutated(all: readonly string[], random: Random): string {
  const text = all[below(random, all.length)] ?? '';
  const [, head, body] =
    /^(POST [\s\S]*?Content-Length: )\d+(?:\r\n[\s\S]*?)?\r\n\r\n([\s\S]+)$/.exec(text) ?? [];
  if (head === undefined || body === undefined || random() < 1 / 2) return changed(text, random);
  const other = changed(body, random);
  return `${head}${other.length}\r\n\r\n${other}`;
}

/** Statuses of what was answered until the other side closed or had nothing more to say. */
function speak(bytes: string): Promise<readonly number[]> {
  return new Promise((done) => {
    let text = '';
    const socket = connect(appliance.port, '127.0.0.1').setEncoding('latin1');
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      done([...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status)));
    };
    let timer = setTimeout(finish, PATIENCE_MS * 4);
    socket.on('error', () => undefined).on('close', finish);
    socket.on('data', (part: string) => {
      text += part;
      clearTimeout(timer);
      timer = setTimeout(finish, PATIENCE_MS);
    });
    socket.write(Buffer.from(bytes, 'latin1'));
  });
}

async function memoryBytes(): Promise<number> {
  const { text } = await askLocally(appliance, '/metrics');
  return readExposition(text).value('process_resident_memory_bytes') ?? Number.NaN;
}

it(`${CASES} mutated requests crash nothing, and none is answered with a 5xx of ours`, {
  timeout: 3_600_000,
}, async (t: TestContext) => {
  t.diagnostic(`STACK_SEED=${SEED}`);
  const random = seededRandom(SEED);
  const all = seeds();
  const counts = new Map<number, number>();
  let left = CASES;
  const fuzz = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const bytes = mutated(all, random);
      for (const status of await speak(bytes)) {
        counts.set(status, (counts.get(status) ?? 0) + 1);
        // A call that its client broke off, or a service that a request brought out of step, is no fault of ours.
        const known = status < 500 || status === 502 || status === 504 || status === 505;
        assert.ok(known, `${status} to ${JSON.stringify(bytes)}, STACK_SEED=${SEED}`);
      }
    }
  };
  const workers = (): Promise<unknown> => Promise.all(Array.from({ length: AT_ONCE }, fuzz));
  const rest = Math.floor(CASES / 2);
  left -= rest;
  await workers();
  const before = await memoryBytes();
  left = rest;
  await workers();
  const grown = (await memoryBytes()) - before;
  t.diagnostic(JSON.stringify(Object.fromEntries([...counts].sort(([one], [other]) => one - other))));
  assert.ok(
    (counts.get(200) ?? 0) > 0 && (counts.get(400) ?? 0) > 0 && reached > 0,
    'the fuzz says something',
  );
  assert.ok(grown < GROWTH_BYTES, `grown by ${grown} bytes`);
  assert.equal((await ask(appliance, '/healthz')).status, 200);
  const call = { service: 'shop', method: 'GET', path: '/after' };
  const good = await ask(appliance, '/v1/proxy', { headers: { 'x-stack-agent': 'clerk' }, body: call });
  assert.deepEqual([good.status, good.body['status']], [200, 200]);
  assert.doesNotMatch(appliance.logs(), /unexpected error|Unhandled|MaxListeners/);
  const chain = await askLocally(appliance, '/v1/audit/verify-chain');
  assert.equal(chain.body['valid'], true, chain.text);
});
