// An upstream that is not ours: verdaccio, the npm registry, which answers 401 to whoever brings no token.
// It runs on loopback in its own folder, knows no other registry, and holds one published package.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from './appliance.ts';

const READY_MS = 20_000;
const POLL_MS = 100;
const CONFIG = `storage: ./storage
web: { enable: false }
auth: { htpasswd: { file: ./htpasswd, max_users: 10 } }
uplinks: {}
packages: { "**": { access: $authenticated, publish: $authenticated } }
log: { type: stdout, format: json, level: warn }
`;

export type Registry = {
  readonly url: string;
  readonly port: number;
  /** The credential: a bearer token of the registry's one user. */
  readonly token: string;
  readonly user: string;
  /** A package that only an authenticated caller can read. */
  readonly packageName: string;
  readonly stop: () => Promise<void>;
};

async function send(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const all = { 'content-type': 'application/json', ...headers };
  return await fetch(url, { method: 'PUT', headers: all, body: JSON.stringify(body) });
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  const end = performance.now() + READY_MS;
  while (performance.now() < end) {
    if (child.exitCode !== null) throw new Error(`the registry ended with ${child.exitCode}`);
    const up = await fetch(`${url}/-/ping`).then(
      (response) => response.ok,
      () => false,
    );
    if (up) return;
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  throw new Error('the registry was not ready in time');
}

async function publish(url: string, at: { token: string; name: string }): Promise<void> {
  const tarball = Buffer.from('not a tarball that anybody unpacks');
  const version = { name: at.name, version: '1.0.0', description: 'what changed in this release', dist: {} };
  const body = {
    _id: at.name,
    name: at.name,
    'dist-tags': { latest: '1.0.0' },
    versions: { '1.0.0': version },
    _attachments: {
      [`${at.name}-1.0.0.tgz`]: {
        content_type: 'application/octet-stream',
        data: tarball.toString('base64'),
        length: tarball.length,
      },
    },
  };
  const response = await send(`${url}/${at.name}`, body, { authorization: `Bearer ${at.token}` });
  assert.equal(response.status, 201, `publishing: ${await response.text()}`);
}

export async function startRegistry(): Promise<Registry> {
  const dir = await mkdtemp(join(tmpdir(), 'stack-registry-'));
  await writeFile(join(dir, 'config.yaml'), CONFIG);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const manifest = createRequire(import.meta.url).resolve('verdaccio/package.json');
  const program = join(dirname(manifest), 'bin', 'verdaccio');
  const child = spawn(process.execPath, [program, '-c', 'config.yaml', '-l', `127.0.0.1:${port}`], {
    cwd: dir,
    env: { PATH: process.env['PATH'] ?? '', HOME: dir },
    stdio: 'ignore',
  });
  const closed = new Promise((done) => child.on('close', done));
  const stop = async () => {
    child.kill('SIGKILL');
    await closed;
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await ready(url, child);
    const user = 'release-engineer';
    const made = await send(`${url}/-/user/org.couchdb.user:${user}`, {
      name: user,
      password: 'correct horse 9',
    });
    assert.equal(made.status, 201);
    const { token } = (await made.json()) as { token: string };
    const packageName = 'release-notes';
    await publish(url, { token, name: packageName });
    assert.equal(
      (await fetch(`${url}/${packageName}`)).status,
      401,
      'the registry must demand the credential',
    );
    return { url, port, token, user, packageName, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
