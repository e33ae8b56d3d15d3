// The one executable where nothing else is: no environment, a foreign user, a root with six libraries. Runs where STACK_BINARY
// names what `npm run build` made; CI always does, as root. What is started is a copy: nothing may have to lie beside it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Appliance,
  freePort,
  installation,
  type Setup,
  stack,
  startAppliance,
} from '#test/support/appliance.ts';
import { assertAbsent, searchFiles } from '#test/support/canary.ts';
import { rpc } from '#test/support/mcp.ts';
import { ask, askLocally } from '#test/support/requests.ts';

const BYTES_MAX = 130e6;
/** Node shows the whole line in which an error was not caught. */
const LINE_CHARS_MAX = 2_000;
const NOBODY = 65_534;
const SIGNAL_MS = 1_000;
const SECRET = 'canary-5f1d6e0b9a4c47d2';
/** What every glibc system with a C++ runtime has. */
const LIBRARIES = /^(?:ld-linux-[\w-]+|lib(?:c|m|dl|pthread|stdc\+\+|gcc_s))\.so\.\d+$/;

const built = process.env['STACK_BINARY'];
const skip = built === undefined && 'STACK_BINARY names no executable; .ci/run builds one and runs this';
const root = process.getuid?.() === 0;
const needsRoot = skip || (!root && 'needs root, which may change its user and its root; CI has it');

let place = '';
let binary = '';
before(async () => {
  if (built === undefined) return;
  place = await mkdtemp(join(tmpdir(), 'stack-smoke-'));
  await chmod(place, 0o755);
  binary = join(place, 'stack');
  await copyFile(resolve(built), binary);
});
after(() => rm(place, { recursive: true, force: true }));

/** `['libc.so.6', …]` as the dynamic section has it. */
const needed = (): string[] =>
  [...execFileSync('readelf', ['-d', binary], { encoding: 'utf8' }).matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(
    ([, name = '']) => name,
  );

describe('the executable', { skip }, () => {
  it('needs no library but those of glibc and of C++', () => {
    assert.deepEqual(
      needed().filter((name) => !LIBRARIES.test(name)),
      [],
    );
    assert.ok(needed().includes('libc.so.6'));
  });

  it('is small enough, and has no symbols', async () => {
    assert.ok((await stat(binary)).size <= BYTES_MAX);
    assert.doesNotMatch(execFileSync('readelf', ['-S', binary], { encoding: 'utf8' }), /\.symtab/);
  });

  it('would show a short line and not itself for an error that nobody caught', async () => {
    const folder = dirname(resolve(built ?? ''));
    const assets = (await readdir(join(folder, 'assets'))).filter((name) => name.endsWith('.cjs'));
    for (const name of ['stack.mjs', ...assets.map((asset) => `assets/${asset}`)]) {
      const lines = (await readFile(join(folder, name), 'utf8')).split('\n');
      assert.ok(Math.max(...lines.map(({ length }) => length)) < LINE_CHARS_MAX, name);
    }
  });

  it('takes its first config from inside itself', async () => {
    const at = await installation({ program: [binary], below: place });
    await rm(at.configFile);
    const made = await stack(at, ['init', '--json']);
    assert.equal(made.code, 0, made.stderr);
    const example = new URL('../../config.example.yaml', import.meta.url);
    assert.equal(await readFile(at.configFile, 'utf8'), await readFile(example, 'utf8'));
    assert.equal((await stat(at.configFile)).mode & 0o777, 0o600);
  });

  it('takes its catalogue from inside itself', async () => {
    const services = '  slack: { use: slack, secret: { vault: slack } }';
    const checked = await stack(await installation({ program: [binary], below: place, services }), ['check']);
    assert.equal(checked.code, 0, checked.stderr);
  });
});

describe('the executable does its whole job', { skip }, () => {
  it('with an empty environment', () => wholeJob({ program: ['env', '-i', binary] }));

  it('as a user who owns nothing else', { skip: needsRoot }, () => {
    const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--no-new-privs'];
    return wholeJob({ program: ['setpriv', ...user, 'env', '-i', binary], owner: NOBODY });
  });

  it('in a root that holds the libraries it needs and nothing else', { skip: needsRoot }, async () => {
    await minimalRoot();
    await wholeJob({ program: ['env', '-i', '/usr/sbin/chroot', place, binary] });
  });
});

/** Makes `place` a root: the libraries, and a link to itself under its own name, so that paths mean the same inside. */
async function minimalRoot(): Promise<void> {
  const listed = execFileSync('ldd', [binary], { encoding: 'utf8' });
  for (const [path] of listed.matchAll(/\/\S+(?= \(0x)/g)) {
    await mkdir(dirname(join(place, path)), { recursive: true });
    await copyFile(path, join(place, path));
  }
  await mkdir(dirname(join(place, place)), { recursive: true });
  await symlink('/', join(place, place));
  assert.ok(!existsSync(join(place, 'proc')) && !existsSync(join(place, 'bin')));
}

/** From nothing to a call that carries the credential, and back to nothing running. */
async function wholeJob(setup: Setup): Promise<void> {
  const upstream = await credentialChecker();
  const services = `  echo:
    base_url: http://127.0.0.1:${upstream.port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: echo }
    actions: { "echo:things:read": [ "GET /things" ] }`;
  const agents = '  bot: { services: { echo: [ "echo:things:read" ] } }';
  const appliance = await startAppliance({ ...setup, services, agents, below: place });
  try {
    await call(appliance);
    const exit = await appliance.stop();
    assert.deepEqual([exit.code, exit.signal], [0, null], exit.stderr);
    await leftBehind(appliance);
  } finally {
    await appliance.dispose();
    upstream.close();
  }
}

async function call(appliance: Appliance): Promise<void> {
  for (const path of ['/healthz', '/readyz']) assert.equal((await ask(appliance, path)).status, 200, path);
  const stored = await askLocally(appliance, '/v1/secrets/echo', { method: 'PUT', body: { value: SECRET } });
  assert.ok(stored.status < 300, stored.text);
  const headers = { 'x-stack-agent': 'bot' };
  const body = { service: 'echo', method: 'GET', path: '/things' };
  const answer = await ask(appliance, '/v1/proxy', { headers, body });
  assert.deepEqual(
    [answer.status, answer.body['status'], answer.body['body']],
    [200, 200, { ok: true }],
    answer.text,
  );
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'smoke', version: '1' },
  };
  const { result } = await rpc(appliance, { method: 'initialize', params });
  assert.equal((result?.['serverInfo'] as { name?: string } | undefined)?.name, 'stack');
  const chain = await askLocally(appliance, '/v1/audit/verify-chain');
  assert.equal(chain.body['valid'], true, chain.text);
}

