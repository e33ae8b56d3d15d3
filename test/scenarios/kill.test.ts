// kill -9 at random moments under load (security plan K1). After every kill: ready again in time, the chain verifies,
// no acknowledged effect is lost, and nothing reached the upstream without a durable intent entry (invariant 1).
// STACK_KILLS sets the number of kills, STACK_SEED repeats a run.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import type { Server } from 'node:http';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type Appliance, freePort, startAppliance } from '#test/support/appliance.ts';
import { searchFiles } from '#test/support/canary.ts';
import { emptyJournal, HELD_PATH, seededRandom, startLoad, startUpstream } from '#test/support/load.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const KILLS = Number(process.env['STACK_KILLS'] ?? 20);
const SEED = Number(process.env['STACK_SEED'] ?? randomInt(2 ** 31));
const CLIENTS = 8;
const READY_MS = 5_000;
const LONGEST_LOAD_MS = 700;
const PAGE = 100;
const SECRET = 'lg-credential-of-the-ledger-service';

const journal = emptyJournal();
const random = seededRandom(SEED);
let appliance: Appliance;
let upstream: Server;

before(async () => {
  const port = await freePort();
  upstream = await startUpstream(port, { journal, secret: SECRET });
  appliance = await startAppliance({
    services: `
  ledger:
    title: Ledger
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: LEDGER_TOKEN }
    actions: { "ledger:calls:create": [ "POST /calls/*" ] }`,
    agents: `
  worker:
    services: { ledger: [ "ledger:calls:create" ] }`,
    env: { LEDGER_TOKEN: SECRET },
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

const log: Json[] = [];

/** Adds what the log has gained since the last reading: pages come newest first, over the socket, as `local`. */
async function readOn(): Promise<void> {
  const known = Number(log.at(-1)?.['seq'] ?? 0);
  const gained: Json[] = [];
  for (let cursor: unknown; cursor !== null; ) {
    const from = cursor === undefined ? '' : `&cursor=${String(cursor)}`;
    const answer = await askLocally(appliance, `/v1/audit?limit=${PAGE}${from}`);
    assert.equal(answer.status, 200, answer.text);
    const page = answer.body['entries'] as Json[];
    gained.push(...page.filter((entry) => Number(entry['seq']) > known));
    const reachedKnown = page.some((entry) => Number(entry['seq']) <= known);
    cursor = reachedKnown ? null : (answer.body['next_cursor'] ?? null);
  }
  for (const [at, entry] of gained.reverse().entries()) {
    assert.equal(entry['seq'], known + at + 1, 'a hole in the sequence');
    log.push(entry);
  }
}

/** Intent entries by the path of their call, the outcomes that refer to them, and the acts on each passport. */
function pairs(): {
  intents: Map<string, string>;
  outcomes: Map<string, string>;
  acts: Map<string, Set<string>>;
} {
  const intents = new Map<string, string>();
  const outcomes = new Map<string, string>();
  const acts = new Map<string, Set<string>>();
  for (const entry of log) {
    const action = String(entry['action']);
    if (action.startsWith('passport.')) {
      for (const [jti] of JSON.stringify(entry).matchAll(/pp_[\w-]+/g)) {
        acts.set(jti, (acts.get(jti) ?? new Set()).add(action));
      }
    }
    if (action !== 'credential.proxy') continue;
    if (entry['outcome'] === 'pending') intents.set(String(entry['path']), String(entry['entry_id']));
    if (entry['refers_to']) outcomes.set(String(entry['refers_to']), String(entry['outcome']));
  }
  return { intents, outcomes, acts };
}

/** Fails with the first few, and how many there are. */
function none(found: readonly string[], what: string): void {
  assert.equal(found.length, 0, `${found.length} ${what}, such as ${found.slice(0, 3).join(', ')}`);
}

function checkJournals(): void {
  const { intents, outcomes, acts } = pairs();
  const settled = (path: string) =>
    /^(success|failure|unknown)$/.test(outcomes.get(intents.get(path) ?? '') ?? '');
  const { received, acknowledgedCalls, acknowledgedPassports, acknowledgedRevocations } = journal;
  none(
    received.filter((path) => !intents.has(path)),
    'requests reached the upstream without an intent entry',
  );
  assert.equal(new Set(received).size, received.length, 'a call was sent twice');
  none(
    acknowledgedCalls.filter((path) => !settled(path)),
    'acknowledged calls lack their intent or outcome entry',
  );
  none(
    [...intents.keys()].filter((path) => !settled(path)),
    'intents have no outcome',
  );
  none(
    acknowledgedPassports.filter((jti) => !acts.get(jti)?.has('passport.issue')),
    'acknowledged passports lack their audit entry',
  );
  none(
    acknowledgedRevocations.map(({ jti }) => jti).filter((jti) => !acts.get(jti)?.has('passport.revoke')),
    'acknowledged revocations lack their audit entry',
  );
}

async function checkRevocations(from: number): Promise<void> {
  for (const { jti, token } of journal.acknowledgedRevocations.slice(from)) {
    const verified = await ask(appliance, '/v1/passports/verify', { body: { token } });
    assert.equal(verified.body['valid'], false, `the revoked passport ${jti} lives again: ${verified.text}`);
    assert.equal(verified.body['code'], 'PASSPORT_REVOKED', verified.text);
  }
}

async function checkChain(): Promise<void> {
  const chain = await askLocally(appliance, '/v1/audit/verify-chain');
  assert.equal(chain.body['valid'], true, chain.text);
}

/** Waits until the upstream has seen a request for this path. */
async function reached(path: string): Promise<void> {
  const end = performance.now() + READY_MS;
  while (!journal.received.includes(path)) {
    assert.ok(performance.now() < end, `${path} never reached the upstream`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

async function killOnce(round: number): Promise<number> {
  const load = startLoad(appliance, { journal, random, round, clients: CLIENTS });
  await new Promise((done) => setTimeout(done, random() * LONGEST_LOAD_MS));
  load.stopping();
  await appliance.kill9();
  await load.halt();
  const { readyMs } = await appliance.restart();
  assert.equal((await fetch(`${appliance.url}/readyz`)).status, 200);
  assert.ok(readyMs < READY_MS, `ready only after ${Math.round(readyMs)} ms`);
  return readyMs;
}

describe(`kill -9 at ${KILLS} random moments under load`, () => {
  it('invariant 1: loses no acknowledged effect, and nothing was sent without an intent entry', async (t: TestContext) => {
    t.diagnostic(`seed ${SEED}: repeat with STACK_SEED=${SEED} STACK_KILLS=${KILLS}`);
    let slowestMs = 0;
    for (let round = 0; round < KILLS; round += 1) {
      const revocations = journal.acknowledgedRevocations.length;
      slowestMs = Math.max(slowestMs, await killOnce(round));
      await checkChain();
      await readOn();
      checkJournals();
      await checkRevocations(revocations);
      none(journal.surprises, `surprises in round ${round}`);
    }
    await checkRevocations(0);
    const { acknowledgedCalls, acknowledgedRevocations, received, bare } = journal;
    t.diagnostic(
      `${received.length} requests at the upstream, ${acknowledgedCalls.length} calls and ` +
        `${acknowledgedRevocations.length} revocations acknowledged, ${log.length} entries, ready in at most ${Math.round(slowestMs)} ms`,
    );
    assert.deepEqual(bare, [], 'a call went out without its credential');
    assert.ok(acknowledgedCalls.length > KILLS, 'the load must have been a load');
    assert.ok(acknowledgedRevocations.length > 0);
  });

  it('invariant 1: writes "unknown" for a call that was cut while the upstream held it, and calls go on', async () => {
    const call = (path: string) =>
      ask(appliance, '/v1/proxy', {
        headers: { 'x-stack-agent': 'worker' },
        body: { service: 'ledger', method: 'POST', path, body: {} },
      });
    const cut = assert.rejects(call(HELD_PATH));
    await reached(HELD_PATH);
    await appliance.kill9();
    await cut;
    await appliance.restart();
    await readOn();
    const { intents, outcomes } = pairs();
    assert.equal(outcomes.get(intents.get(HELD_PATH) ?? ''), 'unknown');
    await checkChain();

    const again = await call('/calls/afterwards');
    assert.equal(again.status, 200, again.text);
    assert.equal(journal.received.at(-1), '/calls/afterwards');
    assert.equal(
      journal.received.filter((path) => path === HELD_PATH).length,
      1,
      'a cut call was sent again',
    );
  });

  it('invariant 2: leaves no byte of the credential on disk or in the log after all the kills', async () => {
    assert.deepEqual((await searchFiles(appliance.dir, SECRET)).found, []);
    assert.ok(!appliance.logs().includes(SECRET));
  });
});
