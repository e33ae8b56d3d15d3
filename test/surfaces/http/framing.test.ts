// Where one request ends and the next begins, at the listener of a running appliance: whatever two readers could read
// differently is refused and its connection closed, so that no second request is ever found inside or behind it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { LISTENER_HEADER_BYTES_MAX } from '#kernel/limits.ts';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { rawClient } from '#test/support/path-form.ts';
import { ask } from '#test/support/requests.ts';

const QUIET_MS = 250;
const END_MS = 5_000;
let appliance: Appliance;

before(async () => {
  appliance = await startAppliance({});
});
after(() => appliance?.dispose());

type Heard = { readonly statuses: readonly number[]; readonly closed: boolean; readonly text: string };

async function hear(bytes: string): Promise<Heard> {
  const client = rawClient(appliance);
  let text = '';
  client.socket.on('data', (part) => (text += String(part)));
  client.write(Buffer.from(bytes, 'latin1'));
  const end = performance.now() + END_MS;
  for (let quiet = 0, before = -1; quiet < QUIET_MS && performance.now() < end; quiet += 10) {
    if (client.socket.destroyed) break;
    await new Promise((done) => setTimeout(done, 10));
    if (text.length !== before || text === '') quiet = 0;
    before = text.length;
  }
  const closed = client.socket.destroyed;
  client.socket.destroy();
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  return { statuses, closed, text };
}

const host = (): string => `Host: localhost:${appliance.port}\r\n`;
const auth = (): string => `Authorization: Bearer ${appliance.apiKey}\r\n`;
/** What must not be found: it would be answered with 404. */
const smuggled = (): string => `GET /smuggled HTTP/1.1\r\n${host()}\r\n`;
const post = (lines: string, body = ''): string =>
  `POST /v1/agents/register HTTP/1.1\r\n${host()}${auth()}Content-Type: application/json\r\n${lines}\r\n${body}${smuggled()}`;
const get = (lines: string): string => `GET /healthz HTTP/1.1\r\n${host()}${lines}\r\n${smuggled()}`;
const chunked = (body: string): string => post('Transfer-Encoding: chunked\r\n', body);

type Rows = Readonly<Record<string, () => string>>;

