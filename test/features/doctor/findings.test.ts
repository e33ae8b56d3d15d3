// What an examination says of files, agents, services and clocks.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { examineAgents } from '#features/doctor/agents.ts';
import { examineFiles } from '#features/doctor/files.ts';
import type { Finding } from '#features/doctor/model.ts';
import { examineClock, examineServices } from '#features/doctor/services.ts';
import { clientsOf, listenersOf, readPrograms } from '#platform/host/processes.ts';

const problems = (found: readonly Finding[]): string[] =>
  found.filter(({ level }) => level !== 'ok').map(({ message }) => message);

describe('files', () => {
  let dir: string;
  const places = () => ({
    configPath: join(dir, 'config.yaml'),
    dataDir: join(dir, 'data'),
    keyFile: join(dir, 'stack.key'),
    secretFiles: [join(dir, 'billing.key')],
    uid: process.geteuid?.() ?? 0,
  });
  const KEY = `stack-root-key-v1 ${Buffer.alloc(32, 7).toString('base64')}\n`;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stack-doctor-'));
    await mkdir(join(dir, 'data'), { mode: 0o700 });
    await writeFile(join(dir, 'config.yaml'), 'version: 1\n', { mode: 0o600 });
    await writeFile(join(dir, 'stack.key'), KEY, { mode: 0o600 });
    await writeFile(join(dir, 'billing.key'), 'not-a-real-credential', { mode: 0o600 });
    await writeFile(join(dir, 'data', 'stack.db'), '', { mode: 0o600 });
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('are right as init makes them', () => assert.deepEqual(problems(examineFiles(places())), []));

  for (const [what, spoil, words] of [
    ['a config that others may write', () => chmod(join(dir, 'config.yaml'), 0o666), 'config.yaml'],
    ['a folder in which others may replace it', () => chmod(dir, 0o777), 'in its place'],
    ['a root key that others may read', () => chmod(join(dir, 'stack.key'), 0o644), '0600'],
    ['a root key that is gone', () => rm(join(dir, 'stack.key')), 'missing'],
    ['a data folder that is open', () => chmod(join(dir, 'data'), 0o755), 'open to others'],
    ['a secret that everybody may read', () => chmod(join(dir, 'billing.key'), 0o644), 'billing.key'],
  ] as const) {
    it(`tell ${what}, and what to do`, async () => {
      await spoil();
      const found = examineFiles(places());
      const hit = found.find(({ level, message }) => level === 'problem' && message.includes(words));
      assert.ok(hit?.next !== undefined, JSON.stringify(found));
      assert.ok(!JSON.stringify(found).includes('not-a-real-credential'));
    });
  }
});

