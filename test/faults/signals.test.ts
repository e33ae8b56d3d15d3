// Signals under load: a stop lets calls end or records them as cut, a second one ends at once, and a reload beside a restart
// leaves one whole config in force.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Faulty, startFaulty, until } from '#test/support/faulty.ts';
import { askLocally } from '#test/support/requests.ts';

const OPEN_CALLS = 500;
/** Of these the upstream answers while the appliance stops. */
const ENDING = 100;
/** Security.md 5.9, and what the end of the process itself takes on a busy machine. */
const STOP_MS = 10_000 + 5_000;
/** From the signal to the first connection that is not taken. */
const REFUSED_MS = 2_000;
/** Ends a test that hangs; a busy machine takes its time. */
const SUITE_MS = 240_000;

async function started(t: TestContext): Promise<Faulty> {
  const faulty = await startFaulty();
  t.after(() => faulty.dispose());
  return faulty;
}

/** Whether a new connection is taken. */
const connects = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => done(true)).on('error', () => done(false));
    socket.on('connect', () => socket.destroy());
  });

// Most of the first one is the ten seconds that a stop leaves to open calls.
describe('signals under load', { timeout: SUITE_MS, concurrency: 2 }, () => {
  it('R027: SIGTERM during 500 open calls: those that end are answered, the others are in the log as cut', async (t: TestContext) => {
    const faulty = await started(t);
    const { appliance } = faulty;
    const calls = Array.from({ length: OPEN_CALLS }, (_, at) =>
      faulty.call(`/calls/held-${at}`).then(
        ({ status }) => status,
        () => 'cut',
      ),
    );
    // The rest waits for a connection to the upstream.
    await until(
      async () => ({ held: faulty.held.length, logs: appliance.logs() }),
      ({ held }) => held >= ENDING,
    );
    const began = performance.now();
    const exiting = appliance.stop();
    // While the calls are still held.
    await until(
      () => connects(appliance.port),
      (taken) => !taken,
      REFUSED_MS,
    );
    const ending = faulty.held.splice(0, ENDING);
    for (const response of ending) response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    const exit = await exiting;
    const tookMs = performance.now() - began;
    assert.equal(exit.code, 0, exit.stderr);
    assert.ok(tookMs < STOP_MS, `stopped only after ${Math.round(tookMs)} ms`);
    const ends = await Promise.all(calls);
    assert.ok(ends.filter((end) => end === 200).length >= ending.length, 'accepted calls must end');
    await appliance.restart();
    assert.doesNotMatch(
      appliance.logs(),
      /calls of the last run ended unknown/,
      'the stop itself wrote the outcomes',
    );
    await faulty.check();
  });

  it('a second SIGTERM ends it at once, and the next start settles', async (t: TestContext) => {
    const faulty = await started(t);
    const { appliance } = faulty;
    const calls = Array.from({ length: 20 }, (_, at) =>
      faulty.call(`/calls/held-${at}`).catch(() => undefined),
    );
    await until(
      async () => faulty.held.length,
      (count) => count === 20,
    );
    appliance.signal('SIGTERM');
    await delay(200);
    const began = performance.now();
    appliance.signal('SIGTERM');
    const exit = await appliance.ended();
    assert.ok(performance.now() - began < 2_000);
    assert.equal(exit.code, 0, exit.stderr);
    await Promise.all(calls);
    await appliance.restart();
    await faulty.check();
  });

  it('R023: reload and restart together: never a mix, and the file that is there is in force', async (t: TestContext) => {
    const faulty = await started(t);
    const { appliance } = faulty;
    const first = await readFile(appliance.configFile, 'utf8');
    for (let round = 0; round < 3; round += 1) {
      const name = `helper-${round}`;
      await writeFile(
        appliance.configFile,
        first.replace('agents:\n', `agents:\n  ${name}: { services: {} }\n`),
      );
      appliance.signal('SIGHUP');
      appliance.signal('SIGTERM');
      appliance.signal('SIGHUP');
      const exit = await appliance.ended();
      assert.equal(exit.code, 0, exit.stderr);
      await appliance.restart();
      const agent = await askLocally(appliance, `/v1/agents/${name}`);
      assert.equal(agent.status, 200, agent.text);
      const changes = await askLocally(appliance, '/v1/config/changes');
      assert.deepEqual(changes.body['changes'], [], changes.text);
    }
    await faulty.check();
  });

  it('a hang-up during the start ends nothing', async (t: TestContext) => {
    const faulty = await started(t);
    const { appliance } = faulty;
    await appliance.stop();
    const [command = '', ...words] = appliance.program;
    const child = spawn(command, [...words, 'serve', '--config', appliance.configFile], {
      cwd: appliance.dir,
      env: appliance.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = new Promise<number | null>((done) => child.once('exit', done));
    try {
      // As soon as the program can hear at all, and all through the start.
      await until(async () => readFile(`/proc/${child.pid}/status`, 'utf8'), hearsHangUp);
      let ready = false;
      child.stdout?.once('data', () => {
        ready = true;
      });
      while (!ready) {
        child.kill('SIGHUP');
        await delay(20);
      }
      assert.equal((await fetch(`${appliance.url}/readyz`)).status, 200);
    } finally {
      child.kill('SIGTERM');
    }
    assert.equal(await exited, 0);
    await appliance.restart();
    await faulty.check();
  });
});

/** proc(5): the signals that the process catches, as bits; SIGHUP is the first. */
const hearsHangUp = (status: string): boolean =>
  (Number.parseInt(/^SigCgt:\s+([0-9a-f]+)$/m.exec(status)?.[1]?.slice(-1) ?? '0', 16) & 1) === 1;
