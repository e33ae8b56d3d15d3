// Mistakes planted one beside the other in a real installation: stack doctor names each, says what to do, shows no secret.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Appliance, freePort, stack, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent } from '#test/support/canary.ts';
import { selfSigned } from '#test/support/certificates.ts';
import { askLocally } from '#test/support/requests.ts';

const GOOD = 'good-credential-41d8cd98f00b';
const WRONG = 'wrong-credential-9c5f2a77e1';
const AHEAD_MS = 7_200_000;
type Finding = {
  readonly topic: string;
  readonly level: string;
  readonly message: string;
  readonly next?: string;
};
let at: Appliance;
let upstream: Server;
let tls: Server;
let agent: ChildProcess | undefined;

async function doctor(): Promise<{ readonly code: number | null; readonly findings: readonly Finding[] }> {
  const exit = await stack(at, ['doctor', '--config', at.configFile, '--json'], { timeoutMs: 60_000 });
  assertAbsent({ report: exit.stdout, errors: exit.stderr }, GOOD);
  assertAbsent({ report: exit.stdout, errors: exit.stderr }, WRONG);
  const { findings } = JSON.parse(exit.stdout) as { findings: readonly Finding[] };
  return { code: exit.code, findings };
}

const listening = (server: Server): Promise<number> =>
  new Promise((done) =>
    server.listen(0, '127.0.0.1', () => done((server.address() as { port: number }).port)),
  );

before(async () => {
  upstream = createServer((request, response) => {
    if (request.url === '/ahead') response.setHeader('date', new Date(Date.now() + AHEAD_MS).toUTCString());
    response.statusCode = request.headers.authorization === `Bearer ${GOOD}` ? 200 : 401;
    response.end('{}');
  });
  tls = createTlsServer(selfSigned(['localhost']), (_request, response) => void response.end('{}'));
  const [port, secured, closed] = [
    await listening(upstream),
    await listening(tls as Server),
    await freePort(),
  ];
  const service = (name: string, base: string, lines: readonly string[]): string =>
    [`  ${name}:`, `    base_url: ${base}`, ...lines.map((line) => `    ${line}`)].join('\n');
  const local = `http://127.0.0.1:${port}`;
  const loopback = ['network: loopback', 'inject: { bearer: "{secret}" }'];
  at = await startAppliance({
    services: [
      service('right', local, [...loopback, 'secret: { env: GOOD }', 'verify: GET /account']),
      service('refused', local, [...loopback, 'secret: { env: WRONG }', 'verify: GET /account']),
      service('unset', local, [...loopback, 'secret: { env: FORGOTTEN }', 'verify: GET /account']),
      service('ahead', local, [...loopback, 'secret: { file: ./ahead.key }', 'verify: GET /ahead']),
      service('lost', 'https://billing.nowhere.invalid', []),
      service('inner', 'https://localhost', []),
      service('closed', `http://127.0.0.1:${closed}`, ['network: loopback']),
      service('untrusted', `https://localhost:${secured}`, ['network: loopback']),
    ].join('\n'),
    agents: '  worker: { services: { right: [], refused: [] } }',
    env: { GOOD, WRONG },
  });
  await writeFile(join(at.dir, 'ahead.key'), GOOD, { mode: 0o600 });
  assert.equal((await askLocally(at, '/v1/config/reload', { body: {} })).status, 200);
});

after(async () => {
  agent?.kill('SIGKILL');
  await at?.dispose();
  upstream?.close();
  tls?.close();
});

/** Each planted by the operator or the machine, found by a run of its own would take long: one run finds them together. */
const FOUND_TOGETHER: readonly (readonly [what: string, topic: string, words: readonly string[]])[] = [
  ['a credential that the service refuses', 'services', ['refused', '401']],
  ['a variable that is not set', 'services', ['unset', 'FORGOTTEN']],
  ['a name that does not resolve', 'services', ['lost', 'resolve']],
  ['an address outside the network of the service', 'services', ['inner', 'ADDRESS_DENIED']],
  ['a port where nothing listens', 'services', ['closed', 'ECONNREFUSED']],
  ['a certificate of an unknown authority', 'services', ['untrusted', 'certificate']],
  ['a clock that is wrong', 'clock', ['clock of ahead', 's ahead of this one']],
  ['a data folder that is open', 'files', ['data', '0755']],
  ['a secret that everybody may read', 'files', ['ahead.key', '0644']],
  ['a config that others may write', 'files', ['config.yaml', '0666']],
  ['a change with a mistake that is not in force', 'config', ['approvall']],
  ["an agent under the appliance's own user", 'agents', ['own user']],
];

