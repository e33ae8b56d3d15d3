// The reverse proxies of README, as they stand there: real nginx and real Caddy in front of a running appliance.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Appliance, freePort, startAppliance } from '#test/support/appliance.ts';
import { createAuthority } from '#test/support/certificates.ts';
import { askLocally } from '#test/support/requests.ts';

const PUBLIC = 'stack.corp.example';
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const snippet = (language: string): string =>
  new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'ms').exec(readme)?.[1] ?? '';
const UP_MS = 20_000;
const POLL_MS = 50;
/** The longest passport there may be travels in a header. */
const LONG_HEADER_CHARS = 16_000;
const LARGE_BODY_BYTES = 13_000_000;

type Place = { readonly folder: string; readonly port: number; readonly appliance: number };
type Proxy = {
  readonly program: string;
  readonly config: (at: Place) => string;
  readonly args: (at: Place) => readonly string[];
};

const PROXIES: Readonly<Record<string, Proxy>> = {
  nginx: {
    program: 'nginx',
    config: ({ folder, port, appliance }) => {
      const server = snippet('nginx')
        .replace('127.0.0.1:7822', `127.0.0.1:${appliance}`)
        .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
        .replaceAll('/etc/nginx/', `${folder}/`);
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${folder}/${name};`,
      );
      return `daemon off; pid ${folder}/pid; error_log stderr; events {}\nhttp { access_log off; ${temporary.join(' ')}\n${server}}`;
    },
    args: ({ folder }) => ['-p', folder, '-e', 'stderr', '-c', join(folder, 'config')],
  },
  caddy: {
    program: 'caddy',
    config: ({ folder, port, appliance }) => {
      const site = snippet('caddyfile')
        .replace('127.0.0.1:7822', `127.0.0.1:${appliance}`)
        .replace(
          `${PUBLIC} {`,
          `https://${PUBLIC}:${port} {\n  bind 127.0.0.1\n  tls ${folder}/stack.crt ${folder}/stack.key`,
        );
      return `{\n  admin off\n  auto_https disable_redirects\n}\n${site}`;
    },
    args: ({ folder }) => ['run', '--adapter', 'caddyfile', '--config', join(folder, 'config')],
  },
};

const isInstalled = (program: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${program}`], { env: { PATH: `${process.env['PATH']}:/usr/sbin` } })
    .status === 0;

const authority = createAuthority('test');
let appliance: Appliance;

before(async () => {
  const nobody = await freePort();
  appliance = await startAppliance({
    services: `
  shop:
    base_url: http://127.0.0.1:${nobody}
    network: loopback
    actions: { "shop:files:read": [ "GET /**" ] }`,
    agents: '  worker: { services: { shop: [ "shop:*" ] } }',
    server: (port) => `
  listen: 127.0.0.1:${port}
  public_url: https://${PUBLIC}
  behind_proxy: [ 127.0.0.1 ]`,
  });
});
after(() => appliance?.dispose());

for (const [name, proxy] of Object.entries(PROXIES)) {
  const skip = isInstalled(proxy.program) ? false : `${proxy.program} is not installed; CI has it`;
  describe(`${name} of README`, { skip }, () => {
    let child: ChildProcess;
    let at: Place;
    let said = '';

    before(async () => {
      const folder = mkdtempSync(join(tmpdir(), `stack-${name}-`));
      at = { folder, port: await freePort(), appliance: appliance.port };
      const { key, cert } = authority.issue({ names: [PUBLIC] });
      writeFileSync(join(folder, 'stack.crt'), cert);
      writeFileSync(join(folder, 'stack.key'), key);
      writeFileSync(join(folder, 'config'), proxy.config(at));
      const env = { PATH: `${process.env['PATH']}:/usr/sbin`, HOME: folder };
      child = spawn(proxy.program, proxy.args(at), { env, stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [child.stdout, child.stderr])
        stream?.setEncoding('utf8').on('data', (text: string) => {
          said += text;
        });
      await up(at.port, () => said);
    });
    after(async () => {
      if (child?.exitCode === null) {
        child.kill('SIGTERM');
        await new Promise((done) => child.once('exit', done));
      }
      if (at !== undefined) rmSync(at.folder, { recursive: true, force: true });
    });

    const send = (given: Sending) => sendTo(at.port, given);

    it('is taken, and carries a request under the public name', async () => {
      const answer = await send({
        path: '/v1/services',
        headers: { authorization: `Bearer ${appliance.apiKey}` },
      });
      assert.equal(answer.status, 200, answer.text + said);
    });

    it('tells where a request came from, and not what the caller says of it', async () => {
      const headers = {
        authorization: 'Bearer sk_live_unknown',
        'x-forwarded-for': '203.0.113.66',
        'x-forwarded-proto': 'http',
        forwarded: 'for=203.0.113.66',
        'x-forwarded-host': 'evil.test',
      };
      assert.equal((await send({ path: '/v1/services', headers })).status, 401);
      const audit = await askLocally(appliance, '/v1/audit?limit=100');
      assert.match(audit.text, /"source":"127\.0\.0\.1"/);
      assert.ok(!audit.text.includes('203.0.113.66'));
    });

    it('leaves the path as the caller wrote it', async () => {
      for (const path of ['/v1//services', '/v1/x/..%2fservices', '/v1/%2e%2e/x'])
        assert.equal(
          (await send({ path, headers: { authorization: `Bearer ${appliance.apiKey}` } })).status,
          404,
          path,
        );
    });

    it('adds nothing that would stop a call by the path form', async () => {
      const headers = { authorization: `Bearer ${appliance.apiKey}`, 'x-stack-agent': 'worker' };
      const answer = await send({ path: '/proxy/shop/a%2Fb?x=1', headers });
      assert.match(answer.text, /"UPSTREAM_UNREACHABLE"/);
    });

    it('has room for a long passport and a large call', async () => {
      const long = await send({
        path: '/v1/services',
        headers: { 'x-passport-token': 'a'.repeat(LONG_HEADER_CHARS) },
      });
      assert.equal(long.status, 401, 'the appliance judged it');
      const body = JSON.stringify({
        service: 'none',
        method: 'POST',
        path: '/',
        body: 'a'.repeat(LARGE_BODY_BYTES),
      });
      const headers = { authorization: `Bearer ${appliance.apiKey}`, 'content-type': 'application/json' };
      const large = await send({ path: '/v1/proxy', headers, body });
      assert.match(large.text, /"AGENT_UNIDENTIFIED"/);
    });
  });
}

async function up(port: number, said: () => string): Promise<void> {
  const until = performance.now() + UP_MS;
  while (performance.now() < until) {
    const open = await new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1', () => done(true)).on('error', () => done(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open) return;
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  throw new Error(`nothing listens on ${port}:\n${said()}`);
}

type Sending = {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
};

function sendTo(port: number, { path, headers, body }: Sending): Promise<{ status: number; text: string }> {
  const options = { host: '127.0.0.1', port, servername: PUBLIC, ca: authority.certPem, agent: false };
  const method = body === undefined ? 'GET' : 'POST';
  return new Promise((done, failed) => {
    const sent = request({ ...options, method, path, headers: { host: PUBLIC, ...headers } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => done({ status: response.statusCode ?? 0, text }));
    });
    sent.on('error', failed);
    sent.end(body);
  });
}
