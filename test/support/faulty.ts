// An appliance before an upstream that keeps a journal, and what must hold of both whatever the machine does: nothing reached
// the upstream without an intent, every intent has an outcome, what was acknowledged is there, and the log does not spin.
import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Appliance, type Setup, startAppliance } from './appliance.ts';
import { type Answer, ask, askLocally, type Json } from './requests.ts';

export const SECRET = 'canary-7b1f04d2c95ae863';
/** A call that cannot be logged is refused within a second (security plan 5.3); a hanging disk is waited for 0.8 s of it. */
const DENIED_MS = 1_000;
const WAIT_MS = 15_000;
const POLL_MS = 25;
const SETTLED_MS = 5_000;
const PAGE = 100;

export type Timed = Answer & { readonly tookMs: number };

export type Load = { readonly halt: () => void; readonly stop: () => Promise<readonly Timed[]> };

export type Faulty = {
  readonly appliance: Appliance;
  readonly pid: () => number;
  /** Paths that reached the upstream. */
  readonly received: readonly string[];
  /** Calls that the upstream holds until they are let go. */
  readonly held: ServerResponse[];
  /** One call to a path of its own. */
  readonly call: (path?: string) => Promise<Timed>;
  /** Calls from several clients at once until it is stopped; answers what came back. */
  readonly load: (clients: number) => Load;
  readonly entries: () => Promise<readonly Json[]>;
  /** Everything that must hold; the appliance must be running and well. */
  readonly check: () => Promise<void>;
  readonly dispose: () => Promise<void>;
};

/** Paths with this word in them are not answered. */
export const HELD = 'held';

