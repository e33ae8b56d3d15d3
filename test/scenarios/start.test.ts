// Starting, refusing to start, and stopping, as an operator sees it: exit codes of contract 1, what is printed,
// and that a refused start has changed nothing on disk.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, copyFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Exit,
  type Installation,
  init,
  installation,
  stack,
  startAppliance,
} from '#test/support/appliance.ts';
import { ask, askLocally } from '#test/support/requests.ts';

const LEFT_OVER_MS = 15_000;
const cleanup: (() => Promise<void>)[] = [];
const tidy = async () => {
  for (const step of cleanup.splice(0)) await step();
};
afterEach(tidy);
after(tidy);

async function started() {
  const appliance = await startAppliance({});
  cleanup.push(appliance.dispose);
  return appliance;
}

/** A folder with a config file, removed after the test. */
async function folder(): Promise<Installation> {
  const at = await installation({});
  cleanup.push(() => rm(at.dir, { recursive: true, force: true }));
  return at;
}

const serveOnce = (at: Installation): Promise<Exit> =>
  stack(at, ['serve', '--config', at.configFile], { timeoutMs: LEFT_OVER_MS });

/** Name, size, time and content of every regular file below a folder. */
async function fingerprint(dir: string): Promise<string[]> {
  const lines: string[] = [];
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mtimeMs, mode } = await stat(path);
    const hash = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    lines.push(`${path} ${mode} ${mtimeMs} ${hash}`);
  }
  return lines.sort();
}

describe('stack init', () => {
  it('creates what is missing, prints the key once and starts nothing', async () => {
    const at = await folder();
    const made = await init(at);
    assert.match(String(made['api_key']), /^sk_live_/);
    assert.equal(made['mcp_url'], `${at.url}/mcp`);
    assert.equal(made['dashboard_url'], null);
    assert.equal(made['setup_url'], null);
    assert.equal(made['config'], at.configFile);
    assert.equal(made['data_dir'], at.dataDir);
    assert.equal(made['key_file'], at.keyFile);
    assert.equal((await stat(at.keyFile)).mode & 0o777, 0o600);
    await assert.rejects(fetch(`${at.url}/healthz`));

    const again = await init(at);
    assert.ok(!again['api_key'], 'a second init must not show or make a key');
    const anew = await stack(at, ['init', '--config', at.configFile, '--new-api-key', '--json']);
    assert.match(String(JSON.parse(anew.stdout).api_key), /^sk_live_/);
    assert.notEqual(JSON.parse(anew.stdout).api_key, made['api_key']);
  });

  it('goes over the socket while the appliance runs', async () => {
    const appliance = await started();
    const anew = await stack(appliance, [
      'init',
      '--config',
      appliance.configFile,
      '--new-api-key',
      '--json',
    ]);
    assert.equal(anew.code, 0, anew.stderr);
    const key = String(JSON.parse(anew.stdout).api_key);
    assert.match(key, /^sk_live_/);
    const answer = await ask(appliance, '/v1/services', { headers: { authorization: `Bearer ${key}` } });
    assert.equal(answer.status, 200, answer.text);
  });
});

describe('stack serve', () => {
  it('prints one JSON line when it is ready, never a key, and answers health on TCP and socket', async () => {
    const appliance = await started();
    const lines = appliance.logs().split('\n');
    const ready = lines.filter((line) => line.includes('"listening"'));
    assert.equal(ready.length, 1);
    assert.doesNotThrow(() => JSON.parse(ready[0] ?? ''));
    assert.equal((await fetch(`${appliance.url}/readyz`)).status, 200);
    assert.equal((await fetch(`${appliance.url}/healthz`)).status, 200);
    assert.equal((await askLocally(appliance, '/readyz')).status, 200);
    assert.equal((await stat(appliance.socketPath)).mode & 0o077, 0, 'the socket is for the owner only');
    const root = (await readFile(appliance.keyFile, 'utf8')).trim().split(' ').at(-1) ?? '';
    assert.ok(root.length > 40);
    assert.ok(!appliance.logs().includes('sk_live_'));
    assert.ok(!appliance.logs().includes(root));
  });

  it('is refused with exit 3 while another instance holds the data, which goes on unharmed', async () => {
    const appliance = await started();
    const second = await serveOnce(appliance);
    assert.equal(second.code, 3, second.stdout + second.stderr);
    assert.ok(!second.stdout.includes('"listening"'));
    assert.equal((await ask(appliance, '/v1/services')).status, 200);
    assert.equal(
      (await askLocally(appliance, '/readyz')).status,
      200,
      'the socket of the first must live on',
    );
  });

  it('ends with 0 after SIGTERM and starts again with all it knew', async () => {
    const appliance = await started();
    const made = await ask(appliance, '/v1/agents/register', {
      body: { name: 'keeper', description: 'stays' },
    });
    assert.equal(made.status, 201, made.text);
    const exit = await appliance.stop();
    assert.deepEqual([exit.code, exit.signal], [0, null], exit.stderr);
    await appliance.restart();
    const found = await ask(appliance, '/v1/agents/keeper');
    assert.equal(found.status, 200, found.text);
    assert.equal(found.body['id'], made.body['id']);
    const chain = await askLocally(appliance, '/v1/audit/verify-chain');
    assert.equal(chain.body['valid'], true, chain.text);
  });

  it('touches nothing when the key file is another one', async () => {
    const appliance = await started();
    await appliance.stop();
    const other = await folder();
    await init(other);
    await copyFile(other.keyFile, appliance.keyFile);
    await chmod(appliance.keyFile, 0o600);
    const before = await fingerprint(appliance.dir);
    const exit = await serveOnce(appliance);
    assert.notEqual(exit.code, 0);
    assert.ok(!exit.stdout.includes('"listening"'));
    assert.match(exit.stdout + exit.stderr, /key file/);
    assert.deepEqual(await fingerprint(appliance.dir), before);
  });

  it('reads its config on a hang-up and goes on', async () => {
    const appliance = await started();
    const { pid } = JSON.parse(appliance.logs().match(/^\{"listening".*$/m)?.[0] ?? '{}');
    process.kill(pid, 'SIGHUP');
    for (let tries = 0; tries < 250 && !appliance.logs().includes('config read again'); tries += 1)
      await delay(20);
    assert.match(appliance.logs(), /config read again, nothing has changed/);
    assert.equal((await ask(appliance, '/v1/services')).status, 200);
  });

  it('says its runtime, its SQLite and its synchronous mode', async () => {
    const appliance = await started();
    assert.match(appliance.logs(), /"node":"24\.[^}]*"sqlite":"3\.[^}]*"synchronous":"full"/);
  });

  it('refuses a key file that others may read', async () => {
    const at = await folder();
    await init(at);
    await chmod(at.keyFile, 0o644);
    const exit = await serveOnce(at);
    assert.ok(exit.code !== 0 && exit.code !== null, `${exit.code} ${exit.signal}`);
    assert.match(exit.stdout + exit.stderr, /0?600/);
  });
});

