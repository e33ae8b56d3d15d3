// One bad upstream costs no other call anything: a hundred calls hang at it in every way there is, while calls to another
// service, and the good calls to the same one, are answered as before. The bound is generous, since machines are shared.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Faults, type Form, startFaults } from '#test/support/faults.ts';
import { answering, type Script } from '#test/support/raw-upstream.ts';
import { type Stalling, startStalling } from '#test/support/stalling.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const HANGING = 100;
const CALLS = 24;
/** On a machine under load fewer calls are made, while the bad ones are still open. */
const MEASURED_MS = 3_500;
/** A call that waits for a hanging one takes all its eight seconds; the rest is the load of the machine. */
const SLOWEST_MS = 4_000;
const FORMS: readonly Form[] = ['envelope', 'path', 'mcp'];

const drip =
  (first: string, piece: string): Script =>
  (socket) => {
    socket.write(first);
    const timer = setInterval(() => socket.write(piece), 100);
    socket.on('close', () => clearInterval(timer));
  };
const BAD: Readonly<Record<string, Script>> = {
  silent: () => undefined,
  stops: answering(`${OK}Content-Length: 10\r\n\r\nhalf`),
  drips: drip(`${OK}Content-Length: 1000\r\n\r\n`, 'x'),
  'drips-its-head': drip(OK, 'X-A: a\r\n'),
  interim: drip('', 'HTTP/1.1 102 Processing\r\n\r\n'),
};

const invalid = answering('HTTP/7 what? no\r\n\x00\r\n');
const slow: Script = (socket) =>
  void setTimeout(() => socket.write(`${OK}Content-Length: 2\r\n\r\nok`), 2_500);

let faults: Faults;
let stalling: Stalling;

before(async () => {
  stalling = await startStalling();
  faults = await startFaults({
    scripts: { ...BAD, invalid, slow, fine: answering(`${OK}Content-Length: 2\r\n\r\nok`) },
    limits: 'call_timeout: 8s',
    places: { stalls: stalling.place },
  });
});

after(async () => {
  await faults?.dispose();
  stalling?.close();
});

/** Longest and middle duration of calls one after the other. */
async function timed(
  service: string,
  round: string,
): Promise<{ readonly slowest: number; readonly middle: number }> {
  const durations: number[] = [];
  const until = performance.now() + MEASURED_MS;
  for (let nth = 0; nth < CALLS && performance.now() < until; nth += 1) {
    const began = performance.now();
    const form = FORMS[nth % FORMS.length] ?? 'envelope';
    const seen = await faults.call(form, `/fine/${round}${nth}`, { service });
    durations.push(performance.now() - began);
    assert.deepEqual([seen.code, seen.status], ['OK', 200], seen.text);
  }
  durations.sort((one, other) => one - other);
  return { slowest: durations.at(-1) ?? 0, middle: durations[Math.floor(durations.length / 2)] ?? 0 };
}

async function unhurt(round: string, hang: (nth: number) => Promise<unknown>): Promise<void> {
  const services = ['good', 'bad'];
  const before = await Promise.all(services.map((service) => timed(service, `${round}-before-`)));
  const hanging = Array.from({ length: HANGING }, (_, nth) => hang(nth));
  let ended = 0;
  for (const call of hanging) void call.then(() => (ended += 1));
  await new Promise((done) => setTimeout(done, 500));
  const during = await Promise.all(services.map((service) => timed(service, `${round}-during-`)));
  assert.equal(ended, 0, 'the bad calls were still open');
  for (const [at, { slowest, middle }] of during.entries()) {
    assert.ok(slowest < SLOWEST_MS, `${services[at]}: ${slowest} ms`);
    const usual = before[at]?.middle ?? 0;
    assert.ok(middle < usual * 4 + 30, `${services[at]}: ${middle} ms, ${usual} ms before`);
  }
  await Promise.all(hanging);
}

describe('a hundred calls that hang', () => {
  it('at a service that answers badly hurt neither another service nor its good calls', async () => {
    const names = Object.keys(BAD);
    await unhurt('answers', (nth) => {
      const name = names[nth % names.length] ?? '';
      return faults.call(name === 'drips' ? 'mcp' : (FORMS[nth % 3] ?? 'path'), `/${name}/${nth}`);
    });
  });

  it('in the handshake of a service hurt nobody', async () => {
    await unhurt('handshake', (nth) =>
      faults.call(FORMS[nth % 3] ?? 'path', `/${nth}`, { service: 'stalls' }),
    );
    assert.equal(stalling.sockets.size, HANGING);
  });

  it('corpus M042: invalid HTTP while a hundred calls are open ends its own call only', async () => {
    const open = Array.from({ length: HANGING }, (_, nth) =>
      faults.call(FORMS[nth % 3] ?? 'path', `/slow/${nth}`),
    );
    await new Promise((done) => setTimeout(done, 1_000));
    const wrong = await Promise.all(FORMS.map((form) => faults.call(form, `/invalid/${form}`)));
    for (const seen of wrong)
      assert.deepEqual([seen.code, seen.metadata['sent']], ['RESPONSE_WITHHELD', true]);
    for (const seen of await Promise.all(open))
      assert.deepEqual([seen.code, seen.status], ['OK', 200], seen.text);
  });
});
