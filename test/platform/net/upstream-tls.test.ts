// TLS towards upstreams: verified always, by the authority of this one service, whatever the environment says.
import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect, type SecureVersion } from 'node:tls';
import { createAuthority, type ServerCertificate, selfSigned } from '#test/support/certificates.ts';
import { answering, openLine, rawUpstream } from '#test/support/raw-upstream.ts';

const HOST = 'api.service.test';
const OK_ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const ours = createAuthority('Authority of one service');
const theirs = createAuthority('Authority of another service');
const good = ours.issue({ names: [HOST] });
const https = (host = HOST) => ({ scheme: 'https' as const, host, port: 0 });

type Refusal = { readonly certificate: ServerCertificate; readonly caPem?: string; readonly host?: string };

async function refused(t: TestContext, { certificate, caPem, host }: Refusal): Promise<void> {
  const server = await rawUpstream(t, answering(OK_ANSWER), certificate);
  const seen = await openLine(t).call({ port: server.port, origin: https(host), caPem });
  assert.equal(seen.code, 'UPSTREAM_UNREACHABLE');
  assert.equal(seen.metadata['reason'], 'tls');
  assert.equal(seen.metadata['sent'], false);
  assert.deepEqual(server.requests, [], 'no byte of the request may have come');
}

test('a self-signed certificate is refused and nothing is sent', (t) =>
  refused(t, { certificate: selfSigned([HOST]) }));

test('a self-signed certificate is refused beside the authority of the service, too', (t) =>
  refused(t, { certificate: selfSigned([HOST]), caPem: ours.certPem }));

test('a certificate of an authority that nobody named is refused', (t) => refused(t, { certificate: good }));

test('a certificate for another host name is refused', (t) =>
  refused(t, { certificate: ours.issue({ names: ['other.test'] }), caPem: ours.certPem }));

test('a wildcard covers one label only', async (t) => {
  const certificate = ours.issue({ names: ['*.service.test'] });
  await refused(t, { certificate, caPem: ours.certPem, host: 'a.b.service.test' });
});

test('an address is not covered by a certificate for a name', (t) =>
  refused(t, { certificate: good, caPem: ours.certPem, host: '127.0.0.1' }));

test('an expired certificate is refused', (t) =>
  refused(t, {
    certificate: ours.issue({ names: [HOST], notAfter: '210101000000Z' }),
    caPem: ours.certPem,
  }));

test('the authority of a service opens that service, with its name in SNI and Host', async (t) => {
  let sni: unknown;
  const certificate = {
    ...good,
    SNICallback: (name: string, done: (error: Error | null) => void) => {
      sni = name;
      done(null);
    },
  };
  const server = await rawUpstream(t, answering(OK_ANSWER), certificate);
  const seen = await openLine(t).call({ port: server.port, origin: https(), caPem: ours.certPem });
  assert.equal(seen.body, 'ok');
  assert.equal(sni, HOST);
  assert.match(server.requests[0] ?? '', new RegExp(`^host: ${HOST}:${server.port}\r$`, 'im'));
});

test('an address in the certificate opens a service that is configured by that address', async (t) => {
  const server = await rawUpstream(t, answering(OK_ANSWER), ours.issue({ names: ['127.0.0.1'] }));
  const seen = await openLine(t).call({ port: server.port, origin: https('127.0.0.1'), caPem: ours.certPem });
  assert.equal(seen.body, 'ok');
});

test('the authority of one service is not trusted for another, not even over an open connection', async (t) => {
  const server = await rawUpstream(t, answering(OK_ANSWER), good);
  const line = openLine(t);
  const call = { port: server.port, origin: https() };
  const first = await line.call({ ...call, key: 'one:1', caPem: ours.certPem });
  assert.equal(first.body, 'ok');
  for (const other of [
    { key: 'two:1', caPem: undefined },
    { key: 'three:1', caPem: theirs.certPem },
  ]) {
    const seen = await line.call({ ...call, ...other });
    assert.equal(seen.code, 'UPSTREAM_UNREACHABLE', other.key);
    assert.equal(seen.metadata['reason'], 'tls');
  }
  assert.equal(server.requests.length, 1);
});

/** Proof that the server speaks what the test says: a client that asks for no more gets through. */
function handshakes(port: number, version: SecureVersion): Promise<string | null> {
  return new Promise((done, failed) => {
    const lax = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...lax }, () => {
      done(socket.getProtocol());
      socket.destroy();
    });
    socket.on('error', failed);
  });
}

for (const version of ['TLSv1', 'TLSv1.1'] as const) {
  test(`${version} is refused`, async (t) => {
    const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
    const server = await rawUpstream(t, answering(OK_ANSWER), { ...good, ...old });
    assert.equal(await handshakes(server.port, version), version);
    const seen = await openLine(t).call({ port: server.port, origin: https(), caPem: ours.certPem });
    assert.equal(seen.code, 'UPSTREAM_UNREACHABLE');
    assert.equal(seen.metadata['reason'], 'tls');
    assert.deepEqual(server.requests, []);
  });
}

test('a server that answers a handshake in plain text is refused', async (t) => {
  let came = '';
  const server = createServer((socket) => {
    socket
      .on('error', () => undefined)
      .on('data', (bytes) => {
        came += bytes.toString('latin1');
        socket.write(OK_ANSWER);
      });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const seen = await openLine(t).call({ port, origin: https() });
  assert.equal(seen.metadata['reason'], 'tls');
  assert.equal(seen.metadata['sent'], false);
  assert.ok(came !== '' && !came.includes('canary'), 'a hello and nothing of the request');
});

test('a handshake that stalls ends with the time of the call, and nothing was sent', async (t) => {
  const server = await rawUpstream(t, () => undefined);
  const began = performance.now();
  const seen = await openLine(t).call({ port: server.port, origin: https(), timeoutMs: 300 });
  assert.equal(seen.code, 'UPSTREAM_TIMEOUT');
  assert.equal(seen.metadata['sent'], false);
  assert.ok(performance.now() - began < 2_000, 'the call may not wait for the dial');
});