const MISTAKES = `version: 1
servre:
  listen: 127.0.0.1:8700
server:
  listen: 127.0.0.1:99999
services:
  billing:
    base_url: https://billing.example
    inject: { bearer: "{secret}" }
    secret: { env: BILLING_TOKEN }
    actions: { "billing:invoices:read": [ "GET /invoices/**" ] }
agents:
  clerk:
    mode: enforcd
    services: { biling: [ "biling:invoices:read" ] }
`;

/** Line, what was found and what would be right. */
const EXPECTED = [
  ['2', 'servre', 'server'],
  ['5', 'listen', 'port'],
  ['14', 'enforcd', 'enforced'],
  ['15', 'biling', 'billing'],
] as const;

describe('a wrong config', () => {
  it('ends with exit 2 and says every mistake at once, with its line and what would be right', async () => {
    const at = await folder();
    await init(at);
    await writeFile(at.configFile, MISTAKES);
    const before = await fingerprint(at.dir);
    for (const command of ['check', 'serve']) {
      const exit = await stack(at, [command, '--config', at.configFile]);
      const said = exit.stdout + exit.stderr;
      assert.equal(exit.code, 2, `${command}: ${said}`);
      for (const [line, ...words] of EXPECTED) {
        const told = said.split('\n').find((text) => text.includes(`config.yaml:${line}:`));
        for (const word of words)
          assert.ok(told?.includes(word), `${command}: line ${line}, ${word}, in:\n${said}`);
      }
    }
    assert.deepEqual(await fingerprint(at.dir), before);
  });

  it('ends with exit 2 where the file is missing or the command unknown', async () => {
    const at = await folder();
    assert.equal((await stack(at, ['serve', '--config', join(at.dir, 'absent.yaml')])).code, 2);
    assert.equal((await stack(at, ['abolish'])).code, 2);
    assert.equal((await stack(at, ['serve', '--nonsense'])).code, 2);
  });
});

describe('stack check and version', () => {
  it('says that a good config is good, starts nothing and makes nothing', async () => {
    const at = await folder();
    const before = await readdir(at.dir);
    const exit = await stack(at, ['check', '--config', at.configFile]);
    assert.equal(exit.code, 0, exit.stdout + exit.stderr);
    assert.deepEqual(await readdir(at.dir), before);
  });

  it('prints the version of the package', async () => {
    const at = await folder();
    const exit = await stack(at, ['version']);
    const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
    assert.equal(exit.code, 0);
    assert.ok(exit.stdout.includes(JSON.parse(manifest).version), exit.stdout);
  });

  it('warns of an unset secret at start and refuses the call instead of sending it bare', async () => {
    const appliance = await startAppliance({
      services: `
  weather:
    title: Weather
    base_url: http://127.0.0.1:9
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: WEATHER_TOKEN_THAT_NOBODY_SET }
    actions: { "weather:forecast:read": [ "GET /today" ] }`,
      agents: '\n  forecaster: { services: { weather: [ "weather:forecast:read" ] } }',
    });
    cleanup.push(appliance.dispose);
    assert.match(appliance.logs(), /WEATHER_TOKEN_THAT_NOBODY_SET/);
    const call = { service: 'weather', method: 'GET', path: '/today' };
    const answer = await ask(appliance, '/v1/proxy', {
      headers: { 'x-stack-agent': 'forecaster' },
      body: call,
    });
    assert.equal(answer.status, 424, answer.text);
    assert.equal((answer.body['error'] as { code: string }).code, 'CREDENTIAL_MISSING');
  });
});
