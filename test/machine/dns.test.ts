// Names whose answers lie, change and mix, by a real resolver and a name server of our own in a network namespace: what is
// dialled was checked, and nothing inside is reached. Needs root and iproute2; elsewhere it is skipped and
// says so, as root in CI it fails.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Appliance, PROGRAM, startAppliance } from '#test/support/appliance.ts';
import { createAuthority } from '#test/support/certificates.ts';
import type { Line, Zone } from '#test/support/netns-server.ts';
import { askLocally, type Json } from '#test/support/requests.ts';

const ROOT = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const SPACE = `stack-test-${process.pid}`;
const TLS_PORT = 8443;
const OUTSIDE = '93.184.216.34';
const OUTSIDE6 = '2606:2800:220:1::1';
/** Addresses of the namespace's own machine. A server listens on each: only the rule keeps a call from it. */
const INSIDE = ['169.254.169.254', '10.0.0.5', '100.64.0.1', '192.0.0.8', '198.18.0.1', 'fd00::5', 'fe80::5'];

const ZONE: Zone = {
  'good.test': [[OUTSIDE]],
  'six.test': [[OUTSIDE6]],
  'flip.test': [[OUTSIDE], ['127.0.0.1']],
  'flip-metadata.test': [[OUTSIDE], ['169.254.169.254']],
  'back.test': [['127.0.0.1'], [OUTSIDE]],
  'mixed.test': [[OUTSIDE, '169.254.169.254']],
  'mixed-six.test': [[OUTSIDE, '::1']],
  'mapped.test': [['::ffff:127.0.0.1']],
  'mapped-metadata.test': [['::ffff:169.254.169.254']],
  'nat64.test': [['64:ff9b::7f00:1']],
  'six-to-four.test': [['2002:7f00:1::']],
  'teredo.test': [['2001:0:7f00:1::1']],
  'loopback.test': [['127.0.0.1']],
  'loopback-far.test': [['127.9.9.9']],
  'loopback-six.test': [['::1']],
  'nothing.test': [['0.0.0.0']],
  'nothing-six.test': [['::']],
  'broadcast.test': [['255.255.255.255']],
  'multicast.test': [['224.0.0.1']],
  'reserved.test': [['240.0.0.1']],
  'documentation.test': [['203.0.113.5']],
  ...Object.fromEntries(INSIDE.map((address, nth) => [`inside-${nth}.test`, [[address]]])),
  'private.test': [['10.0.0.5']],
  'own.test': [['10.0.0.5']],
  'own-mapped.test': [['::ffff:10.0.0.5']],
  'own-six.test': [['fd00::5']],
};
/** By their network rule these two would be allowed, were it not the appliance itself that listens there. */
const OWN = ['own.test', 'own-six.test', 'own-mapped.test'];
const DENIED = Object.keys(ZONE).filter((name) => !/^(?:good|six\.|flip|back|own|private)/.test(name));

const root = process.getuid?.() === 0;
const hasIp = root && ip(['netns', 'add', SPACE]);
const skip = root
  ? !hasIp && process.env['CI'] === undefined && 'iproute2 makes no network namespace here'
  : 'needs root, for a network namespace';

