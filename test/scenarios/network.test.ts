// Listening on every address behind listed proxies: who is served, who is believed, and that no call comes back in.
import assert from 'node:assert/strict';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { type Appliance, installation, stack, startAppliance } from '#test/support/appliance.ts';
import { readExposition } from '#test/support/exposition.ts';
import { askLocally } from '#test/support/requests.ts';

const PUBLIC = 'stack.corp.example';
const STRANGER = '198.51.100.7';
/** An address of this machine that is not loopback: from there a connection is a stranger's. */
const outer = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
const skip = outer === undefined ? 'this machine has no address beside loopback' : false;

type Heard = { readonly status: number; readonly text: string } | 'closed';

let appliance: Appliance;
/** 127.0.0.2 stands for the proxy: a peer that is listed. */
const PROXY = '127.0.0.2';

function send(from: string, to: string, headers: Readonly<Record<string, string>> = {}): Promise<Heard> {
  return new Promise((done) => {
    const options = {
      host: to,
      port: appliance.port,
      localAddress: from,
      path: '/v1/services',
      agent: false,
    };
    const sent = request({ ...options, headers: { host: PUBLIC, ...headers } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => done({ status: response.statusCode ?? 0, text }));
    });
    sent.on('error', () => done('closed'));
    sent.end();
  });
}
const statusOf = (heard: Heard): number | 'closed' => (heard === 'closed' ? heard : heard.status);
const key = () => ({ authorization: `Bearer ${appliance.apiKey}` });
const sources = async (): Promise<string[]> => {
  const { body } = await askLocally(appliance, '/v1/audit?limit=100');
  const entries = body['entries'] as { action: string; detail: { source?: string } }[];
  return entries.filter(({ action }) => action === 'auth.refuse').map(({ detail }) => detail.source ?? '');
};

before(async () => {
  appliance = await startAppliance({
    server: (port) => `
  listen: 0.0.0.0:${port}
  public_url: https://${PUBLIC}
  behind_proxy: [ ${PROXY} ]
services:
  own:
    base_url: http://127.0.0.1:${port}
    network: loopback
    actions: { "own:all:read": [ "GET /**" ] }`,
    agents: '  clerk: { services: { own: [ "own:*" ] } }',
  });
});
after(() => appliance?.dispose());

describe('a listener beyond loopback', () => {
  it('serves the listed proxy under the public name, and this machine', async () => {
    assert.equal(statusOf(await send(PROXY, '127.0.0.1', key())), 200);
    assert.equal(statusOf(await send('127.0.0.1', '127.0.0.1', key())), 200);
  });

  it('refuses another Host, whatever was forwarded', async () => {
    for (const host of ['evil.test', `0.0.0.0:${appliance.port}`, `${outer}:${appliance.port}`]) {
      const forwarded = { 'x-forwarded-host': PUBLIC, forwarded: `host=${PUBLIC}` };
      assert.equal(statusOf(await send(PROXY, '127.0.0.1', { ...key(), ...forwarded, host })), 403, host);
    }
    assert.match(appliance.logs(), /"request refused"/);
  });

  it('closes a stranger’s connection before it reads a byte, counts it and says it once', {
    skip,
  }, async () => {
    for (let round = 0; round < 3; round += 1)
      assert.equal(await send(outer ?? '', outer ?? '', key()), 'closed');
    const metrics = readExposition((await askLocally(appliance, '/metrics')).text);
    assert.equal(metrics.value('stack_listener_connections_refused_total', { reason: 'peer' }), 3);
    const lines = appliance
      .logs()
      .split('\n')
      .filter((line) => line.includes('connection refused'));
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.ok(lines[0]?.includes(`"peer":"${outer}"`));
  });

  it('gives a stranger no byte, also before it has said anything', { skip }, async () => {
    const heard = await new Promise<string>((done) => {
      let text = '';
      const socket = connect({ host: outer ?? '', port: appliance.port, localAddress: outer ?? '' });
      socket.on('data', (part) => {
        text += part.toString();
      });
      socket.on('error', () => undefined).on('close', () => done(text));
    });
    assert.equal(heard, '');
  });
});

it('a call that would come back in through the listener is refused, and never dialled', async () => {
  const sent = await askLocally(appliance, '/v1/proxy', {
    headers: { authorization: `Bearer ${appliance.apiKey}`, 'x-stack-agent': 'clerk' },
    body: { service: 'own', method: 'GET', path: '/healthz' },
  });
  assert.deepEqual([sent.status, sent.text.includes('ADDRESS_DENIED')], [403, true]);
});

