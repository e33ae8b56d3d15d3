// Raw bytes at the listener of a running appliance: every listener entry of the corpus, and what a socket alone can do.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import {
  LISTENER_HEADER_BYTES_MAX,
  LISTENER_HEADERS_TIMEOUT_MS,
  REST_BODY_BYTES_MAX,
} from '#kernel/limits.ts';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { ask, askLocally } from '#test/support/requests.ts';

type Entry = {
  readonly id: string;
  readonly direction: string;
  readonly class: string;
  readonly raw: string;
  readonly expect: 'pass' | 'reject';
  readonly note: string;
};
const corpus = JSON.parse(readFileSync(new URL('../../corpus/headers.json', import.meta.url), 'utf8')) as {
  readonly entries: readonly Entry[];
};
const entries = corpus.entries.filter(({ direction }) => direction === 'listener');

/** The one status each entry is refused with; an entry that is not here and not below passes with 200. */
const REFUSED: Readonly<Record<string, number>> = {
  H118: 400,
  H120: 400,
  H121: 400,
  H122: 400,
  H125: 400,
  H129: 400,
  H130: 403,
  H131: 400,
  H132: 400,
  H135: 403,
  H138: 400,
  H139: 401,
  H141: 404,
  H142: 404,
  H143: 404,
  H144: 404,
};
/** Written as a sentence in the corpus; each has a test of its own below. */
const IN_WORDS = ['H147', 'H148'];
/** The corpus guesses at routes. A route that answers 200 is put in, so that only the trick can be what is refused. */
const ROUTES = [
  [/ \/dashboard/, ' /healthz'],
  [/ \/health /, ' /healthz '],
  [/ \/v1\/(?:me|admin)/, ' /v1/services'],
  [/ \/v1\/\/admin/, ' /v1//services'],
] as const;
const CANARY = 'canary-7f3a9c51d2e84b06';
const QUIET_MS = 300;
const END_MS = 5_000;
/** Room for the wait between two looks at the clock. */
const SLACK_MS = 3_000;

let appliance: Appliance;
let upstream: Server;
const open = new Set<Socket>();

before(async () => {
  upstream = createServer(() => undefined).on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: `  silent:\n    base_url: http://127.0.0.1:${port}\n    network: loopback\n    actions: { "silent:things:read": [ "GET /thing" ] }`,
    agents: '  waiter: { services: { silent: [ "silent:*" ] } }',
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

type Heard = { readonly text: string; readonly statuses: readonly number[]; readonly closed: boolean };
type Speech = {
  readonly write: (bytes: string) => void;
  readonly heard: () => Heard;
  readonly end: Promise<void>;
};

function speak(): Speech {
  const socket = connect(appliance.port, '127.0.0.1').setEncoding('latin1');
  let text = '';
  let closed = false;
  socket.on('data', (part: string) => (text += part));
  const end = new Promise<void>((done) => {
    socket
      .on('error', () => undefined)
      .on('close', () => {
        closed = true;
        done();
      });
  });
  const statuses = (): number[] => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code));
  return {
    write: (bytes) => void socket.write(Buffer.from(bytes, 'latin1')),
    heard: () => ({ text, closed, statuses: statuses() }),
    end,
  };
}

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** What one connection hears until it closes, or stays quiet after its first answer. */
async function hear(bytes: string): Promise<Heard> {
  const speech = speak();
  speech.write(bytes);
  const end = performance.now() + END_MS;
  let before = -1;
  while (!speech.heard().closed && performance.now() < end) {
    const { length } = speech.heard().text;
    if (length > 0 && length === before) break;
    before = length;
    await Promise.race([speech.end, wait(QUIET_MS)]);
  }
  return speech.heard();
}

const headOf = (path: string, ...lines: readonly string[]): string =>
  `${[
    `${path} HTTP/1.1`,
    `Host: localhost:${appliance.port}`,
    `Authorization: Bearer ${appliance.apiKey}`,
    ...lines,
  ].join('\r\n')}\r\n`;

function bytesOf(entry: Entry): string {
  const routed = ROUTES.reduce((text, [from, to]) => text.replace(from, to), entry.raw);
  const ported = routed
    .replaceAll(':8700', `:${appliance.port}`)
    .replace('access_token=a', `access_token=${CANARY}`);
  // With a live key, so that nothing is refused for the want of one.
  if (/^authorization:/im.test(ported)) return ported;
  return ported.replace('\r\n\r\n', `\r\nAuthorization: Bearer ${appliance.apiKey}\r\n\r\n`);
}