function ip(args: readonly string[]): boolean {
  try {
    execFileSync('ip', args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

let appliance: Appliance;
let server: ChildProcess;
let dir: string;
const lines: Line[] = [];
const reached = (): readonly string[] => lines.flatMap((line) => ('reached' in line ? [line.reached] : []));
const asked = (): readonly string[] => lines.flatMap((line) => ('asked' in line ? [line.asked] : []));

function startServer(settings: object): Promise<void> {
  const program = join(ROOT, 'test/support/netns-server.ts');
  const words = [
    'netns',
    'exec',
    SPACE,
    process.execPath,
    '--no-warnings',
    program,
    JSON.stringify(settings),
  ];
  server = spawn('ip', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  return new Promise((done) => {
    server.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      const whole = text.split('\n');
      text = whole.pop() ?? '';
      lines.push(...whole.map((line) => JSON.parse(line) as Line));
      if (lines.some((line) => 'ready' in line)) done();
    });
  });
}

const nameOf = (host: string): string => host.replace('.test', '');

before(async () => {
  if (skip !== false) return;
  dir = await mkdtemp(join(tmpdir(), 'stack-dns-'));
  ip(['-n', SPACE, 'link', 'set', 'lo', 'up']);
  for (const address of [OUTSIDE, OUTSIDE6, ...INSIDE])
    ip(['-n', SPACE, 'addr', 'add', `${address}/${address.includes(':') ? 128 : 32}`, 'dev', 'lo']);
  await mkdir(`/etc/netns/${SPACE}`, { recursive: true });
  const conf = 'nameserver 127.0.0.1\nsearch evil.test\noptions timeout:1 attempts:1\n';
  await writeFile(`/etc/netns/${SPACE}/resolv.conf`, conf);
  const authority = createAuthority('Authority of the namespace');
  const { key, cert } = authority.issue({ names: Object.keys(ZONE) });
  const [keyFile, certFile, caFile] = ['key.pem', 'cert.pem', 'ca.pem'].map((name) => join(dir, name));
  await writeFile(keyFile ?? '', key);
  await writeFile(certFile ?? '', cert);
  await writeFile(caFile ?? '', authority.certPem);
  await startServer({ zone: ZONE, keyFile, certFile, port: TLS_PORT });
  const place = (host: string, listen: number): string =>
    OWN.includes(host)
      ? `base_url: http://${host}:${listen}\n    network: private\n    plaintext: true`
      : `base_url: https://${host}:${TLS_PORT}\n    tls: { ca_file: ${caFile} }${host === 'private.test' ? '\n    network: private' : ''}`;
  const services = (port: number): string =>
    [...Object.keys(ZONE), 'unknown.test']
      .map(
        (host) =>
          `  ${nameOf(host)}:\n    ${place(host, port)}\n    actions: { "${nameOf(host)}:all:read": [ "GET /**" ] }`,
      )
      .join('\n');
  const granted = [...Object.keys(ZONE), 'unknown.test']
    .map(nameOf)
    .map((name) => `${name}: [ "${name}:*" ]`);
  appliance = await startAppliance({
    program: ['ip', 'netns', 'exec', SPACE, ...PROGRAM],
    server: (port) => `
  listen: "[::]:${port}"
  public_url: https://stack.corp.example
  behind_proxy: [ 192.0.2.1 ]
services:
${services(port)}`,
    agents: `  clerk: { services: { ${granted.join(', ')} } }`,
  });
});

after(async () => {
  await appliance?.dispose();
  server?.kill('SIGKILL');
  if (hasIp) ip(['netns', 'del', SPACE]);
  if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  await rm(`/etc/netns/${SPACE}`, { recursive: true, force: true });
});

/** OK, or the code of the refusal. Over the local socket, which is a file and so in no network. */
async function call(host: string): Promise<string> {
  const { body } = await askLocally(appliance, '/v1/proxy', {
    headers: { authorization: `Bearer ${appliance.apiKey}`, 'x-stack-agent': 'clerk' },
    body: { service: nameOf(host), method: 'GET', path: '/thing' },
  });
  const error = body['error'] as Json | undefined;
  if (error !== undefined) assert.equal((error['metadata'] as Json)['sent'], false);
  return error === undefined ? 'OK' : String(error['code']);
}

describe('a name', { skip }, () => {
  for (const [host, address] of [
    ['good.test', `::ffff:${OUTSIDE}`],
    ['six.test', OUTSIDE6],
  ] as const) {
    it(`${host} of a public address is reached at that address`, async () => {
      assert.equal(await call(host), 'OK');
      assert.equal(reached().at(-1), address);
    });
  }

  for (const host of DENIED) {
    it(`${host} is refused: ${(ZONE[host]?.[0] ?? []).join(' and ')}`, async () => {
      const before = reached().length;
      assert.equal(await call(host), 'ADDRESS_DENIED');
      assert.equal(reached().length, before, 'something was reached');
    });
  }

  for (const host of ['flip.test', 'flip-metadata.test']) {
    it(`${host} that changes between two calls is refused at the second, and dialled where it was checked`, async () => {
      assert.equal(await call(host), 'OK');
      assert.equal(reached().at(-1), `::ffff:${OUTSIDE}`);
      const before = reached().length;
      for (let round = 0; round < 3; round += 1) assert.equal(await call(host), 'ADDRESS_DENIED');
      assert.equal(reached().length, before);
    });
  }

  it('that changes between resolution and dial changes nothing: there is one resolution to each dial', async () => {
    const before = asked().filter((name) => name === 'good.test').length;
    assert.equal(await call('good.test'), 'OK');
    const questions = asked().filter((name) => name === 'good.test').length - before;
    // One for each family of addresses.
    assert.ok(questions >= 1 && questions <= 2, `${questions} questions`);
  });

  it('that turns good is reached then', async () => {
    assert.equal(await call('back.test'), 'ADDRESS_DENIED');
    assert.equal(await call('back.test'), 'OK');
  });

  for (const host of OWN) {
    it(`${host} that leads to the appliance’s own listener is refused, on a listener of every address`, async () => {
      assert.equal(await call(host), 'ADDRESS_DENIED');
    });
  }

  it('of a private address is reached where the service says so, on the same address at another port', async () => {
    assert.equal(await call('private.test'), 'OK');
    assert.equal(reached().at(-1), '::ffff:10.0.0.5');
  });

  it('that nobody knows is not looked for in a search domain', async () => {
    assert.equal(await call('unknown.test'), 'UPSTREAM_UNREACHABLE');
    assert.ok(asked().includes('unknown.test'));
    assert.deepEqual(
      asked().filter((name) => name.endsWith('evil.test')),
      [],
    );
  });

  it('nothing else inside was reached by any of them', () => {
    const outside = [`::ffff:${OUTSIDE}`, OUTSIDE6];
    assert.deepEqual(
      reached().filter((address) => !outside.includes(address)),
      ['::ffff:10.0.0.5'],
    );
  });
});
