// `stack seal` from standard input to the upstream: with the appliance stopped and running, and what a moved value meets.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { type Appliance, freePort, stack, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent, searchFiles } from '#test/support/canary.ts';
import { ask, askLocally } from '#test/support/requests.ts';

const SECRETS = ['canary-sealed-while-stopped-1', 'canary-sealed-while-running-2'] as const;
const seen: (string | undefined)[] = [];
let upstream: Server;
let appliance: Appliance;
let port = 0;

const services = (secrets: readonly string[]) =>
  ['first', 'second']
    .map(
      (name, at) => `
  ${name}:
    base_url: http://127.0.0.1:${port}/${name}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: ${secrets[at] ?? '{ env: NOT_SET }'}
    actions: { "${name}:things:read": [ "GET /**" ] }`,
    )
    .join('');
const agents = `
  worker: { services: { first: [ "first:things:read" ], second: [ "second:things:read" ] } }`;

before(async () => {
  upstream = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.end('{}');
  });
  port = await freePort();
  await new Promise<void>((done) => upstream.listen(port, '127.0.0.1', done));
  appliance = await startAppliance({ services: services([]), agents });
});

after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

const seal = (input: string, ...words: string[]) =>
  stack(appliance, ['seal', '--config', appliance.configFile, ...words], { input });
const call = (service: string) =>
  ask(appliance, '/v1/proxy', {
    headers: { 'x-stack-agent': 'worker' },
    body: { service, method: 'GET', path: '/x' },
  });

/** Writes other secrets into the config file. */
async function write(secrets: readonly string[]): Promise<void> {
  const text = await readFile(appliance.configFile, 'utf8');
  const [head = ''] = text.split('services:');
  await writeFile(appliance.configFile, `${head}services:${services(secrets)}\nagents:${agents}\n`);
}

describe('stack seal', () => {
  const sealed: string[] = [];

  it('seals while the appliance runs and while it is stopped, and prints nothing else', async () => {
    const running = await seal(`${SECRETS[1]}\n`, '--service', 'second');
    await appliance.stop();
    const stopped = await seal(SECRETS[0], '--service', 'first', '--json');
    assert.deepEqual([running.code, stopped.code], [0, 0], running.stderr + stopped.stderr);
    sealed.push((JSON.parse(stopped.stdout) as { sealed: string }).sealed, running.stdout.trim());
    for (const text of sealed) assert.match(text, /^sealed1\.[\w.-]+$/);
  });

  it('makes values that the upstream gets, and that stand nowhere in clear', async () => {
    await write(sealed.map((text) => `{ sealed: "${text}" }`));
    const check = await stack(appliance, ['check', '--config', appliance.configFile]);
    assert.equal(check.code, 0);
    assert.ok(!check.stderr.includes('warning'), check.stderr);
    await appliance.restart();
    for (const service of ['first', 'second'])
      assert.equal((await call(service)).body['status'], 200, service);
    assert.deepEqual(
      seen.slice(-2),
      SECRETS.map((secret) => `Bearer ${secret}`),
    );
    const status = await askLocally(appliance, '/v1/vault');
    assert.equal((status.body['ring_keys'] as { sealed_values: number }[])[0]?.sealed_values, 2);
    for (const secret of SECRETS) {
      assert.deepEqual((await searchFiles(appliance.dir, secret)).found, []);
      assertAbsent({ logs: appliance.logs(), status: status.text }, secret);
    }
  });

  it('keeps a running appliance from a config that moves a sealed value to other hosts', async () => {
    const text = await readFile(appliance.configFile, 'utf8');
    await writeFile(appliance.configFile, text.replace('/first', '/elsewhere'));
    const refused = await askLocally(appliance, '/v1/config/reload', { method: 'POST' });
    assert.equal(refused.status, 409, refused.text);
    assert.match(refused.text, /stack seal --service first/);
    assert.equal((await call('first')).body['status'], 200);
    await writeFile(appliance.configFile, text);
  });

  it('makes values that are of no use to another service: check warns, the call is refused, nothing leaves', async () => {
    await write(sealed.toReversed().map((text) => `{ sealed: "${text}" }`));
    const check = await stack(appliance, ['check', '--config', appliance.configFile]);
    assert.equal(check.code, 2, 'the running appliance would not take it');
    assert.match(
      check.stderr,
      /:\d+:\d+: services\.first\.secret: .*sealed for service second.*stack seal --service first/,
    );
    await appliance.restart();
    const before = seen.length;
    const refused = await call('first');
    assert.deepEqual([refused.status, refused.text.includes('VAULT_SEALED')], [503, true], refused.text);
    assert.equal(seen.length, before);
  });

  it('finds a value that was not copied whole, with its line and column', async () => {
    await write([`{ sealed: "${sealed[0]?.slice(0, -1)}" }`]);
    const check = await stack(appliance, ['check', '--config', appliance.configFile]);
    assert.equal(check.code, 2);
    assert.match(check.stderr, /config\.yaml:\d+:\d+: services\.first\.secret\.sealed: .*not a whole value/);
    assert.ok(!check.stderr.includes(sealed[0]?.slice(20, 60) ?? ''), 'a mistake quotes no value');
  });

  it('says what is wrong with what it was given', async () => {
    await write([]);
    const unknown = await seal(SECRETS[0], '--service', 'nobody');
    assert.match(unknown.stderr, /no service nobody.*first, second/);
    const short = await seal('short', '--service', 'first');
    assert.match(short.stderr, /shorter than 8/);
    const none = await seal(SECRETS[0]);
    assert.match(none.stderr, /--service/);
    assert.deepEqual([unknown.code, short.code, none.code], [2, 2, 2]);
    assert.equal(unknown.stdout + short.stdout + none.stdout, '');
  });
});