describe('forwarded headers', () => {
  it('corpus H149: from a listed proxy the log has the hop that the proxy saw', async () => {
    const chain = { 'x-forwarded-for': `1.1.1.1, ${STRANGER}` };
    const refused = { ...chain, authorization: 'Bearer sk_live_unknown' };
    assert.equal(statusOf(await send(PROXY, '127.0.0.1', refused)), 401);
    const seen = await sources();
    assert.ok(seen.includes(STRANGER) && !seen.includes('1.1.1.1'), seen.join());
    assert.ok(!seen.includes(PROXY));
  });

  it('corpus H149: from anybody else it has the address of the socket', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.77', authorization: 'Bearer sk_live_unknown' };
    assert.equal(statusOf(await send('127.0.0.1', '127.0.0.1', headers)), 401);
    const seen = await sources();
    assert.ok(seen.includes('127.0.0.1') && !seen.includes('203.0.113.77'), seen.join());
  });

  it('each source behind the proxy has its own entry, and each its minute', async () => {
    const before = (await sources()).length;
    for (const hop of ['203.0.113.1', '203.0.113.2', '203.0.113.1', '203.0.113.2'])
      await send(PROXY, '127.0.0.1', { 'x-forwarded-for': hop, authorization: 'Bearer sk_live_unknown' });
    assert.equal((await sources()).length - before, 2);
  });

  it('the addresses of one IPv6 host share an entry, another host has its own', async () => {
    const before = (await sources()).length;
    for (const hop of ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', '2001:db8:1:2:3:4:5:6', '2001:db8:1:3::1'])
      await send(PROXY, '127.0.0.1', { 'x-forwarded-for': hop, authorization: 'Bearer sk_live_unknown' });
    const gained = (await sources()).slice(0, -before);
    assert.deepEqual(gained.sort(), ['2001:db8:1:2::1', '2001:db8:1:3::1']);
  });

  it('a request that came to the proxy without TLS is refused, and is told to replace its key', async () => {
    const clear = await send(PROXY, '127.0.0.1', { ...key(), 'x-forwarded-proto': 'http' });
    assert.ok(clear !== 'closed' && clear.status === 403);
    assert.match(clear.text, /TLS_REQUIRED.*replace it/);
    assert.equal(statusOf(await send(PROXY, '127.0.0.1', { ...key(), 'x-forwarded-proto': 'https' })), 200);
    assert.equal(
      statusOf(await send('127.0.0.1', '127.0.0.1', { ...key(), 'x-forwarded-proto': 'http' })),
      200,
    );
  });
});

describe('an address that cannot be listened on', () => {
  const serveAt = async (place: (port: number) => string) => {
    const server = (port: number) => `
  listen: "${place(port)}"
  public_url: https://${PUBLIC}
  behind_proxy: [ ${PROXY} ]`;
    const at = await installation({ server });
    try {
      return await stack(at, ['serve', '--config', at.configFile]);
    } finally {
      await rm(at.dir, { recursive: true, force: true });
    }
  };

  it('ends the start with one sentence: another program is there', async () => {
    const { code, stderr, stdout } = await serveAt(() => `127.0.0.1:${appliance.port}`);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^stack: cannot listen on http:\/\/127\.0\.0\.1:\d+: another program listens there already \(EADDRINUSE\)$/m,
    );
    assert.ok(!stderr.includes('    at ') && !stdout.includes('listening'), stderr);
  });

  it('ends the start with one sentence: it is not of this machine', async () => {
    const { code, stderr } = await serveAt((port) => `203.0.113.9:${port}`);
    assert.equal(code, 1);
    assert.match(stderr, /cannot listen on http:\/\/203\.0\.113\.9:\d+: this machine has no such address/);
  });
});

describe('a reload', () => {
  const rewrite = async (change: (text: string) => string): Promise<number> => {
    const text = await readFile(appliance.configFile, 'utf8');
    // In one step, as editors do: a half-written file would be read on its own change.
    await writeFile(`${appliance.configFile}.new`, change(text), { mode: 0o600 });
    await rename(`${appliance.configFile}.new`, appliance.configFile);
    return (await askLocally(appliance, '/v1/config/reload', { body: {} })).status;
  };

  it('takes a proxy from the list: what it forwards means nothing from then on', async () => {
    assert.equal(await rewrite((text) => text.replace(`[ ${PROXY} ]`, '[ 10.9.9.9 ]')), 200);
    const headers = { 'x-forwarded-for': '203.0.113.88', authorization: 'Bearer sk_live_unknown' };
    assert.equal(statusOf(await send(PROXY, '127.0.0.1', headers)), 401);
    const seen = await sources();
    assert.ok(seen.includes(PROXY) && !seen.includes('203.0.113.88'), seen.join());
  });

  it('lets in a peer that is now listed', { skip }, async () => {
    assert.equal(await send(outer ?? '', outer ?? '', key()), 'closed');
    assert.equal(await rewrite((text) => text.replace('[ 10.9.9.9 ]', `[ ${outer} ]`)), 200);
    assert.equal(statusOf(await send(outer ?? '', outer ?? '', key())), 200);
  });

  it('turns the log to text for people, and back', async () => {
    const change = (text: string) => text.replace('  listen:', '  log: { format: text }\n  listen:');
    assert.equal(await rewrite(change), 200);
    const before = appliance.logs().length;
    await send('127.0.0.1', '127.0.0.1', { host: 'reload.test', 'x-forwarded-for': 'x' });
    await send('127.0.0.1', '127.0.0.1', { authorization: `Bearer sk_live_${'0'.repeat(64)}` });
    assert.equal(await rewrite((text) => text.replace('  log: { format: text }\n', '')), 200);
    assert.match(appliance.logs().slice(before - 400), /^\d{4}-\S+Z info {2}config reloaded cause=call/m);
  });

  it('is counted, the failed one apart, and the time of the last good one stays', async () => {
    const read = async () => readExposition((await askLocally(appliance, '/metrics')).text);
    const before = await read();
    assert.equal(await rewrite((text) => text.replace('version: 1', 'version: 2')), 409);
    const failed = await read();
    const loads = (of: typeof before, outcome: string) =>
      of.value('stack_config_loads_total', { outcome }) ?? 0;
    const time = (of: typeof before) => of.value('stack_config_last_load_success_timestamp_seconds') ?? 0;
    assert.ok(loads(failed, 'failure') > loads(before, 'failure'));
    assert.equal(time(failed), time(before));
    assert.equal(await rewrite((text) => text.replace('version: 2', 'version: 1')), 200);
    const good = await read();
    assert.ok(loads(good, 'success') > loads(before, 'success') && time(good) > time(before));
  });
});