export async function startFaulty(setup: Pick<Setup, 'below' | 'env' | 'extra'> = {}): Promise<Faulty> {
  const received: string[] = [];
  const held: ServerResponse[] = [];
  const upstream = createServer((request, response) => {
    received.push(request.url ?? '');
    request.resume();
    if ((request.url ?? '').includes(HELD)) held.push(response);
    else response.writeHead(200, { 'content-type': 'application/json' }).end('{"done":true}');
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const close = (): void => closeServer(upstream);
  const appliance = await startAppliance({
    ...setup,
    services: `
  ledger:
    base_url: http://127.0.0.1:${(upstream.address() as AddressInfo).port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: LEDGER_TOKEN }
    actions: { "ledger:calls:create": [ "POST /calls/*" ] }`,
    agents: '  worker: { services: { ledger: [ "ledger:calls:create" ] } }',
    env: { LEDGER_TOKEN: SECRET, ...setup.env },
  }).catch((error: unknown) => {
    close();
    throw error;
  });
  let made = 0;
  const acknowledged: string[] = [];
  const call = async (path = `/calls/n${++made}`): Promise<Timed> => {
    const began = performance.now();
    const answer = await ask(appliance, '/v1/proxy', {
      headers: { 'x-stack-agent': 'worker' },
      body: { service: 'ledger', method: 'POST', path, body: { made } },
    });
    if (answer.status === 200) acknowledged.push(path);
    return { ...answer, tookMs: performance.now() - began };
  };
  const entries = () => readLog(appliance);
  const loads: Load[] = [];
  return {
    appliance,
    pid: () => pidOf(appliance),
    received,
    held,
    call,
    load: (clients) => {
      const load = startLoad(call, clients);
      loads.push(load);
      return load;
    },
    entries,
    check: async () =>
      checkLog(appliance, { entries: await until(entries, settled, SETTLED_MS), received, acknowledged }),
    dispose: async () => {
      for (const load of loads) load.halt();
      for (const response of held) response.destroy();
      await appliance.dispose();
      close();
    },
  };
}

function closeServer(server: Server): void {
  server.closeAllConnections();
  server.close();
}

const pidOf = (appliance: Appliance): number => {
  const ready = [...appliance.logs().matchAll(/^\{"listening".*$/gm)].at(-1)?.[0] ?? '{}';
  return Number((JSON.parse(ready) as { pid?: number }).pid);
};

function startLoad(call: Faulty['call'], clients: number): Load {
  let going = true;
  const answers: Timed[] = [];
  const loops = Array.from({ length: clients }, async () => {
    while (going) {
      // The process may end under a call, as it must after a failed fsync: then nothing was acknowledged.
      const answer = await call().catch(() => undefined);
      if (answer === undefined) await delay(POLL_MS);
      else answers.push(answer);
    }
  });
  const halt = (): void => {
    going = false;
  };
  return {
    halt,
    stop: async () => {
      halt();
      await Promise.all(loops);
      return answers;
    },
  };
}

async function readLog(appliance: Appliance): Promise<readonly Json[]> {
  const all: Json[] = [];
  for (let cursor: unknown; cursor !== null; ) {
    const from = cursor === undefined ? '' : `&cursor=${String(cursor)}`;
    const answer = await askLocally(appliance, `/v1/audit?limit=${PAGE}${from}`);
    assert.equal(answer.status, 200, answer.text);
    all.push(...(answer.body['entries'] as Json[]));
    cursor = answer.body['next_cursor'] ?? null;
  }
  return all.reverse();
}

type Facts = {
  readonly entries: readonly Json[];
  readonly received: readonly string[];
  readonly acknowledged: readonly string[];
};

/** Outcomes follow their answers; each gets the time of one fsync. */
const settled = (entries: readonly Json[]): boolean => {
  const named = new Set(entries.map(({ refers_to }) => refers_to));
  return entries.every(({ outcome, entry_id }) => outcome !== 'pending' || named.has(entry_id));
};

async function checkLog(appliance: Appliance, { entries, received, acknowledged }: Facts): Promise<void> {
  assert.deepEqual(
    entries.map(({ seq }) => seq),
    entries.map((_, at) => at + 1),
    'a hole in the sequence',
  );
  const calls = entries.filter(({ action }) => action === 'credential.proxy');
  const intents = new Map(
    calls
      .filter(({ outcome }) => outcome === 'pending')
      .map(({ path, entry_id }) => [String(path), String(entry_id)]),
  );
  const outcomes = new Map(
    calls
      .filter(({ refers_to }) => refers_to !== null)
      .map((one) => [String(one['refers_to']), one['outcome']]),
  );
  assert.deepEqual(
    received.filter((path) => !intents.has(path)),
    [],
    'a request reached the upstream without an intent',
  );
  assert.equal(new Set(received).size, received.length, 'a call was sent twice');
  assert.deepEqual(
    acknowledged.filter(
      (path) => !/^(?:success|unknown)$/.test(String(outcomes.get(intents.get(path) ?? ''))),
    ),
    [],
    // Unknown where the process ended between the answer and the fsync of its outcome, for which no answer waits.
    'an acknowledged call has no outcome in the log',
  );
  assert.deepEqual(
    [...intents].filter(([, id]) => !outcomes.has(id)).map(([path]) => path),
    [],
    'an intent has no outcome',
  );
  const unsent = [...intents].filter(([path]) => !received.includes(path));
  assert.deepEqual(
    unsent.filter(([, id]) => outcomes.get(id) === 'success'),
    [],
    'a call that was not sent has an outcome of one that was',
  );
  const chain = await askLocally(appliance, '/v1/audit/verify-chain');
  assert.equal(chain.body['valid'], true, chain.text);
  assert.ok(!appliance.logs().includes(SECRET), 'the credential is in the process log');
}

export const errorOf = ({ body }: Answer): Json => (body['error'] ?? {}) as Json;

/** 503 with a code, a word of why and a next step, in time. */
export function assertDenied(answer: Timed, reasons: readonly string[]): void {
  assert.equal(answer.status, 503, answer.text);
  const { code, metadata, next } = errorOf(answer);
  assert.equal(code, 'AUDIT_UNAVAILABLE', answer.text);
  const { reason } = metadata as Json;
  assert.ok(reasons.includes(String(reason)), answer.text);
  assert.match(String(next), /readyz/);
  assert.ok(answer.tookMs < DENIED_MS, `denied only after ${Math.round(answer.tookMs)} ms`);
}

type Readiness = { readonly status: number; readonly reason: string };

export async function readiness(appliance: Appliance): Promise<Readiness> {
  assert.equal((await fetch(`${appliance.url}/healthz`)).status, 200, 'health must stay up');
  const answer = await fetch(`${appliance.url}/readyz`);
  const { reason = '' } = (await answer.json()) as { reason?: string };
  return { status: answer.status, reason };
}

/** Waits until it holds; fails with what was seen last. */
export async function until<T>(
  look: () => Promise<T>,
  holds: (seen: T) => boolean,
  ms = WAIT_MS,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    assert.ok(performance.now() < end, `still ${JSON.stringify(seen).slice(-500)} after ${ms} ms`);
    await delay(POLL_MS);
  }
}

export const untilReady = (appliance: Appliance, ms?: number): Promise<Readiness> =>
  until(
    () => readiness(appliance),
    ({ status }) => status === 200,
    ms,
  );
export const untilUnready = (appliance: Appliance, reason: RegExp, ms?: number): Promise<Readiness> =>
  until(
    () => readiness(appliance),
    (seen) => seen.status === 503 && reason.test(seen.reason),
    ms,
  );

/** How often a line of the process log was written. */
export const said = (appliance: Appliance, text: string): number =>
  appliance
    .logs()
    .split('\n')
    .filter((line) => line.includes(text)).length;
export const NO_ENTRIES = 'the log takes no entries';
export const AGAIN = 'the log takes entries again';
