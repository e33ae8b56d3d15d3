// Reaching an upstream, losing it, waiting for it: which code each end has, and whether the first byte may have left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UPSTREAM_CONNECTIONS_MAX } from '#kernel/limits.ts';
import { freePort } from '#test/support/appliance.ts';
import { answering, openLine, rawUpstream, type Seen } from '#test/support/raw-upstream.ts';

const OK_ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const HEAD_OF_TEN = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n';

function ended(seen: Seen, code: string, sent: boolean): void {
  assert.equal(seen.code, code, seen.detail);
  assert.equal(seen.metadata['sent'], sent);
}

test('a refused connection is UPSTREAM_UNREACHABLE and nothing was sent', async (t) => {
  ended(await openLine(t).call({ port: await freePort() }), 'UPSTREAM_UNREACHABLE', false);
});

test('a name without an answer is UPSTREAM_UNREACHABLE and nothing was sent', async (t) => {
  const seen = await openLine(t, { addresses: [] }).call({ port: 1 });
  ended(seen, 'UPSTREAM_UNREACHABLE', false);
  assert.equal(seen.metadata['reason'], 'resolve_failed');
  const failing = openLine(t, { resolver: () => Promise.reject(new Error('ENOTFOUND')) });
  ended(await failing.call({ port: 1 }), 'UPSTREAM_UNREACHABLE', false);
});

test('a resolver that hangs holds the call no longer than the call may last', async (t) => {
  const { promise, resolve } = Promise.withResolvers<readonly string[]>();
  const line = openLine(t, { resolver: () => promise });
  const began = performance.now();
  ended(await line.call({ port: 1, timeoutMs: 200 }), 'UPSTREAM_TIMEOUT', false);
  assert.ok(performance.now() - began < 2_000);
  resolve([]);
});

test('an answer of the resolver outside the network of the service is refused before any dial', async (t) => {
  const server = await rawUpstream(t, answering(OK_ANSWER));
  const seen = await openLine(t).call({ port: server.port, network: { kind: 'public' } });
  ended(seen, 'ADDRESS_DENIED', false);
  assert.equal(server.connections(), 0);
});

test('the next address is tried when the first does not answer, and a long list is not tried to its end', async (t) => {
  const server = await rawUpstream(t, answering(OK_ANSWER));
  const dead = (count: number) => Array.from({ length: count }, (_, at) => `127.0.0.${at + 2}`);
  const near = openLine(t, { addresses: [...dead(1), '127.0.0.1'] });
  assert.equal((await near.call({ port: server.port })).body, 'ok');
  const far = openLine(t, { addresses: [...dead(50), '127.0.0.1'] });
  ended(await far.call({ port: server.port }), 'UPSTREAM_UNREACHABLE', false);
});

test('silence before the headers is UPSTREAM_TIMEOUT and the request may have had its effect', async (t) => {
  const server = await rawUpstream(t, () => undefined);
  ended(await openLine(t).call({ port: server.port, timeoutMs: 200 }), 'UPSTREAM_TIMEOUT', true);
  assert.equal(server.requests.length, 1);
});

test('silence in the middle of the body is UPSTREAM_TIMEOUT, with the status that had come', async (t) => {
  const server = await rawUpstream(t, answering(`${HEAD_OF_TEN}half`));
  const seen = await openLine(t).call({ port: server.port, timeoutMs: 200 });
  ended(seen, 'UPSTREAM_TIMEOUT', true);
  assert.equal(seen.metadata['upstream_status'], 200);
  assert.equal(seen.body, '');
});

test('an upstream that drips its answer cannot stretch the time of the call', async (t) => {
  const server = await rawUpstream(t, (socket) => {
    socket.write(HEAD_OF_TEN);
    const drip = setInterval(() => socket.write('x'), 80);
    socket.on('close', () => clearInterval(drip));
  });
  const began = performance.now();
  ended(await openLine(t).call({ port: server.port, timeoutMs: 300 }), 'UPSTREAM_TIMEOUT', true);
  assert.ok(performance.now() - began < 700, 'ended before the tenth drop');
});

test('a streamed answer may go on past the time of its head, for as long as a stream may last and no longer', async (t) => {
  const server = await rawUpstream(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
    const drip = setInterval(() => socket.write('x'), 50);
    socket.on('close', () => clearInterval(drip));
  });
  const began = performance.now();
  const seen = await openLine(t).call({ port: server.port, timeoutMs: 800, streamMs: 1_400 });
  ended(seen, 'UPSTREAM_TIMEOUT', true);
  const lasted = performance.now() - began;
  assert.ok(lasted > 1_300 && lasted < 4_000, `${lasted} ms`);
  await server.allClosed();
});

