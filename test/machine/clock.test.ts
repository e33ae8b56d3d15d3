// The clock of the machine is set while calls are made, and while the appliance is down: nothing that has ended lives again, the
// order of the log is that of its numbers, waits and windows do not follow, and a note says what was set.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { stack } from '#test/support/appliance.ts';
import { type Faulty, readiness, said, startFaulty, until } from '#test/support/faulty.ts';
import { fakeClock, skipWithout } from '#test/support/machine.ts';
import { ask, type Json } from '#test/support/requests.ts';

const CLIENTS = 4;
/** Ends a test that hangs; a busy machine takes its time. */
const SUITE_MS = 240_000;
const NOTICED_MS = 5_000;
/** Longer than a passport lives. */
const HOUR = 3_600;
const DAY = 86_400;

type Clock = Awaited<ReturnType<typeof fakeClock>>;

describe('a clock that is set', { skip: skipWithout('faketime'), timeout: SUITE_MS }, () => {
  let faulty: Faulty;
  let clock: Clock;
  let noted = 0;
  before(async () => {
    clock = await fakeClock();
    faulty = await startFaulty({ env: clock.env });
  });
  after(async () => {
    await faulty?.dispose();
    await clock?.undo();
  });

  const notes = async (): Promise<readonly Json[]> =>
    (await faulty.entries()).filter(({ action }) => action === 'clock.set');
  /** Sets the clock, and waits until the log has a note of it. */
  async function set(to: string): Promise<Json> {
    await clock.set(to);
    const seen = await until(notes, (found) => found.length > noted, NOTICED_MS);
    noted = seen.length;
    return (seen.at(-1)?.['detail'] ?? {}) as Json;
  }
  async function issue(ttl?: number): Promise<string> {
    const intent = { summary: 'outlive a clock', services: ['ledger'] };
    const body = { agent: 'worker', intent, ...(ttl === undefined ? {} : { ttl_seconds: ttl }) };
    const issued = await ask(faulty.appliance, '/v1/passports/issue', { body });
    assert.equal(issued.status, 201, issued.text);
    return String(issued.body['token']);
  }
  const judge = async (token: string): Promise<unknown> => {
    const { body } = await ask(faulty.appliance, '/v1/passports/verify', { body: { token } });
    return body['valid'] === true ? 'valid' : body['code'];
  };
  const dead = new Map<string, string>();
  async function assertDead(): Promise<void> {
    for (const [token, when] of dead)
      assert.notEqual(await judge(token), 'valid', `ended ${when}, lives again`);
  }

  it('corpus R030: one hour back under load: what lives lives on, its end does not move, calls go on in order', async () => {
    const { appliance } = faulty;
    const ended = await issue();
    dead.set(ended, 'before the clock went back');
    await set(`+${HOUR}`);
    assert.equal(await judge(ended), 'PASSPORT_EXPIRED');
    const live = await issue();
    const load = faulty.load(CLIENTS);
    const detail = await set('+0');
    assert.ok(Number(detail['set_by_seconds']) < -HOUR + 60, JSON.stringify(detail));
    await assertDead();
    assert.equal(await judge(live), 'valid');
    const answers = await load.stop();
    assert.ok(answers.length > 0 && answers.every(({ status }) => status === 200), 'calls go on');
    assert.equal((await readiness(appliance)).status, 200);
    const times = (await faulty.entries()).map(({ timestamp }) => Number(timestamp));
    assert.deepEqual(
      times,
      [...times].sort((one, other) => one - other),
      'time went back in the log',
    );
    const metrics = await ask(appliance, '/metrics');
    const behind = Number(/^stack_clock_behind_seconds (\S+)$/m.exec(metrics.text)?.[1]);
    assert.ok(Math.abs(behind - HOUR) < 120, `${behind}`);
    assert.equal(said(appliance, 'the clock was set back'), 1, appliance.logs());
    await faulty.check();
  });

  for (const [name, there, back] of [
    ['a day ahead and back', `+${DAY}`, '+0'],
    ['to 1970 and back', '@1970-01-02 00:00:00', '+0'],
    ['to 2100 and back', '@2100-01-01 00:00:00', '+0'],
  ] as const) {
    it(`${name}, with calls all the time: nothing that has ended lives again`, async () => {
      const before = await issue();
      const load = faulty.load(1);
      await set(there);
      if ((await judge(before)) !== 'valid') dead.set(before, name);
      const between = await issue();
      await set(back);
      assert.equal(await judge(between), 'valid', 'time goes on from where it was');
      await assertDead();
      const answers = await load.stop();
      assert.ok(
        answers.every(({ status }) => status === 200),
        'calls go on',
      );
      await faulty.check();
    });
  }

  it('a start with a clock behind the log: what had ended stays so, also what was issued in the wrong time', async () => {
    const { appliance } = faulty;
    // Issued by the time that 2100 has left behind.
    const future = await issue();
    dead.set(future, 'with the wrong clock');
    const doctor = await stack(appliance, ['doctor', '--config', appliance.configFile]);
    assert.match(doctor.stdout, /the log has an entry from \d+ s in the future/);
    await appliance.restart();
    assert.equal(said(appliance, 'the clock is behind the log'), 1);
    await assertDead();
    const now = await issue();
    assert.equal(await judge(now), 'valid');
    assert.equal((await faulty.call()).status, 200, 'a standing passport is renewed');
    const newest = (await faulty.entries()).at(-1);
    assert.ok(
      Math.abs(Number(newest?.['timestamp']) - Date.now()) < HOUR * 1_000,
      'the log tells the right time again',
    );
    await appliance.restart();
    assert.equal(said(appliance, 'the clock is behind the log'), 1, 'only the start that met it says so');
    await assertDead();
    await faulty.check();
  });
});
