// The scrub step by itself: what of an answer passes, what is withheld, and what a body that ends early or never is worth.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Fault } from '#kernel/errors.ts';
import { compileRedactor } from '#pipeline/redact.ts';
import { createScrub, type Scrubbed, withheld } from '#pipeline/scrub.ts';
import { type Pieces, piecesOf } from '#platform/net/exchange.ts';

const SECRET = 'canary-7f3a9c51d2e84b06';
const redactor = compileRedactor([{ service: 'shop', text: SECRET }]);
const MARKER = redactor.text(SECRET);

type Answer = {
  readonly status?: number;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: readonly (string | Uint8Array)[];
  /** Thrown after the body. */
  readonly broken?: unknown;
};
type Upstream = { discarded: number };

/** An upstream whose pieces come one by one, each only when it was waited for. */
function arriving({ body = [], broken }: Answer, discard: () => void): Pieces {
  const queue = body.map((piece) => Buffer.from(piece as Uint8Array));
  let here = 0;
  const take = (): Uint8Array | undefined => {
    if (here === 0) return undefined;
    here = 0;
    return queue.shift();
  };
  const more = async (): Promise<void> => {
    if (queue.length === 0) throw broken;
    here = 1;
  };
  return piecesOf({ take, finished: () => queue.length === 0 && broken === undefined, more }, discard);
}

function scrubbing({ status = 200, headers = [], ...answer }: Answer, bytesMax = 1_000) {
  const upstream: Upstream = { discarded: 0 };
  const discard = (): void => {
    upstream.discarded += 1;
  };
  const from = { response: { status, headers, body: arriving(answer, discard), discard } };
  const scrub = createScrub({ redactor: () => redactor, bytesMax: () => bytesMax });
  const result = scrub(from as unknown as Parameters<typeof scrub>[0]);
  return { result, upstream, from };
}

function scrubbed(answer: Answer, bytesMax?: number) {
  const { result, ...rest } = scrubbing(answer, bytesMax);
  assert.ok(result.ok);
  return { value: result.value, ...rest };
}

async function read({ body }: Scrubbed): Promise<string[]> {
  const pieces: string[] = [];
  for await (const piece of body) pieces.push(Buffer.from(piece).toString());
  return pieces;
}

describe('an answer after the scrub', () => {
  it('keeps its status, and its headers but for those that stay here and for secrets in them', () => {
    const { value, upstream, from } = scrubbed({
      status: 404,
      headers: [
        ['X-One', 'a'],
        ['Set-Cookie', 'b'],
        ['X-Two', `c ${SECRET} d`],
        [`X-${SECRET.toUpperCase()}`, 'e'],
      ],
    });
    assert.equal(value.status, 404);
    assert.deepEqual(value.headers, [
      ['X-One', 'a'],
      ['X-Two', `c ${MARKER} d`],
    ]);
    assert.equal(value.tally.redacted, 2);
    assert.equal(value.from, from);
    assert.equal(value.redactor, redactor);
    assert.equal(value.bytesMax, 1_000);
    value.discard();
    assert.equal(upstream.discarded, 1);
  });

  it('has the length that the upstream declared where no secret can hide in so short a body', () => {
    const lengthOf = (length: number): number | undefined =>
      scrubbed({ headers: [['content-length', String(length)]] }).value.lengthBytes;
    assert.equal(lengthOf(redactor.shortestBytes - 1), redactor.shortestBytes - 1);
    assert.equal(lengthOf(redactor.shortestBytes), undefined);
    assert.equal(scrubbed({}).value.lengthBytes, undefined);
  });

  it('has a body without secrets, wherever these are cut, and says how long it came', async () => {
    const body = ['a ', SECRET.slice(0, 9), `${SECRET.slice(9)} b`, SECRET];
    const { value, upstream } = scrubbed({ body });
    assert.equal((await read(value)).join(''), `a ${MARKER} b${MARKER}`);
    assert.deepEqual(value.tally, { bytes: body.join('').length, cut: false, redacted: 2 });
    assert.ok(upstream.discarded > 0);
  });

  it('gives out each piece as it comes, none empty, and in the end what looked like a beginning', async () => {
    assert.deepEqual(await read(scrubbed({ body: ['!!!', '~~'] }).value), ['!!!', '~~']);
    const begun = SECRET.slice(0, 7);
    assert.equal((await read(scrubbed({ body: ['x', begun] }).value)).join(''), `x${begun}`);
    assert.ok(
      (await read(scrubbed({ body: ['', begun, SECRET.slice(7)] }).value)).every((piece) => piece !== ''),
    );
    assert.deepEqual(await read(scrubbed({}).value), []);
  });
});

