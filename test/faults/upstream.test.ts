// Every fault of an upstream through the running appliance, in the three forms of a call: a typed error that says what
// left, an outcome entry that is the truth, and no answer that looks whole and is not. TLS and the dial: dial.test.ts.
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { FAULT_SECRET, type Faults, type Form, startFaults } from '#test/support/faults.ts';
import { answering, type Script } from '#test/support/raw-upstream.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const WHOLE = `${OK}Content-Length: 2\r\n\r\nok`;
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
const TEN = `${OK}Content-Length: 10\r\n\r\n`;
const RESPONSE_BYTES = 200_000;
const RSS_GROWTH_BYTES = 50_000_000;

type Expected = {
  /** As `code, sent, upstream_status`; an answer is `OK` with its status. */
  readonly told: readonly [code: string, sent: boolean | undefined, status: number | undefined];
  /** Of the outcome entry. */
  readonly log: readonly [outcome: string, status: number | null, code: string | null];
};
type Case = { readonly script: Script; readonly collected: Expected; readonly streamed: Expected };

/** Nothing of an answer was shown: both forms are told the same. */
const refused = (script: Script, code: string, status?: number): Case => {
  const expected: Expected = { told: [code, true, status], log: ['unknown', status ?? null, code] };
  return { script, collected: expected, streamed: expected };
};
/** The head had been passed on, so that the stream can only be broken. */
const broken = (script: Script, code: string): Case => ({
  script,
  collected: { told: [code, true, 200], log: ['unknown', 200, code] },
  streamed: { told: ['BROKEN', undefined, 200], log: ['unknown', 200, code] },
});
const whole = (script: Script, status = 200): Case => {
  const expected: Expected = {
    told: ['OK', undefined, status],
    log: [status < 400 ? 'success' : 'failure', status, null],
  };
  return { script, collected: expected, streamed: expected };
};

/** Writes for as long as the other side takes it. */
function flood(first: string, piece: string): Script {
  return (socket) => {
    socket.write(first);
    const more = (): void => {
      if (!socket.destroyed) socket.write(piece, 'latin1', () => setImmediate(more));
    };
    more();
  };
}
const then = (bytes: string, end: (socket: Socket) => void): Script => {
  return (socket) => void socket.write(bytes, 'latin1', () => setTimeout(() => end(socket), 20));
};
const close = (socket: Socket): void => void socket.end();
const reset = (socket: Socket): void => void socket.resetAndDestroy();
const later = (bytes: string, ms: number): Script => {
  return (socket) => void setTimeout(() => socket.write(bytes), ms);
};

/** Longer than the time of a call, with no pause that is. */
const trickle: Script = (socket) => {
  socket.write(`${OK}Content-Length: 30\r\n\r\n`);
  let written = 0;
  const timer = setInterval(() => {
    written += 1;
    socket.write('x');
    if (written === 30) clearInterval(timer);
  }, 100);
  socket.on('close', () => clearInterval(timer));
};

const TIMEOUT = 'UPSTREAM_TIMEOUT';
const GONE = 'UPSTREAM_UNREACHABLE';
const WITHHELD = 'RESPONSE_WITHHELD';