/** Refused, and closed: one answer of 4xx, or none where there is nobody to answer. */
const REFUSED: Rows = {
  'both framings': () => post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  'both framings, the other way round': () =>
    post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', '0\r\n\r\n'),
  'both framings, the length empty': () =>
    post('Transfer-Encoding: chunked\r\nContent-Length: \r\n', '0\r\n\r\n'),
  'two lengths': () => post('Content-Length: 4\r\nContent-Length: 5\r\n', 'abcd'),
  'two equal lengths': () => post('Content-Length: 4\r\nContent-Length: 4\r\n', 'abcd'),
  ...Object.fromEntries(
    ['+4', '-4', '4, 4', '4,', '0x4', '4.0', '4e0', '4 4', '4;', '٤', '"4"', '18446744073709551620', ''].map(
      (value) => [`a length of ${JSON.stringify(value)}`, () => post(`Content-Length: ${value}\r\n`, 'abcd')],
    ),
  ),
  ...Object.fromEntries(
    [
      'xchunked',
      'chunked, identity',
      'identity',
      'identity, chunked',
      'gzip, chunked',
      'chunked, chunked',
      'chunked,',
      ', chunked',
      'chunked;q=1',
      '"chunked"',
      '\x0bchunked',
      'chunked\x00',
      'chun ked',
      'cow',
      '',
    ].map((value) => [
      `a transfer coding of ${JSON.stringify(value)}`,
      () => post(`Transfer-Encoding: ${value}\r\n`, '0\r\n\r\n'),
    ]),
  ),
  'two transfer codings': () =>
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
  'two transfer codings, one unknown': () =>
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n', '0\r\n\r\n'),
  'a transfer coding of HTTP/1.0': () => chunked('0\r\n\r\n').replace('HTTP/1.1', 'HTTP/1.0'),
  'a space before the colon of a length': () => post('Content-Length : 4\r\n', 'abcd'),
  'a tab before the colon of a coding': () => post('Transfer-Encoding\t: chunked\r\n', '0\r\n\r\n'),
  'a folded coding': () => post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n'),
  'a folded header': () => get('X-A: a\r\n b\r\n'),
  'a folded first header': () => `GET /healthz HTTP/1.1\r\n ${host()}\r\n${smuggled()}`,
  'a bare carriage return in a value': () => get('X-A: a\rX-B: b\r\n'),
  'a bare carriage return for a line end': () => get('X-A: a\r'),
  'a bare line feed for a line end': () => get('X-A: a\nX-B: b\r\n'),
  'bare line feeds throughout': () => get('').replaceAll('\r\n', '\n'),
  'a NUL in a value': () => get('X-A: a\0b\r\n'),
  'a NUL in a name': () => get('X-\0A: b\r\n'),
  'a control character in a value': () => get('X-A: a\x01b\r\n'),
  'a line without a colon': () => get('X-A\r\n'),
  'a header without a name': () => get(': a\r\n'),
  'a space in a name': () => get('X A: a\r\n'),
  'letters beyond ASCII in a name': () => get('X-\xc3\xa4: a\r\n'),
  'parentheses in a name': () => get('X(A): a\r\n'),
  'headers over their bound': () => get(`X-A: ${'a'.repeat(LISTENER_HEADER_BYTES_MAX)}\r\n`),
  'a chunk size past all numbers': () => chunked('fffffffffffffffff\r\na\r\n0\r\n\r\n'),
  'a chunk size with a sign': () => chunked('+1\r\na\r\n0\r\n\r\n'),
  'a chunk size below nothing': () => chunked('-1\r\na\r\n0\r\n\r\n'),
  'a chunk size with 0x': () => chunked('0x1\r\na\r\n0\r\n\r\n'),
  'a chunk size that is no number': () => chunked('g\r\na\r\n0\r\n\r\n'),
  'no chunk size': () => chunked('\r\na\r\n0\r\n\r\n'),
  'a space before a chunk size': () => chunked(' 1\r\na\r\n0\r\n\r\n'),
  'a space behind a chunk size': () => chunked('1 \r\na\r\n0\r\n\r\n'),
  'a bare line feed behind a chunk size': () => chunked('1\na\r\n0\r\n\r\n'),
  'a bare line feed behind a chunk': () => chunked('1\r\na\n0\r\n\r\n'),
  'a bare line feed in a chunk extension': () => chunked('1;a\n\r\na\r\n0\r\n\r\n'),
  'a bare carriage return in a chunk extension': () => chunked('1;a\rb\r\na\r\n0\r\n\r\n'),
  'an endless chunk extension': () => chunked(`1;${'a'.repeat(20_000)}\r\na\r\n0\r\n\r\n`),
  'a chunk longer than its size': () => chunked('1\r\nab\r\n0\r\n\r\n'),
  'a chunk shorter than its size': () => chunked('3\r\na\r\n0\r\n\r\n'),
  'trailers over their bound': () => chunked(`0\r\nX-A: ${'a'.repeat(LISTENER_HEADER_BYTES_MAX)}\r\n\r\n`),
  'trailers that name a framing': () => chunked('0\r\nContent-Length: 50\r\nTransfer-Encoding: x\r\n\r\n'),
  'an absolute target': () => get('').replace('/healthz', `http://localhost:${appliance.port}/healthz`),
  'a target that is a star': () => get('').replace('GET /healthz', 'OPTIONS *'),
  'a target that is an authority': () => get('').replace('/healthz', 'localhost:1'),
  'a backslash in the target': () => get('').replace('/healthz', '/heal\\thz'),
  'a fragment in the target': () => get('').replace('/healthz', '/healthz#a'),
  'another host': () => get('').replace('localhost', 'evil.test'),
  'version 0.9 in a request line': () => get('').replace('HTTP/1.1', 'HTTP/0.9'),
  'a folded trailer': () => chunked('0\r\nX-A: a\r\n b\r\n\r\n'),
  'a method in lower case': () => get('').replace('GET', 'get'),
  'a method that nobody knows': () => get('').replace('GET', 'SMUGGLE'),
  'a tab in the request line': () => get('').replace('GET ', 'GET\t'),
  'words behind the version': () => get('').replace('HTTP/1.1', 'HTTP/1.1 x'),
  'a space in the target': () => get('').replace('/healthz', '/heal thz'),
  'a NUL in the target': () => get('').replace('/healthz', '/heal\0thz'),
  'letters beyond ASCII in the target': () => get('').replace('/healthz', '/h\xc3\xa4'),
  'a version of HTTP to come': () => get('').replace('HTTP/1.1', 'HTTP/1.2'),
  'version 2.0 in a request line': () => get('').replace('HTTP/1.1', 'HTTP/2.0'),
  'HTTP/0.9': () => `GET /healthz\r\n${smuggled()}`,
  'the preface of HTTP/2': () => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${smuggled()}`,
  'a tunnel': () => `CONNECT localhost:1 HTTP/1.1\r\n${host()}\r\n${smuggled()}`,
  'a TLS hello': () => `\x16\x03\x01\x00\x2a\x01\x00\x00\x26\x03\x03${smuggled()}`,
};

/** Answered one by one: the first with its own status, and what is a request of its own behind it. */
const IN_STEP: Readonly<Record<string, readonly [bytes: () => string, statuses: readonly number[]]>> = {
  'a coding in another case': [
    () => post('Transfer-Encoding: CHUNKED\r\n', '2\r\n{}\r\n0\r\n\r\n'),
    [400, 404],
  ],
  'a plain chunk extension': [() => chunked('2;a=b\r\n{}\r\n0\r\n\r\n'), [400, 404]],
  'leading zeros in a chunk size': [() => chunked('0002\r\n{}\r\n0\r\n\r\n'), [400, 404]],
  'blanks around a length': [() => post('Content-Length: \t2 \r\n', '{}'), [400, 404]],
  'a length with an underscore is none': [
    () => post('Content_Length: 2\r\n').replace(smuggled(), 'GET /a'),
    [400],
  ],
  'a body of a GET': [
    () => get('Content-Length: 4\r\n').replace(smuggled(), `abcd${smuggled()}`),
    [200, 404],
  ],
  'an offer to upgrade': [() => get('Connection: Upgrade\r\nUpgrade: websocket\r\n'), [200]],
  'an expectation nobody knows': [() => get('Expect: 200-maybe\r\n'), [417, 404]],
  'two spaces in the request line': [() => get('').replace('GET ', 'GET  '), [200, 404]],
  'an empty line before the request': [() => `\r\n${get('')}`, [200, 404]],
  'HTTP/1.0': [() => get('').replace('HTTP/1.1', 'HTTP/1.0'), [200]],
  'a header that an object has': [() => get('__proto__: x\r\nconstructor: y\r\n'), [200, 404]],
  'a refused caller': [() => post('Content-Length: 2\r\n', '{}').replace(auth(), ''), [401, 404]],
};

describe('a request that two readers could read differently', { concurrency: 16 }, () => {
  for (const [what, bytes] of Object.entries(REFUSED)) {
    it(`${what} is refused, and nothing behind it is read`, async () => {
      const heard = await hear(bytes());
      assert.ok(heard.statuses.length <= 1, heard.text);
      for (const status of heard.statuses) assert.ok(status >= 400 && status < 500, heard.text);
      assert.equal(heard.closed, true, heard.text);
    });
  }
});

describe('a request that all read alike', { concurrency: 16 }, () => {
  for (const [what, [bytes, statuses]] of Object.entries(IN_STEP)) {
    it(`${what} leaves the connection in step`, async () => {
      const heard = await hear(bytes());
      assert.deepEqual(heard.statuses, statuses, heard.text);
    });
  }
});

it('the appliance has survived all of it', async () => {
  assert.equal((await ask(appliance, '/healthz')).status, 200);
  assert.doesNotMatch(appliance.logs(), /unexpected error|Unhandled/);
});