describe('a packed answer', () => {
  it('is unpacked, and its length is then not known', async () => {
    const packed = gzipSync(`!${SECRET}!`);
    const headers = [
      ['content-encoding', 'gzip'],
      ['content-length', '3'],
    ] as const;
    const { value } = scrubbed({ headers, body: [packed] });
    assert.equal(value.lengthBytes, undefined);
    assert.equal((await read(value)).join(''), `!${MARKER}!`);
    assert.equal(value.tally.bytes, SECRET.length + 2);
  });

  it('counts the secrets of headers and body together', async () => {
    const { value } = scrubbed({ headers: [['x-a', SECRET]], body: [SECRET] });
    await read(value);
    assert.equal(value.tally.redacted, 2);
  });
});

describe('a body that goes on past the limit', () => {
  it('is cut there and says so; the upstream is left', async () => {
    const { value, upstream } = scrubbed({ body: ['!!!!!', '~~~~~', 'never'] }, 7);
    assert.deepEqual(await read(value), ['!!!!!', '~~']);
    assert.deepEqual([value.tally.bytes, value.tally.cut], [7, true]);
    assert.ok(upstream.discarded > 0);
  });

  it('passes whole where it is as long as the limit', async () => {
    const { value } = scrubbed({ body: ['!!!!!', '~~'] }, 7);
    assert.deepEqual(await read(value), ['!!!!!', '~~']);
    assert.deepEqual([value.tally.bytes, value.tally.cut], [7, false]);
  });

  it('never gives out the beginning of a secret that the cut left', async () => {
    const { value } = scrubbed({ body: [`!!${SECRET}`] }, 9);
    assert.deepEqual(await read(value), ['!!']);
  });
});

describe('a body that breaks off', () => {
  const faultOf = async (broken: unknown): Promise<Fault> => {
    const { value } = scrubbed({ status: 201, body: ['!', SECRET.slice(0, 5)], broken });
    const pieces: string[] = [];
    const drain = async (): Promise<void> => {
      for await (const piece of value.body) pieces.push(Buffer.from(piece).toString());
    };
    const thrown: unknown = await drain().then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.deepEqual(pieces, ['!'], 'and what was held back stays');
    assert.ok(thrown instanceof Fault);
    return thrown;
  };

  it('says that the request was sent and which status came, beside what is known of the fault', async () => {
    const known = new Fault('UPSTREAM_TIMEOUT', { detail: 'idle', metadata: { after_ms: 5 } });
    const { code, detail, metadata, cause } = await faultOf(known);
    assert.deepEqual([code, detail], ['UPSTREAM_TIMEOUT', 'idle']);
    assert.deepEqual(metadata, { after_ms: 5, sent: true, upstream_status: 201 });
    assert.equal(cause, known);
  });

  it('is an upstream out of reach where nobody knows more', async () => {
    const error = new Error('socket hang up');
    const fault = await faultOf(error);
    assert.deepEqual([fault.code, fault.detail], ['UPSTREAM_UNREACHABLE', 'Error: socket hang up']);
    assert.deepEqual(fault.metadata, { sent: true, upstream_status: 201 });
    assert.equal((await faultOf(new Fault('UPSTREAM_UNREACHABLE'))).detail, 'body broke off');
  });
});

/** It goes to the caller and holds no text of the service, which may be the secret. */
const UNDONE = 'a content-encoding that cannot be undone';

describe('an answer that cannot be read', () => {
  it('is withheld, its connection closed, and the reason named', () => {
    const { result, upstream } = scrubbing({ status: 206, headers: [['Content-Encoding', 'X-Unknown']] });
    assert.ok(!result.ok);
    const { code, detail, metadata } = result.fault;
    assert.deepEqual([code, detail], ['RESPONSE_WITHHELD', UNDONE]);
    assert.deepEqual(metadata, { sent: true, upstream_status: 206, reason: UNDONE });
    assert.equal(upstream.discarded, 1);
  });

  it('is withheld for any other reason in the same way', () => {
    const discarded: string[] = [];
    const result = withheld({ status: 200, discard: () => void discarded.push('once') }, 'why');
    assert.equal(result.ok ? undefined : result.fault.metadata['reason'], 'why');
    assert.deepEqual(discarded, ['once']);
  });
});