describe('stack doctor', () => {
  let together: Awaited<ReturnType<typeof doctor>>;
  before(async () => {
    await chmod(at.dataDir, 0o755);
    await chmod(join(at.dir, 'ahead.key'), 0o644);
    const text = await readFile(at.configFile, 'utf8');
    await writeFile(at.configFile, text.replace('  right:', '  right:\n    approvall: writes'));
    await chmod(at.configFile, 0o666);
    const script = `const s = require('net').connect(${at.port}, '127.0.0.1'); s.on('error', () => {}); setInterval(() => {}, 1000); console.log('on');`;
    agent = spawn(process.execPath, ['-e', script], { env: { STACK_API_KEY: 'sk_live_x' } });
    await new Promise((done) => agent?.stdout?.once('data', done));
    together = await doctor();
    await chmod(at.dataDir, 0o700);
    await writeFile(at.configFile, text);
    await chmod(at.configFile, 0o600);
    agent.kill('SIGKILL');
  });

  for (const [what, topic, words] of FOUND_TOGETHER) {
    it(`tells ${what}, and what to do`, () => {
      const hit = together.findings.find(
        (one) =>
          one.topic === topic && one.level === 'problem' && words.every((word) => one.message.includes(word)),
      );
      assert.ok(hit?.next !== undefined || topic === 'config', JSON.stringify(together.findings, null, 1));
      assert.equal(together.code, 1);
    });
  }

  it('says that the service which is right is right, and which one nobody may call', () => {
    const { findings } = together;
    assert.ok(findings.some(({ level, message }) => level === 'ok' && message.startsWith('right ')));
    assert.ok(
      findings.some(({ level, message }) => level === 'warning' && message === 'no agent may call lost'),
    );
  });

  it("does not take another command of the operator for an agent, though it has the operator's key", async () => {
    const [command = '', ...words] = at.program;
    const args = [...words, 'secrets', 'set', 'right', '--config', at.configFile];
    // It waits for the value.
    const waiting = spawn(command, args, { env: { ...at.env, STACK_API_KEY: 'sk_live_x' }, stdio: 'pipe' });
    try {
      const { findings } = await doctor();
      const named = findings.filter(({ message }) => message.includes(`pid ${waiting.pid}`));
      assert.deepEqual(named, []);
    } finally {
      waiting.kill('SIGKILL');
    }
  });

  it('tells a person in words what it tells a program as JSON', async () => {
    const exit = await stack(at, ['doctor', '--config', at.configFile], { timeoutMs: 60_000 });
    assert.match(exit.stdout, /PROBLEM +services +unset has no usable credential/);
    assert.match(exit.stdout, /→ /);
    assert.match(exit.stdout, /\d+ problems?, \d+ warnings?\n$/);
  });

  it('looks by itself where nothing runs: a root key that is gone, a port that is taken', async () => {
    await at.stop();
    await rename(at.keyFile, `${at.keyFile}.away`);
    const other = createTcpServer().listen(at.port, '127.0.0.1');
    try {
      const { code, findings } = await doctor();
      const text = JSON.stringify(findings);
      assert.equal(code, 1);
      for (const words of ['root key', 'another program listens', 'not running', 'lost cannot be reached'])
        assert.ok(text.includes(words), `${words}: ${text}`);
    } finally {
      other.close();
      await rename(`${at.keyFile}.away`, at.keyFile);
    }
  });

  it('says every mistake of a config that cannot be read', async () => {
    const good = await readFile(at.configFile, 'utf8');
    await writeFile(at.configFile, good.replace('network: loopback', 'network: lopback'));
    const { code, findings } = await doctor();
    await writeFile(at.configFile, good);
    assert.equal(code, 1);
    assert.ok(findings.some(({ level, message }) => level === 'problem' && message.includes('network')));
    await rm(join(at.dir, 'ahead.key'));
    const without = await doctor();
    assert.ok(
      without.findings.some(({ message }) => message.includes('ahead.key') && message.includes('not set')),
    );
  });
});
