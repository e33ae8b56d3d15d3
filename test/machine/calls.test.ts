// System calls that fail or hang under a running appliance: reads and writes that fail, an fsync that fails, a disk that does
// not answer, and no more files to open. Made by strace and prlimit.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AGAIN,
  assertDenied,
  errorOf,
  type Faulty,
  NO_ENTRIES,
  said,
  startFaulty,
  until,
  untilReady,
  untilUnready,
} from '#test/support/faulty.ts';
import { inject, limitFiles, openFiles, skipWithout } from '#test/support/machine.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const CLIENTS = 6;
const SOON_MS = 3_000;
const HANG_US = 2_500_000;
/** Ends a test that hangs; a busy machine takes its time. */
const SUITE_MS = 240_000;

function running(): () => Faulty {
  let faulty: Faulty | undefined;
  before(async () => {
    faulty = await startFaulty();
  });
  after(() => faulty?.dispose());
  return () => {
    assert.ok(faulty);
    return faulty;
  };
}

const faults: { undo: () => Promise<void> }[] = [];
async function injecting(faulty: Faulty, injections: readonly string[], paths: readonly string[] = []) {
  const fault = await inject(faulty.pid(), injections, paths);
  faults.push(fault);
  return fault;
}
// Also where the test failed; the next one begins with a machine that works.
afterEach(async () => {
  for (const fault of faults.splice(0)) await fault.undo();
});

const stateFiles = ({ appliance }: Faulty): string[] =>
  ['stack.db', 'stack.db-wal'].map((name) => join(appliance.dataDir, name));