describe("agents under the appliance's own user", () => {
  const running = (
    pid: number,
    uid: number,
    names: readonly string[],
    variables: readonly string[] = [],
  ) => ({
    pid,
    uid,
    parent: pid - 1,
    names,
    variables,
  });

  it('are seen by their name, by the key in their environment, and by an open connection', () => {
    const python = running(7, 500, ['python3', 'agent.py'], ['STACK_API_KEY']);
    const found = examineAgents({
      uid: 500,
      programs: [
        running(5, 500, ['node', 'claude']),
        python,
        running(8, 500, ['bash'], ['STACK_API_KEY']),
        running(9, 501, ['codex'], ['STACK_API_KEY']),
        running(1, 500, ['stack', 'serve'], ['STACK_API_KEY']),
      ],
      clients: [
        { uid: 500, program: python },
        { uid: 500, program: undefined },
        { uid: 501, program: undefined },
        { uid: 500, program: running(1, 500, ['stack']) },
      ],
      self: 99,
      appliance: [1],
    });
    assert.deepEqual(
      problems(found).map((message) => message.split(' and runs')[0]),
      [
        'python3 (pid 7) uses the appliance',
        'a program uses the appliance',
        'node (pid 5) is an agent or has STACK_API_KEY',
      ],
    );
  });

  it('are none where they run as somebody else; root is worth a word', () => {
    const seen = { programs: [running(9, 501, ['codex'])], clients: [], self: 99, appliance: [] };
    assert.deepEqual(problems(examineAgents({ ...seen, uid: 500 })), []);
    assert.deepEqual(problems(examineAgents({ ...seen, uid: 0 })), ['the appliance runs as root']);
  });

  it('are not what has handed over to the appliance or to a command, nor a command that waits, nor what started it', () => {
    const key = ['STACK_API_KEY'];
    const programs = [
      running(10, 500, ['npm start'], key),
      running(11, 500, ['node', 'build.mjs'], key),
      running(12, 500, ['node', 'stack.mjs'], key),
      running(20, 500, ['node', 'stack.mjs'], key),
      running(21, 500, ['node', 'stack.mjs'], key),
      running(30, 500, ['nodejs', 'stack.mjs'], key),
      running(40, 500, ['node', 'agent.mjs'], key),
    ];
    const clients = [{ uid: 500, program: programs[5] }];
    const found = examineAgents({ uid: 500, programs, clients, self: 21, appliance: [12] });
    assert.deepEqual(
      problems(found).map((message) => message.split(' is an agent')[0]),
      ['node (pid 40)'],
    );
  });

  it('are named also where one of them started the appliance', () => {
    const programs = [running(11, 500, ['node', 'claude']), running(12, 500, ['stack', 'serve'])];
    const found = examineAgents({ uid: 500, programs, clients: [], self: 99, appliance: [12] });
    assert.equal(problems(found).length, 1);
  });

  it('are told by their script, whatever options stand before it, and by who started them', async () => {
    const waits = '--eval=console.log(1); setInterval(() => {}, 1000)';
    const child = spawn(process.execPath, ['--no-warnings', waits, 'claude'], { stdio: 'pipe' });
    try {
      await new Promise((done) => child.stdout.once('data', done));
      const seen = readPrograms().find(({ pid }) => pid === child.pid);
      assert.deepEqual(seen?.names, ['node', 'claude']);
      assert.equal(seen?.parent, process.pid);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('are found among the real connections of this machine', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as { port: number };
    const socket = connect(port, '127.0.0.1');
    await new Promise((done) => socket.once('connect', done));
    try {
      const clients = clientsOf(port, readPrograms());
      assert.ok(
        clients.some(({ program: own }) => own?.pid === process.pid),
        JSON.stringify(clients),
      );
      assert.deepEqual(
        listenersOf(port, readPrograms()).map(({ program }) => program?.pid),
        [process.pid],
      );
    } finally {
      socket.destroy();
      server.close();
    }
  });
});

describe('services and clocks', () => {
  it('say what is wrong and what helps', () => {
    const found = examineServices([
      { service: 'a', reachable: false, reason: 'ADDRESS_DENIED: a resolves to 10.0.0.1' },
      { service: 'b', reachable: false, reason: 'UPSTREAM_UNREACHABLE: self-signed certificate' },
      { service: 'c', reachable: true, credential: 'refused', reason: 'the service answered 401' },
      { service: 'd', reachable: true, credential: 'missing', reason: 'variable D is not set' },
      { service: 'e', reachable: true, credential: 'accepted' },
      { service: 'f', reachable: true },
    ]);
    assert.deepEqual(
      found.map(({ level }) => level),
      ['problem', 'problem', 'problem', 'problem', 'ok', 'warning'],
    );
    assert.match(found[0]?.next ?? '', /network/);
    assert.match(found[1]?.next ?? '', /ca_file/);
  });

  it('tell a clock that is wrong by the log and by others', () => {
    const nowMs = 1_000_000_000;
    const skewed = [{ service: 'a', reachable: true, clock_skew_seconds: -7200 }];
    assert.equal(
      problems(examineClock({ nowMs, newestEntryMs: nowMs + 3_600_000, checked: skewed })).length,
      2,
    );
    assert.deepEqual(problems(examineClock({ nowMs, newestEntryMs: nowMs - 5, checked: [] })), []);
  });
});