describe('the listener', { concurrency: 64 }, () => {
  for (const entry of entries.filter(({ id }) => !IN_WORDS.includes(id))) {
    it(`corpus ${entry.id}: ${entry.class}, ${entry.expect} (${entry.note})`, async () => {
      assert.equal(entry.id in REFUSED, entry.expect === 'reject', 'an entry that this file does not know');
      const heard = await hear(bytesOf(entry));
      assert.deepEqual(heard.statuses, [REFUSED[entry.id] ?? 200], heard.text);
      if (entry.class === 'smuggling') assert.equal(heard.closed, true, 'what follows may not be read');
      assert.doesNotMatch(heard.text, /^location:/im);
    });
  }

  it('corpus H139: a token in the query is neither logged nor chained', async () => {
    await hear(
      `GET /v1/services?access_token=${CANARY} HTTP/1.1\r\nHost: localhost:${appliance.port}\r\n\r\n`,
    );
    const audit = await askLocally(appliance, '/v1/audit?limit=100');
    assert.equal(audit.status, 200);
    assert.ok(!audit.text.includes(CANARY) && !appliance.logs().includes(CANARY));
  });

  it('corpus H147: headers that drip end with the time for headers', async () => {
    const speech = speak();
    const began = performance.now();
    speech.write(`GET /healthz HTTP/1.1\r\nHost: localhost:${appliance.port}\r\nX-A: `);
    const drip = setInterval(() => speech.write('a'), 500);
    await Promise.race([speech.end, wait(LISTENER_HEADERS_TIMEOUT_MS + SLACK_MS)]);
    clearInterval(drip);
    assert.equal(speech.heard().closed, true);
    assert.ok(performance.now() - began > LISTENER_HEADERS_TIMEOUT_MS - SLACK_MS);
    assert.deepEqual(
      speech.heard().statuses.filter((status) => status < 400),
      [],
    );
  });

  it('corpus H148: a body over the bound is refused by its declared length, before it is read', async () => {
    const heard = await hear(
      `${headOf('POST /v1/proxy', 'Content-Type: application/json', 'Content-Length: 104857600')}\r\n{"a":`,
    );
    assert.deepEqual(heard.statuses, [413]);
    assert.match(heard.text, /"code":"PAYLOAD_TOO_LARGE"/);
    assert.equal(heard.closed, true);
  });

  it('a body without a declared length is cut off at the bound', async () => {
    const speech = speak();
    speech.write(
      `${headOf('POST /v1/proxy', 'Content-Type: application/json', 'Transfer-Encoding: chunked')}\r\n`,
    );
    const piece = 'a'.repeat(1_000_000);
    let sent = 0;
    while (!speech.heard().closed && sent < REST_BODY_BYTES_MAX * 3) {
      speech.write(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      sent += piece.length;
      await Promise.race([speech.end, wait(20)]);
    }
    assert.equal(speech.heard().closed, true);
    assert.ok(sent < REST_BODY_BYTES_MAX * 2, `${sent} bytes were taken`);
    assert.deepEqual(speech.heard().statuses, [413]);
    assert.match(speech.heard().text, /"code":"PAYLOAD_TOO_LARGE"/);
  });

  it('headers over the bound are refused', async () => {
    const heard = await hear(
      `${headOf('GET /healthz', `X-A: ${'a'.repeat(LISTENER_HEADER_BYTES_MAX)}`)}\r\n`,
    );
    assert.deepEqual(heard.statuses, [431]);
    assert.equal(heard.closed, true);
  });

  it('HTTP/1.0 without a Host is refused, too', async () => {
    const heard = await hear('GET /healthz HTTP/1.0\r\n\r\n');
    assert.deepEqual(heard.statuses, [403]);
  });

  for (const [what, bytes] of [
    ['a bare line feed after a header', 'GET /healthz HTTP/1.1\nHost: x\r\n\r\n'],
    ['a space before the colon', 'GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n'],
    ['a folded header', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n'],
    ['a NUL in a header', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ] as const) {
    it(`${what} is refused and the connection closed`, async () => {
      const heard = await hear(bytes);
      assert.deepEqual(heard.statuses, [400]);
      assert.equal(heard.closed, true);
    });
  }

  it('a request within the body of another is not answered', async () => {
    const inner = `GET /healthz HTTP/1.1\r\nHost: localhost:${appliance.port}\r\n\r\n`;
    const head = headOf('GET /healthz', `Content-Length: ${inner.length}`);
    assert.deepEqual((await hear(`${head}\r\n${inner}`)).statuses, [200]);
  });

  it('an offer to upgrade is answered as the request it also is, and CONNECT opens no tunnel', async () => {
    const offer = [
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
    ];
    assert.deepEqual((await hear(`${headOf('GET /healthz', ...offer)}\r\n`)).statuses, [200]);
    const heard = await hear(`CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n`);
    assert.deepEqual(
      heard.statuses.filter((status) => status < 400),
      [],
    );
    assert.equal(heard.closed, true);
  });

  it('many requests over one connection leave nothing behind on it', async () => {
    const requests = `${headOf('GET /v1/services')}\r\n`.repeat(40);
    assert.deepEqual((await hear(requests)).statuses, Array<number>(40).fill(200));
    assert.doesNotMatch(appliance.logs(), /MaxListenersExceededWarning/);
  });

  it('a caller that goes away takes its call with it', async () => {
    const body = JSON.stringify({ service: 'silent', method: 'GET', path: '/thing' });
    const lines = [
      'X-Stack-Agent: waiter',
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
    ];
    const socket = connect(appliance.port, '127.0.0.1');
    socket.on('error', () => undefined).write(`${headOf('POST /v1/proxy', ...lines)}\r\n${body}`);
    for (let round = 0; open.size === 0 && round < 100; round += 1) await wait(20);
    assert.equal(open.size, 1);
    socket.destroy();
    for (let round = 0; open.size > 0 && round < 100; round += 1) await wait(20);
    assert.equal(open.size, 0);
  });
});

it('corpus H149: the log has the address of the socket, whatever the headers say', async () => {
  const headers = {
    authorization: 'Bearer sk_live_unknown',
    'x-forwarded-for': '10.0.0.9',
    forwarded: 'for=10.0.0.9',
  };
  assert.equal((await ask(appliance, '/v1/services', { headers })).status, 401);
  const audit = await askLocally(appliance, '/v1/audit?limit=100');
  assert.match(audit.text, /"source":"(?:127\.0\.0\.1|::ffff:127\.0\.0\.1|::1)"/);
  assert.ok(!audit.text.includes('10.0.0.9'));
});

it('the appliance has survived all of it', async () => {
  assert.equal((await ask(appliance, '/healthz')).status, 200);
  assert.doesNotMatch(appliance.logs(), /unexpected error/);
});