describe('a disk that fails', { skip: skipWithout('root', 'strace'), timeout: SUITE_MS }, () => {
  const at = running();

  for (const [error, word] of [
    ['EIO', 'io_error'],
    ['ENOSPC', 'disk_full'],
    ['EROFS', 'io_error'],
  ] as const) {
    it(`invariant 1: every write ends with ${error} under load: refused in time, nothing sent, and on again`, async () => {
      const faulty = at();
      const { appliance } = faulty;
      const [began, ended] = [said(appliance, NO_ENTRIES), said(appliance, AGAIN)];
      assert.equal((await faulty.call()).status, 200);
      const load = faulty.load(CLIENTS);
      const fault = await injecting(faulty, [`pwrite64:error=${error}`], stateFiles(faulty));
      await untilUnready(appliance, /disk/, SOON_MS);
      await delay(500);
      await fault.undo();
      await untilReady(appliance, SOON_MS);
      const refused = (await load.stop()).filter(({ status }) => status !== 200);
      assert.ok(refused.length > 0, 'nothing was refused');
      for (const one of refused) assertDenied(one, [word]);
      // Once for the hundreds that were refused; the same words within a minute not again.
      assert.ok(said(appliance, NO_ENTRIES) <= began + 1, appliance.logs());
      assert.ok(said(appliance, AGAIN) <= ended + 1, appliance.logs());
      assert.equal((await faulty.call()).status, 200);
      await faulty.check();
    });
  }

  it('refuses in the same words where it cannot read', async () => {
    const faulty = at();
    const { appliance } = faulty;
    for (let count = 0; count < 150; count += 1) await faulty.call();
    // Nothing of the log is in memory then.
    await appliance.restart();
    const fault = await injecting(faulty, ['pread64:error=EIO'], stateFiles(faulty));
    const answers = await Promise.all([
      askLocally(appliance, '/v1/audit?limit=100'),
      askLocally(appliance, '/v1/audit/verify-chain'),
    ]);
    await fault.undo();
    for (const answer of answers) {
      assert.equal(answer.status, 503, answer.text);
      // SQLite takes a page that cannot be read for one that is damaged, except the first.
      assert.match(String((errorOf(answer)['metadata'] as Json)['reason']), /^(?:io_error|damaged)$/);
    }
    await untilReady(appliance, SOON_MS);
    await faulty.check();
  });

  it('invariant 1: a disk that does not answer: refused in time, not sent, and the log says so when it answers', async () => {
    const faulty = at();
    const { appliance } = faulty;
    // The agent has its standing passport then, so that what hangs is the intent.
    assert.equal((await faulty.call()).status, 200);
    const fault = await injecting(faulty, [`fsync:delay_enter=${HANG_US}`]);
    const before = faulty.received.length;
    const calls = await Promise.all([1, 2, 3].map((at) => faulty.call(`/calls/hung-${at}`)));
    for (const one of calls) assertDenied(one, ['no_answer']);
    // It is known now: nobody waits for it any more.
    const [at1, at2] = [await faulty.call('/calls/hung-4'), await faulty.call('/calls/hung-5')];
    for (const one of [at1, at2]) assertDenied(one, ['no_answer']);
    assert.ok(at2.tookMs < 500, `${at2.tookMs}`);
    const agent = { name: 'undecided', description: 'asked for while the disk hangs' };
    const change = await ask(appliance, '/v1/agents/register', { body: agent });
    assert.equal(change.status, 503, change.text);
    await fault.undo();
    await untilReady(appliance, SOON_MS + HANG_US / 1_000);
    assert.equal(faulty.received.length, before, 'a call that was refused was sent');
    await faulty.check();
    const entries = await faulty.entries();
    // What was with the disk when its callers were refused came late, and is not left open.
    const late = entries.filter(({ path, outcome }) => /hung/.test(String(path)) && outcome === 'pending');
    assert.ok(late.length > 0, 'the disk took none of them');
    for (const { entry_id } of late) {
      const end = entries.find(({ refers_to }) => refers_to === entry_id);
      assert.equal(end?.['outcome'], 'failure');
      assert.match(JSON.stringify(end?.['detail']), /nothing was sent/);
    }
    await faulty.check();
  });

  it('permissions are taken away: refused, and on again when they are back', async () => {
    const faulty = at();
    const { appliance } = faulty;
    const places = [join(appliance.dataDir, 'stack.db'), appliance.dataDir];
    const fault = await injecting(faulty, ['access,faccessat,faccessat2:error=EACCES'], places);
    await untilUnready(appliance, /may no longer be read and written/, SOON_MS);
    assertDenied(await faulty.call(), ['cannot_open']);
    await fault.undo();
    await untilReady(appliance, SOON_MS);
    assert.equal((await faulty.call()).status, 200);
    await faulty.check();
  });

  it('invariant 1: an fsync that fails: it stops with a clear last line, and the next start settles', async () => {
    const faulty = at();
    const { appliance } = faulty;
    const load = faulty.load(CLIENTS);
    await until(
      async () => faulty.received.length,
      (count) => count > CLIENTS,
    );
    const fault = await injecting(faulty, ['fsync:error=EIO:when=3']);
    const exit = await appliance.ended();
    await load.stop();
    await fault.undo();
    assert.equal(exit.code, 1, exit.stderr);
    assert.match(exit.stderr.trim().split('\n').at(-1) ?? '', /fsync failed.*only a new start can tell/);
    await appliance.restart();
    assert.equal((await faulty.call()).status, 200);
    await faulty.check();
  });
});

describe('too many open files', { skip: skipWithout('root', 'prlimit'), timeout: SUITE_MS }, () => {
  const at = running();

  it('turns connections away or answers, never ends, and goes on when there are files again', async () => {
    const faulty = at();
    const { appliance } = faulty;
    assert.equal((await faulty.call()).status, 200);
    limitFiles(faulty.pid(), await openFiles(faulty.pid()));
    const tries = await Promise.allSettled(Array.from({ length: 40 }, () => faulty.call()));
    const walks = await Promise.allSettled([askLocally(appliance, '/v1/audit/verify-chain')]);
    const answers = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    for (const { status, text } of answers) assert.ok([200, 502, 503].includes(status), text);
    assert.ok(tries.some((one) => one.status === 'rejected') || answers.some(({ status }) => status !== 200));
    for (const one of walks) if (one.status === 'fulfilled') assert.ok(one.value.status < 600);
    limitFiles(faulty.pid(), 4_096);
    await untilReady(appliance, SOON_MS);
    assert.equal((await faulty.call()).status, 200);
    await faulty.check();
  });
});