/** Files are the owner's alone, the addon is none of them, and neither output nor files hold what is secret. */
async function leftBehind(appliance: Appliance): Promise<void> {
  assertAbsent({ output: appliance.logs() }, appliance.apiKey);
  assertAbsent({ output: appliance.logs() }, SECRET);
  assert.deepEqual((await searchFiles(appliance.dir, SECRET)).found, []);
  assert.equal((await stat(appliance.dataDir)).mode & 0o777, 0o700);
  const files = await readdir(appliance.dataDir);
  assert.deepEqual(
    files.filter((name) => !name.startsWith('stack.')),
    [],
  );
  for (const name of files) assert.equal((await stat(join(appliance.dataDir, name))).mode & 0o077, 0, name);
}

/** An upstream that answers 200 to the credential alone. */
async function credentialChecker(): Promise<{ port: number; close: () => void }> {
  const port = await freePort();
  const server = createServer((request, response) => {
    response.statusCode = request.headers.authorization === `Bearer ${SECRET}` ? 200 : 401;
    response.setHeader('content-type', 'application/json').end('{"ok":true}');
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  return { port, close: () => server.close() };
}

describe('the executable opens no side door', { skip }, () => {
  it('by NODE_OPTIONS', async () => {
    const at = await installation({ program: [binary], below: place });
    const planted = join(at.dir, 'planted.cjs');
    const trace = join(at.dir, 'planted');
    await writeFile(planted, `require('node:fs').writeFileSync(${JSON.stringify(trace)}, '')`);
    const env = { ...at.env, NODE_OPTIONS: `--require ${planted} --inspect=0` };
    const exit = await stack({ ...at, env }, ['version']);
    assert.deepEqual([exit.code, exit.stderr], [0, '']);
    assert.ok(!existsSync(trace));
    // Any other program on this runtime obeys; or this test would prove nothing.
    execFileSync(process.execPath, ['-e', '0'], { env, stdio: 'ignore' });
    assert.ok(existsSync(trace));
  });

  it('by options of Node on its command line', async () => {
    const at = await installation({ program: [binary], below: place });
    const exit = await stack(at, ['--inspect=0', 'version']);
    assert.equal(exit.code, 2, exit.stdout);
    assert.doesNotMatch(exit.stderr, /Debugger/);
  });

  it('by SIGUSR1', async () => {
    const appliance = await startAppliance({ program: [binary], below: place });
    try {
      const { pid } = JSON.parse(appliance.logs().match(/^\{"listening".*$/m)?.[0] ?? '{}');
      process.kill(pid, 'SIGUSR1');
      await delay(SIGNAL_MS);
      assert.equal((await ask(appliance, '/healthz')).status, 200);
      assert.doesNotMatch(appliance.logs(), /Debugger|inspector/i);
      assert.deepEqual(await listening(pid), [appliance.port]);
    } finally {
      await appliance.dispose();
    }
  });

  it('and says what to do where no folder lets it load its database library', {
    skip: needsRoot,
  }, async () => {
    const at = await installation({ program: [binary], below: place });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'noexec', 'tmpfs', at.dir]);
    try {
      await writeFile(
        at.configFile,
        `server: { listen: "127.0.0.1:${at.port}", public_url: "${at.url}" }\n`,
        { mode: 0o600 },
      );
      const init = ['init', '--config', at.configFile];
      const refused = await stack({ ...at, env: { TMPDIR: at.dir } }, init);
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.stderr, /database library.*TMPDIR.*noexec/s);
      assert.doesNotMatch(refused.stderr, /\n\s+at /);
      // The data folder may be as strict as it likes while there is another one.
      const made = await stack({ ...at, env: { TMPDIR: place } }, init);
      assert.equal(made.code, 0, made.stderr);
    } finally {
      execFileSync('umount', [at.dir]);
    }
  });
});

/** TCP ports that a process listens on, as the kernel has them. */
async function listening(pid: number): Promise<number[]> {
  const fds = execFileSync('ls', ['-l', `/proc/${pid}/fd`], { encoding: 'utf8' });
  const inodes = new Set([...fds.matchAll(/socket:\[(\d+)\]/g)].map(([, inode]) => inode));
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')),
  );
  return tables
    .flatMap((table) => table.trim().split('\n').slice(1))
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && inodes.has(inode))
    .map(([, local = '']) => Number.parseInt(local.split(':')[1] ?? '', 16));
}
