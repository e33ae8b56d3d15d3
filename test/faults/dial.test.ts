// A service that cannot be reached, or is not who it should be: nothing was sent, the caller is told so, and the log
// says failure and not unknown. Through the running appliance; each rule alone is in platform/net/upstream-tls.test.ts.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { freePort } from '#test/support/appliance.ts';
import { createAuthority, selfSigned } from '#test/support/certificates.ts';
import { type Faults, startFaults } from '#test/support/faults.ts';
import { answering, rawUpstream } from '#test/support/raw-upstream.ts';

const WHOLE = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const HERE = '127.0.0.1';
const UNREACHABLE = 'UPSTREAM_UNREACHABLE';
const authority = createAuthority('Authority of the services');
const good = authority.issue({ names: [HERE] });

const TLS: Readonly<Record<string, TlsOptions>> = {
  expired: authority.issue({ names: [HERE], notAfter: '210101000000Z' }),
  'self-signed': selfSigned([HERE]),
  'wrong-name': authority.issue({ names: ['other.test'] }),
  'wrong-authority': createAuthority('Authority of somebody else').issue({ names: [HERE] }),
  'old-protocol': { ...good, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
};
/** What a server does on a port where TLS is expected. */
const SOCKETS: Readonly<Record<string, (socket: Socket) => void>> = {
  'stalls-in-the-handshake': () => undefined,
  'trickles-in-the-handshake': (socket) => {
    // The head of a long record, as a server hello begins.
    const bytes = Buffer.from('1603034000020000fc0303', 'hex');
    let at = 0;
    const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 200);
    socket.on('close', () => clearInterval(timer));
  },
  'closes-in-the-handshake': (socket) => void socket.once('data', () => socket.end()),
  'resets-in-the-handshake': (socket) => void socket.once('data', () => socket.resetAndDestroy()),
  'speaks-no-tls': (socket) => void socket.once('data', () => socket.end(WHOLE)),
};

let faults: Faults;
let dir: string;
const endings: (() => void)[] = [];
const ending = { after: (end: () => void) => void endings.push(end) };
const requests: Readonly<{ requests: readonly string[] }>[] = [];

async function silent(serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    serve(socket);
  });
  await new Promise<void>((done) => server.listen(0, HERE, done));
  endings.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stack-dial-'));
  await writeFile(join(dir, 'ca.pem'), authority.certPem);
  const place = (port: number): string =>
    `base_url: https://${HERE}:${port}\n    network: loopback\n    tls: { ca_file: ${join(dir, 'ca.pem')} }`;
  const places: Record<string, string> = { refuses: place(await freePort()) };
  for (const [name, options] of Object.entries(TLS)) {
    const server = await rawUpstream(ending, answering(WHOLE), options);
    requests.push(server);
    places[name] = place(server.port);
  }
  for (const [name, serve] of Object.entries(SOCKETS)) places[name] = place(await silent(serve));
  places['good-tls'] = place((await rawUpstream(ending, answering(WHOLE), good)).port);
  const renegotiating = await rawUpstream(
    ending,
    (socket) => {
      (socket as TLSSocket).renegotiate({}, () => socket.write(WHOLE));
    },
    { ...good, maxVersion: 'TLSv1.2' },
  );
  places['renegotiates'] = place(renegotiating.port);
  faults = await startFaults({ scripts: {}, limits: 'call_timeout: 2s', places });
});

after(async () => {
  await faults?.dispose();
  for (const end of endings) end();
  await rm(dir, { recursive: true, force: true });
});

const CODES: Readonly<Record<string, string>> = {
  'stalls-in-the-handshake': 'UPSTREAM_TIMEOUT',
  'trickles-in-the-handshake': 'UPSTREAM_TIMEOUT',
};

describe('a service that is not reached', { concurrency: 8 }, () => {
  for (const name of ['refuses', ...Object.keys(TLS), ...Object.keys(SOCKETS)]) {
    for (const form of ['envelope', 'path', 'mcp'] as const) {
      it(`${name}: ${form}`, async () => {
        const path = `/${name}/${form}`;
        const seen = await faults.call(form, path, { service: name });
        const code = CODES[name] ?? UNREACHABLE;
        assert.deepEqual([seen.code, seen.metadata['sent']], [code, false], seen.text);
        if (name in TLS) assert.equal(seen.metadata['reason'], 'tls');
        const entry = await faults.outcome(path);
        assert.deepEqual(
          [entry['outcome'], entry['status'], entry['error_code']],
          ['failure', null, code],
          'nothing was sent, and that is known',
        );
        assert.match(String((entry['detail'] as Record<string, unknown>)['reason']), /\S/);
      });
    }
  }

  it('has seen no byte of a request', () => {
    assert.deepEqual(
      requests.flatMap((server) => server.requests),
      [],
    );
  });

  it('a certificate of its authority opens it', async () => {
    const seen = await faults.call('envelope', '/fine', { service: 'good-tls' });
    assert.deepEqual([seen.code, seen.status], ['OK', 200]);
  });

  it('one that wants to shake hands again is refused that, and the call may have had its effect', async () => {
    const seen = await faults.call('envelope', '/again', { service: 'renegotiates' });
    // Whether it gives up or waits is its own doing.
    assert.match(seen.code, /^UPSTREAM_(?:TIMEOUT|UNREACHABLE)$/, seen.text);
    assert.equal(seen.metadata['sent'], true);
    assert.equal((await faults.outcome('/again'))['outcome'], 'unknown');
  });
});
