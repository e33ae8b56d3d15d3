// A packed answer is unpacked under limits, scrubbed, and shown without its coding; what cannot be unpacked is withheld.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { answering, openLine, rawUpstream, type Seen } from '#test/support/raw-upstream.ts';

const SECRET = 'canary-packed-7f3a9c51d2e84b06';
const BODY = JSON.stringify({ v: SECRET, text: 'plain '.repeat(50) });
const SHOWN = BODY.replace(SECRET, '[redacted:shop]');

type Answer = {
  readonly coding?: string;
  readonly type?: string;
  readonly body: Uint8Array;
  readonly size?: number;
};
type Context = Parameters<typeof openLine>[0];

/** In pieces of so many bytes, each a chunk of its own. */
async function seen(
  t: Context,
  { coding, type = 'application/json', body, size = 1_000 }: Answer,
): Promise<Seen> {
  const head = [
    'HTTP/1.1 200 OK',
    'Transfer-Encoding: chunked',
    ...(type === '' ? [] : [`Content-Type: ${type}`]),
    ...(coding === undefined ? [] : [`Content-Encoding: ${coding}`]),
  ];
  const text = Buffer.from(body).toString('latin1');
  const chunks = text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? [];
  const framed = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  const server = await rawUpstream(t, answering(`${head.join('\r\n')}\r\n\r\n${framed}0\r\n\r\n`));
  return openLine(t, { secrets: [SECRET] }).call({ port: server.port });
}

const PACKED: Readonly<Record<string, readonly [coding: string, body: Uint8Array]>> = {
  gzip: ['gzip', gzipSync(BODY)],
  'gzip under its old name, in capitals': ['X-GZIP', gzipSync(BODY)],
  'deflate with its wrapper': ['deflate', deflateSync(BODY)],
  'deflate without its wrapper': ['deflate', deflateRawSync(BODY)],
  br: ['br', brotliCompressSync(BODY)],
  zstd: ['zstd', zstdCompressSync(BODY)],
  'gzip in gzip': ['gzip, gzip', gzipSync(gzipSync(BODY))],
  'br in deflate in gzip, with identity': [
    'br, identity, deflate, gzip',
    gzipSync(deflateSync(brotliCompressSync(BODY))),
  ],
  'an empty body': ['gzip', new Uint8Array()],
};
for (const [name, [coding, body]] of Object.entries(PACKED))
  for (const size of [1_000, 1])
    test(`${name} in pieces of ${size} is unpacked, scrubbed, and shown without its coding`, async (t) => {
      const { code, detail, body: shown, headers } = await seen(t, { coding, body, size });
      assert.deepEqual([code, shown], ['OK', body.length === 0 ? '' : SHOWN], detail);
      assert.deepEqual(headers, [['content-type', 'application/json']]);
    });

const BROKEN: Readonly<Record<string, readonly [coding: string | undefined, body: Uint8Array]>> = {
  'a stream that ends early': ['gzip', gzipSync(BODY).subarray(0, -10)],
  'a stream with a wrong byte': ['gzip', gzipSync(BODY).fill(0xff, 40, 60)],
  'a bomb': ['gzip', gzipSync(Buffer.alloc(20_000_000))],
  'a bomb in a bomb': ['gzip, gzip', gzipSync(gzipSync(Buffer.alloc(20_000_000)))],
  'a bomb of brotli': ['br', brotliCompressSync(Buffer.alloc(20_000_000))],
  'another coding than it says': ['br', gzipSync(BODY)],
  'gzip that says nothing': [undefined, gzipSync(BODY)],
  'zstd that says nothing': [undefined, zstdCompressSync(BODY)],
  'zlib that says nothing': [undefined, deflateSync(BODY)],
  'zlib at another level that says nothing': [undefined, deflateSync(BODY, { level: 3 })],
};
for (const [name, [coding, body]] of Object.entries(BROKEN))
  for (const size of body.length > 5_000 ? [1_000] : [1_000, 1])
    test(`${name}, in pieces of ${size}, is withheld`, async (t) => {
      const {
        code,
        metadata,
        body: shown,
      } = await seen(t, { ...(coding === undefined ? {} : { coding }), body, size });
      assert.deepEqual([code, shown.length], ['RESPONSE_WITHHELD', 0]);
      assert.equal(metadata['sent'], true);
      assert.equal(metadata['upstream_status'], 200);
    });

test('an archive passes as it is where the type says that it may be one', async (t) => {
  const body = gzipSync('nothing of ours');
  for (const type of ['application/gzip', 'application/octet-stream', 'application/vnd.example.backup'])
    assert.equal((await seen(t, { type, body })).body, body.toString('latin1'), type);
  for (const type of [
    '',
    'text/plain',
    'application/vnd.github+json',
    'application/problem+xml; charset=utf-8',
  ])
    assert.equal((await seen(t, { type, body })).code, 'RESPONSE_WITHHELD', type);
});

test('text that begins like something packed passes', async (t) => {
  for (const text of ['x^2 + y^2', 'x', '(a)', 'x\x01', '\x1f', '\x1f\x8b'])
    for (const size of [1_000, 1])
      assert.equal(
        (await seen(t, { type: 'text/plain', body: Buffer.from(text, 'latin1'), size })).body,
        text,
      );
});