test('a pause within a streamed answer is as long as the time of a call at most', async (t) => {
  const server = await rawUpstream(t, answering(`${HEAD_OF_TEN}half`));
  const began = performance.now();
  ended(
    await openLine(t).call({ port: server.port, timeoutMs: 300, streamMs: 60_000 }),
    'UPSTREAM_TIMEOUT',
    true,
  );
  assert.ok(performance.now() - began < 3_000);
});

for (const [place, bytes, status] of [
  ['before any byte', '', undefined],
  ['within the status line', 'HTTP/1.', undefined],
  ['within the headers', 'HTTP/1.1 200 OK\r\nContent-Le', undefined],
  ['within the body', `${HEAD_OF_TEN}half`, 200],
  ['within a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab', 200],
  ['before the last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n', 200],
] as const) {
  for (const way of ['close', 'reset'] as const) {
    test(`a ${way} ${place} is an error after sending, and the call is not repeated`, async (t) => {
      const server = await rawUpstream(t, (socket) => {
        if (way === 'close') socket.end(bytes);
        else socket.write(bytes, () => setTimeout(() => socket.resetAndDestroy(), 50));
      });
      const seen = await openLine(t).call({ port: server.port });
      ended(seen, 'UPSTREAM_UNREACHABLE', true);
      assert.equal(seen.metadata['upstream_status'], status);
      assert.equal(seen.body, '');
      assert.equal(server.requests.length, 1);
    });
  }
}

test('a kept connection that the upstream has closed is not used for the next call', async (t) => {
  const server = await rawUpstream(t, (socket) => {
    socket.write(OK_ANSWER, () => setTimeout(() => socket.destroy(), 20));
  });
  const line = openLine(t);
  assert.equal((await line.call({ port: server.port })).body, 'ok');
  await new Promise((done) => setTimeout(done, 100));
  assert.equal((await line.call({ port: server.port })).body, 'ok');
  assert.equal(server.connections(), 2);
});

test('calls one after the other share connections', async (t) => {
  const server = await rawUpstream(t, answering(OK_ANSWER));
  const line = openLine(t);
  for (let nth = 0; nth < 20; nth += 1) assert.equal((await line.call({ port: server.port })).body, 'ok');
  // Two, since a connection takes a turn of the event loop until it is free again.
  assert.ok(server.connections() <= 2);
});

test('a caller that goes away ends the call, and the upstream sees its connection close', async (t) => {
  const server = await rawUpstream(t, () => undefined);
  const gone = new AbortController();
  setTimeout(() => gone.abort(), 100);
  const seen = await openLine(t).call({ port: server.port }, gone.signal);
  ended(seen, 'UPSTREAM_UNREACHABLE', true);
  assert.equal(seen.metadata['reason'], 'aborted');
  await server.allClosed();
});

test('a caller that goes away during the dial has sent nothing', async (t) => {
  const server = await rawUpstream(t, answering(OK_ANSWER));
  const { promise, resolve } = Promise.withResolvers<readonly string[]>();
  const line = openLine(t, { resolver: () => promise });
  const gone = new AbortController();
  setTimeout(() => gone.abort(), 50);
  const seen = await line.call({ port: server.port }, gone.signal);
  ended(seen, 'UPSTREAM_UNREACHABLE', false);
  resolve(['127.0.0.1']);
  await new Promise((done) => setTimeout(done, 100));
  assert.deepEqual(server.requests, [], 'the request does not leave later');
  assert.equal((await line.call({ port: server.port })).body, 'ok');
});

test('a call that waits for a free connection until its time is over has sent nothing', async (t) => {
  const server = await rawUpstream(t, () => undefined);
  const line = openLine(t);
  const holders = Array.from({ length: UPSTREAM_CONNECTIONS_MAX }, () =>
    line.call({ port: server.port, timeoutMs: 4_000 }),
  );
  const waiting = await line.call({ port: server.port, timeoutMs: 300, path: '/late' });
  ended(waiting, 'UPSTREAM_TIMEOUT', false);
  for (const seen of await Promise.all(holders)) ended(seen, 'UPSTREAM_TIMEOUT', true);
  assert.equal(server.requests.length, UPSTREAM_CONNECTIONS_MAX);
  assert.ok(!server.requests.some((text) => text.includes('/late')));
});

test('a stopped dialler refuses, and nothing was sent', async (t) => {
  const server = await rawUpstream(t, answering(OK_ANSWER));
  const line = openLine(t);
  assert.equal((await line.call({ port: server.port })).body, 'ok');
  await line.upstream.close();
  ended(await line.call({ port: server.port }), 'UPSTREAM_UNREACHABLE', false);
  assert.equal(server.requests.length, 1);
});