const CASES: Readonly<Record<string, Case>> = {
  'never-answers': refused(() => undefined, TIMEOUT),
  'answers-too-late': refused(later(WHOLE, 2_300), TIMEOUT),
  'head-then-silence': broken(answering(TEN), TIMEOUT),
  'half-a-body-then-silence': broken(answering(`${TEN}half`), TIMEOUT),
  'half-a-head-then-silence': refused(answering(`${OK}Content-Le`), TIMEOUT),
  'trickles-its-body': {
    script: trickle,
    collected: { told: [TIMEOUT, true, 200], log: ['unknown', 200, TIMEOUT] },
    streamed: { told: ['OK', undefined, 200], log: ['success', 200, null] },
  },
  'trickles-its-head': refused(flood(OK, ''), TIMEOUT),
  'endless-body': {
    script: flood(`${OK}\r\n`, 'x'.repeat(65_536)),
    collected: { told: ['OK', undefined, 200], log: ['success', 200, null] },
    streamed: { told: ['BROKEN', undefined, 200], log: ['unknown', 200, WITHHELD] },
  },
  'endless-chunks': {
    script: flood(CHUNKED, `ffff\r\n${'x'.repeat(65_535)}\r\n`),
    collected: { told: ['OK', undefined, 200], log: ['success', 200, null] },
    streamed: { told: ['BROKEN', undefined, 200], log: ['unknown', 200, WITHHELD] },
  },
  'ten-gigabytes-announced': {
    script: flood(`${OK}Content-Length: 10000000000\r\n\r\n`, 'x'.repeat(65_536)),
    collected: { told: ['OK', undefined, 200], log: ['success', 200, null] },
    streamed: { told: [WITHHELD, true, 200], log: ['unknown', 200, WITHHELD] },
  },
  'length-too-long': broken(then(`${TEN}half`, close), GONE),
  'length-too-short': whole(answering(`${WHOLE}and more`)),
  'a-second-answer': whole(answering(`${WHOLE}${OK}Content-Length: 6\r\n\r\npoison`)),
  'both-framings': refused(
    answering(`${OK}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n`),
    WITHHELD,
  ),
  'interim-flood': refused(flood('', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(50)), WITHHELD),
  'interim-trickle': refused((socket) => {
    const timer = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 100);
    socket.on('close', () => clearInterval(timer));
  }, TIMEOUT),
  'two-lengths': refused(answering(`${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!`), WITHHELD),
  'endless-headers': refused(flood(OK, 'X-A: aaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(100)), WITHHELD),
  'one-endless-header': refused(flood(`${OK}X-A: `, 'a'.repeat(4_096)), WITHHELD),
  'ten-thousand-headers': refused(answering(`${OK}${'X-A: a\r\n'.repeat(10_000)}\r\nok`), WITHHELD),
  'a-thousand-headers': refused(answering(`${OK}${'X-A: a\r\n'.repeat(1_000)}\r\nok`), WITHHELD, 200),
  'endless-trailers': broken(
    flood(`${CHUNKED}2\r\nok\r\n0\r\n`, 'X-A: aaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(100)),
    WITHHELD,
  ),
  trailers: whole(answering(`${CHUNKED}2\r\nok\r\n0\r\nX-Trailer: ${FAULT_SECRET}\r\n\r\n`)),
  'closes-unanswered': refused(then('', close), GONE),
  'resets-unanswered': refused((socket) => reset(socket), GONE),
  'closes-in-its-head': refused(then(`${OK}Content-`, close), GONE),
  'resets-in-its-head': refused(then(`${OK}Content-`, reset), GONE),
  'closes-in-its-body': broken(then(`${CHUNKED}5\r\nab`, close), GONE),
  'resets-in-its-body': broken(then(`${CHUNKED}5\r\nab`, reset), GONE),
  'closes-before-the-last-chunk': broken(then(`${CHUNKED}2\r\nab\r\n`, close), GONE),
  'a-chunk-that-is-no-chunk': broken(answering(`${CHUNKED}2\r\nab\r\nzz\r\n`), WITHHELD),
  'ends-without-a-length': whole(then(`${OK}\r\nok`, close)),
  'interim-answers': whole(
    answering(`${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(5)}${WHOLE}`),
  ),
  'unasked-upgrade': refused(
    answering('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
    GONE,
  ),
  'http-0.9': refused(answering('hello there, this is HTTP 0.9\r\n'), WITHHELD),
  'not-http': refused(answering('SSH-2.0-OpenSSH_9.9\r\n'), WITHHELD),
  'a-tls-alert': refused(answering('\x15\x03\x01\x00\x02\x02\x28'), WITHHELD),
  'nul-in-a-header': refused(answering(`${OK}X-A: a\0b\r\nContent-Length: 2\r\n\r\nok`), WITHHELD),
  'nul-in-the-body': whole(answering(`${OK}Content-Length: 2\r\n\r\n\0\0`)),
  'packed-in-an-unknown-way': refused(
    answering(`${OK}Content-Encoding: x-packed\r\nContent-Length: 2\r\n\r\nok`),
    WITHHELD,
    200,
  ),
  'http-1.0': whole(answering('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok')),
  'no-reason': whole(answering('HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok')),
  'empty-reason': whole(answering('HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok')),
  'status-0': refused(answering('HTTP/1.1 000 No\r\nContent-Length: 2\r\n\r\nok'), GONE),
  'status-99': refused(answering('HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nok'), GONE),
  'status-100': refused(answering(`HTTP/1.1 100 Continue\r\n\r\n${WHOLE}`), GONE),
  'status-199-alone': refused(answering('HTTP/1.1 199 Hm\r\n\r\n'), TIMEOUT),
  'status-600': refused(answering('HTTP/1.1 600 Hm\r\nContent-Length: 2\r\n\r\nok'), WITHHELD),
  'status-999': refused(answering('HTTP/1.1 999 Hm\r\nContent-Length: 2\r\n\r\nok'), WITHHELD),
  'status-1000': refused(answering('HTTP/1.1 1000 Hm\r\nContent-Length: 2\r\n\r\nok'), WITHHELD),
  'status-minus': refused(answering('HTTP/1.1 -20 Hm\r\nContent-Length: 2\r\n\r\nok'), WITHHELD),
  'no-content-with-a-body': whole(
    answering(`HTTP/1.1 204 No Content\r\nContent-Length: 40\r\n\r\n${WHOLE}`),
    204,
  ),
  'not-modified-with-a-body': whole(answering(`HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\nok${WHOLE}`), 304),
  redirects: whole(answering('HTTP/1.1 302 Found\r\nLocation: /redirects\r\nContent-Length: 0\r\n\r\n'), 302),
  fails: whole(answering('HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno'), 500),
};

let faults: Faults;

before(async () => {
  const scripts = Object.fromEntries(Object.entries(CASES).map(([name, { script }]) => [name, script]));
  faults = await startFaults({
    scripts,
    limits: `call_timeout: 2s, response_body: ${RESPONSE_BYTES / 1_000}kB`,
  });
});
after(() => faults?.dispose());

async function check(form: Form, path: string, { told, log }: Expected): Promise<void> {
  const began = performance.now();
  const seen = await faults.call(form, path);
  const [code, sent, status] = told;
  assert.deepEqual(
    [seen.code, seen.metadata['sent'], seen.status ?? seen.metadata['upstream_status']],
    [code, sent, status],
    seen.text.slice(0, 500),
  );
  assert.ok(performance.now() - began < 8_000, 'the call held its caller too long');
  assert.ok(!seen.text.includes(FAULT_SECRET));
  const entry = await faults.outcome(path);
  assert.deepEqual([entry['outcome'], entry['status'], entry['error_code']], log);
  const { reason } = entry['detail'] as Record<string, unknown>;
  if (code === 'OK' && entry['bytes_in'] === RESPONSE_BYTES) assert.match(String(reason), /cut at the limit/);
  if (entry['outcome'] === 'unknown') assert.match(String(reason), /\S/, 'why it is unknown');
  if (code !== 'OK' && code !== 'BROKEN')
    assert.equal(seen.metadata['entry_id'], entry['refers_to'], 'the caller can find its call in the log');
}

describe('an upstream that misbehaves', { concurrency: 12 }, () => {
  for (const [name, { collected, streamed }] of Object.entries(CASES)) {
    for (const form of ['envelope', 'path', 'mcp'] as const) {
      it(`${name}: ${form}`, () => check(form, `/${name}/${form}`, form === 'path' ? streamed : collected));
    }
  }
});

describe('after all of it', () => {
  it('each request was sent once', () => {
    const lines = faults.bad.requests.map((text) => text.split('\r\n')[0]);
    assert.equal(new Set(lines).size, lines.length);
  });

  it('a service that behaves is served, in every form, and nothing was thrown', async () => {
    for (const form of ['envelope', 'path', 'mcp'] as const) {
      const seen = await faults.call(form, `/after/${form}`, { service: 'good' });
      assert.deepEqual([seen.code, seen.status], ['OK', 200]);
    }
    assert.doesNotMatch(faults.appliance.logs(), /unexpected error|Unhandled|MaxListeners/);
  });

  it('no connection is left open but those that may be used again', async () => {
    await new Promise((done) => setTimeout(done, 100));
    assert.ok(faults.bad.open() <= 12, `${faults.bad.open()} are open`);
  });

  it('memory is flat over many more', async () => {
    const names = [
      'endless-body',
      'endless-headers',
      'endless-trailers',
      'one-endless-header',
      'resets-in-its-body',
    ];
    const round = async (nth: number): Promise<void> => {
      const paths = names.flatMap((name) => [`/${name}/${nth}a`, `/${name}/${nth}b`]);
      await Promise.all(paths.map((path, at) => faults.call(at % 2 === 0 ? 'envelope' : 'path', path)));
    };
    for (let nth = 0; nth < 5; nth += 1) await round(nth);
    const before = await faults.memoryBytes();
    for (let nth = 5; nth < 25; nth += 1) await round(nth);
    const grown = (await faults.memoryBytes()) - before;
    assert.ok(grown < RSS_GROWTH_BYTES, `grown by ${grown} bytes`);
  });
});
