// The disk is full or read-only while the appliance is idle, under load or starts: what cannot be logged is refused within a
// second and not done, health says why, and calls go on by themselves once the cause is gone.
import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import { stack } from '#test/support/appliance.ts';
import {
  AGAIN,
  assertDenied,
  type Faulty,
  NO_ENTRIES,
  said,
  startFaulty,
  untilReady,
  untilUnready,
} from '#test/support/faulty.ts';
import { type Disk, disk, fill, skipWithout } from '#test/support/machine.ts';
import { ask, askLocally } from '#test/support/requests.ts';

const CLIENTS = 6;
const KILOBYTES = 3_000;
const SOON_MS = 2_000;
/** Ends a test that hangs; a busy machine takes its time. */
const SUITE_MS = 240_000;

const cleanup: (() => Promise<void>)[] = [];
const tidy = async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
};
afterEach(tidy);
after(tidy);

async function onDisk(kilobytes: number): Promise<{ faulty: Faulty; own: Disk }> {
  const own = await disk(kilobytes);
  cleanup.push(own.undo);
  const faulty = await startFaulty({ below: own.path });
  cleanup.push(faulty.dispose);
  return { faulty, own };
}

/** The trouble was said once, and its end once, however many calls were refused. */
function assertQuiet({ appliance }: Faulty): void {
  assert.equal(said(appliance, NO_ENTRIES), 1, appliance.logs());
  assert.equal(said(appliance, AGAIN), 1, appliance.logs());
  assert.equal(said(appliance, '"level":"error"'), 1, appliance.logs());
}

describe('a disk that is full', { skip: skipWithout('root'), timeout: SUITE_MS }, () => {
  it('invariant 1: refuses calls and changes in time, says why, and goes on when there is room again', async () => {
    const { faulty, own } = await onDisk(KILOBYTES);
    const { appliance } = faulty;
    assert.equal((await faulty.call()).status, 200);
    const makeRoom = await fill(own.path);
    // Idle: nobody has called since.
    const { reason } = await untilUnready(appliance, /full/, SOON_MS);
    assert.match(reason, /disk/);
    const before = faulty.received.length;
    for (let count = 0; count < 20; count += 1) assertDenied(await faulty.call(), ['disk_full']);
    assert.equal(faulty.received.length, before, 'a call that was refused was sent');
    const agent = { name: 'nobody', description: 'must not be' };
    const change = await ask(appliance, '/v1/agents/register', { body: agent });
    assert.equal(change.status, 503, change.text);
    const doctor = await stack(appliance, ['doctor', '--config', appliance.configFile]);
    assert.match(doctor.stdout, /takes no calls: .*full/);
    const metrics = await ask(appliance, '/metrics');
    assert.match(metrics.text, /^stack_log_available 0$/m);
    await makeRoom();
    await untilReady(appliance, SOON_MS);
    assert.equal((await faulty.call()).status, 200);
    assert.equal((await askLocally(appliance, '/v1/agents/nobody')).status, 404, 'half done');
    assertQuiet(faulty);
    await faulty.check();
    const note = (await faulty.entries()).find(({ action }) => action === 'audit.outage');
    assert.match(JSON.stringify(note), /full/);
  });

  it('invariant 1: under load until it is full: everything that was let go is in the log, with its outcome', async () => {
    const { faulty, own } = await onDisk(KILOBYTES);
    const { appliance } = faulty;
    const load = faulty.load(CLIENTS);
    await untilUnready(appliance, /full/);
    own.resize(KILOBYTES * 4);
    await untilReady(appliance, SOON_MS);
    const answers = await load.stop();
    const refused = answers.filter(({ status }) => status !== 200);
    assert.ok(
      refused.length > 0 && refused.length < answers.length,
      `${refused.length} of ${answers.length}`,
    );
    for (const one of refused) assertDenied(one, ['disk_full']);
    assertQuiet(faulty);
    await faulty.check();
  });

  it('keeps the outcome of a call that ends meanwhile, and writes it afterwards', async () => {
    const { faulty, own } = await onDisk(KILOBYTES);
    const { appliance } = faulty;
    const pending = faulty.call('/calls/held-1');
    while (faulty.held.length === 0) await new Promise((done) => setTimeout(done, 5));
    const makeRoom = await fill(own.path);
    await untilUnready(appliance, /full/, SOON_MS);
    faulty.held[0]?.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    assert.equal((await pending).status, 200, 'it was let go before, and its answer is there');
    await makeRoom();
    await untilReady(appliance, SOON_MS);
    await faulty.check();
  });

  it('does not start, says why, and changes nothing', async () => {
    const { faulty, own } = await onDisk(KILOBYTES);
    const { appliance } = faulty;
    await appliance.stop();
    await fill(own.path);
    const exit = await stack(appliance, ['serve', '--config', appliance.configFile]);
    assert.equal(exit.code, 1, exit.stdout + exit.stderr);
    assert.match(exit.stderr, /full/);
    assert.ok(!exit.stdout.includes('"listening"'));
    own.resize(KILOBYTES * 2);
    await appliance.restart();
    await faulty.check();
  });
});

describe('a disk that is read-only', { skip: skipWithout('root'), timeout: SUITE_MS }, () => {
  it('does not start on it, and says why', async () => {
    const { faulty, own } = await onDisk(KILOBYTES * 4);
    const { appliance } = faulty;
    await appliance.stop();
    own.mode('ro');
    const exit = await stack(appliance, ['serve', '--config', appliance.configFile]);
    assert.equal(exit.code, 2, exit.stdout + exit.stderr);
    assert.match(exit.stderr, /data_dir.*EROFS/);
    own.mode('rw');
    await appliance.restart();
    await faulty.check();
  });
});
