// Races of the corpus on the call path: what runs beside calls (revocation, rotation, reload, a stop, a second process)
// takes effect as a whole and at once, and costs no call that it is not about. The corpus' counts are scaled to CI.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Appliance, stack, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent } from '#test/support/canary.ts';
import { many } from '#test/support/many.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const PASSPORTS = 100;
const ROTATIONS = 12;
const WRITERS = 200;
const OPEN_CALLS = 500;
const HELD_MS = 1_200;
const SHUTDOWN_MS = 12_000;

let appliance: Appliance;
let upstream: Server;
/** What the service saw: path and credential. */
const seen: (readonly [path: string, credential: string])[] = [];

const services = (port: number) => `
  plain:
    base_url: http://127.0.0.1:${port}
    network: loopback
    actions: { "plain:all:read": [ "GET /**" ] }
  kept:
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: kept }
    actions: { "kept:all:read": [ "GET /**" ] }`;
const writers = Array.from({ length: WRITERS }, (_, nth) => `writer-${nth}`);

before(async () => {
  upstream = createServer((request, response) => {
    const path = request.url ?? '';
    const credential = request.headers.authorization ?? '';
    seen.push([path, credential]);
    const answer = (): unknown => response.end(JSON.stringify({ path, credential }));
    response.setHeader('content-type', 'application/json');
    if (path.startsWith('/never/')) return;
    if (path.startsWith('/held/')) setTimeout(answer, HELD_MS);
    else answer();
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: services(port),
    agents: ['clerk', ...writers]
      .map((name) => `  ${name}: { services: { plain: [ "plain:*" ], kept: [ "kept:*" ] } }`)
      .join('\n'),
  });
  await setSecret('first-value-of-the-secret-0000');
});

after(async () => {
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

async function setSecret(value: string): Promise<void> {
  const set = await askLocally(appliance, '/v1/secrets/kept', { method: 'PUT', body: { value } });
  assert.equal(set.status, 200, set.text);
}

const call = (path: string, headers: Readonly<Record<string, string>>, service = 'plain') =>
  ask(appliance, '/v1/proxy', { headers, body: { service, method: 'GET', path } });
const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Runs `work` over and over beside `act`, and waits for both. */
async function beside(
  atOnce: number,
  work: (nth: number) => Promise<void>,
  act: () => Promise<void>,
): Promise<void> {
  let going = true;
  let nth = 0;
  const loop = async (): Promise<void> => {
    while (going) await work(nth++);
  };
  const loops = Array.from({ length: atOnce }, loop);
  try {
    await act();
  } finally {
    going = false;
    await Promise.all(loops);
  }
}

async function wholeLog(): Promise<Json[]> {
  const all: Json[] = [];
  for (let cursor: unknown; cursor !== null; ) {
    const from = cursor === undefined ? '' : `&cursor=${String(cursor)}`;
    const { body } = await askLocally(appliance, `/v1/audit?limit=100${from}`);
    all.push(...(body['entries'] as Json[]));
    cursor = body['next_cursor'] ?? null;
  }
  return all.reverse();
}

async function assertWhole(): Promise<Json[]> {
  const log = await wholeLog();
  for (const [at, entry] of log.entries()) assert.equal(entry['seq'], at + 1, 'a hole or a double');
  const chain = await askLocally(appliance, '/v1/audit/verify-chain');
  assert.equal(chain.body['valid'], true, chain.text);
  return log;
}

describe('revocation', () => {
  it('corpus R017: under load, no call that began after the acknowledgement gets through', async () => {
    const passports = new Map<string, string>();
    await many(PASSPORTS, 16, async () => {
      const intent = { summary: 'race', services: ['plain'] };
      const { body } = await ask(appliance, '/v1/passports/issue', { body: { agent: 'clerk', intent } });
      passports.set(String(body['jti']), String(body['token']));
    });
    const revoked = new Set<string>();
    const list = [...passports];
    const late: string[] = [];
    let served = 0;
    const one = async (nth: number): Promise<void> => {
      const [jti = '', token = ''] = list[nth % list.length] ?? [];
      const over = revoked.has(jti);
      const path = `/revoked/${nth}`;
      const { status, text } = await call(path, { authorization: `Bearer ${token}` });
      if (status === 200) served += 1;
      else assert.match(text, /PASSPORT_REVOKED/);
      if (over && (status === 200 || seen.some(([seenPath]) => seenPath === path))) late.push(path);
    };
    await beside(12, one, () =>
      many(PASSPORTS, 4, async (nth) => {
        const [jti = ''] = list[nth] ?? [];
        const answer = await ask(appliance, `/v1/passports/${jti}/revoke`, { body: {} });
        assert.equal(answer.status, 200, answer.text);
        revoked.add(jti);
      }),
    );
    assert.deepEqual(late, []);
    assert.ok(served > 0);
    for (const [, token] of list.slice(0, 5))
      assert.equal((await call('/revoked/after', { authorization: `Bearer ${token}` })).status, 401);
  });
});

describe('rotation of a secret', () => {
  it('corpus R018: each call uses the old or the new value whole, none fails, none shows either', async () => {
    const values = ['first-value-of-the-secret-0000'];
    let acknowledged = 0;
    const texts: string[] = [];
    const one = async (nth: number): Promise<void> => {
      const least = acknowledged;
      const path = `/rotated/${nth}`;
      const { status, text } = await call(path, { 'x-stack-agent': 'clerk' }, 'kept');
      assert.equal(status, 200, text);
      const used = seen.find(([seenPath]) => seenPath === path)?.[1] ?? '';
      const version = values.findIndex((value) => used === `Bearer ${value}`);
      assert.ok(version >= least, `version ${version} after ${least} had been acknowledged`);
      texts.push(text);
    };
    await beside(12, one, async () => {
      for (let turn = 1; turn <= ROTATIONS; turn += 1) {
        values.push(`value-${turn}-of-the-secret-${crypto.randomUUID()}`);
        await setSecret(values.at(-1) ?? '');
        acknowledged = turn;
        await wait(20);
      }
    });
    assert.ok(texts.length > ROTATIONS);
    for (const value of values) assertAbsent({ answers: texts.join('\n'), logs: appliance.logs() }, value);
  });
});

describe('a secret that is set twice, or deleted, under one call', () => {
  for (const [what, act] of [
    [
      'set-twice',
      () =>
        setSecret(`next-value-${crypto.randomUUID()}`).then(() => setSecret(`last-${crypto.randomUUID()}`)),
    ],
    ['deleted', () => askLocally(appliance, '/v1/secrets/kept', { method: 'DELETE' }).then(() => undefined)],
  ] as const) {
    it(`${what}: the call shows nothing of the value it was sent with`, async () => {
      const value = `value-before-it-is-${what}-${crypto.randomUUID()}`;
      await setSecret(value);
      const path = `/held/${what}`;
      const under = call(path, { 'x-stack-agent': 'clerk' }, 'kept');
      while (!seen.some(([seenPath]) => seenPath === path)) await wait(10);
      await act();
      const answer = await under;
      assert.equal(answer.status, 200, answer.text);
      assert.equal(seen.find(([seenPath]) => seenPath === path)?.[1], `Bearer ${value}`);
      assertAbsent({ answer: answer.text }, value);
      assert.match(answer.text, /\[redacted:kept\]/);
      await setSecret(`again-${crypto.randomUUID()}`);
    });
  }
});

describe('the log', () => {
  it('corpus R024: many agents write at once while it is verified, and it has no hole and no double', async () => {
    let verified = 0;
    let writing = true;
    const verifying = async (): Promise<void> => {
      while (writing) {
        const chain = await askLocally(appliance, '/v1/audit/verify-chain');
        assert.equal(chain.body['valid'], true, chain.text);
        verified += 1;
      }
    };
    const verifier = verifying();
    await many(WRITERS, 48, async (nth) => {
      const { status, text } = await call(`/written/${nth}`, { 'x-stack-agent': writers[nth] ?? '' });
      assert.equal(status, 200, text);
    });
    writing = false;
    await verifier;
    assert.ok(verified > 0);
    const log = await assertWhole();
    const written = log.filter(({ path }) => String(path).startsWith('/written/'));
    assert.equal(new Set(written.map(({ agent_id: id }) => id)).size, WRITERS);
    assert.equal(written.length, WRITERS * 2, 'an intent and an outcome for each');
  });
});

describe('a service that a reload changes or takes away under a call', () => {
  for (const [what, status, change] of [
    [
      'narrowed: the call ends as it began, its value is scrubbed still',
      200,
      (text: string) => text.replace('"kept:all:read": [ "GET /**" ]', '"kept:all:read": [ "GET /none" ]'),
    ],
    [
      'taken away: the call is cut, its value is nowhere',
      401,
      (text: string) => text.replace(/ {2}kept:\n(?: {4}.*\n)*/, '').replaceAll(/, kept: \[[^\]]*\]/g, ''),
    ],
  ] as const) {
    it(`${what}, and the next one is refused`, async () => {
      const value = `value-while-${status}-${crypto.randomUUID()}`;
      await setSecret(value);
      const text = await readFile(appliance.configFile, 'utf8');
      const path = `/held/while-${status}`;
      const under = call(path, { 'x-stack-agent': 'clerk' }, 'kept');
      while (!seen.some(([seenPath]) => seenPath === path)) await wait(10);
      assert.notEqual(change(text), text);
      await writeFile(appliance.configFile, change(text));
      const read = await askLocally(appliance, '/v1/config/reload', { body: {} });
      assert.equal(read.status, 200, read.text);
      const next = await call('/rotated/next', { 'x-stack-agent': 'clerk' }, 'kept');
      assert.equal(next.status, 403, next.text);
      const answer = await under;
      assert.equal(answer.status, status, answer.text);
      assertAbsent({ answer: answer.text }, value);
      assert.match(answer.text, status === 200 ? /Bearer \[redacted:kept\]/ : /PASSPORT_REVOKED/);
      await writeFile(appliance.configFile, text);
      assert.equal((await askLocally(appliance, '/v1/config/reload', { body: {} })).status, 200);
      // A passport that was made while the service was away does not widen (contract 2).
      const back = await call('/rotated/back', { 'x-stack-agent': 'clerk' }, 'kept');
      assert.equal(back.status, status === 200 ? 200 : 403);
    });
  }
});

describe('a second process', () => {
  it('corpus R025: of two started at once on one folder one serves, the other says why and touches nothing', async () => {
    await appliance.stop();
    const args = ['serve', '--config', appliance.configFile];
    // The second one would go on serving where it is the first: the time ends it then.
    const [one, other] = await Promise.allSettled([
      appliance.restart(),
      stack(appliance, args, { timeoutMs: 10_000 }),
    ]);
    assert.ok(other.status === 'fulfilled');
    const { code, stdout, stderr } = other.value;
    if (one.status === 'fulfilled') {
      assert.deepEqual([code, stdout.includes('"listening"')], [3, false], stderr);
      assert.match(stderr, /another/i);
    } else {
      assert.match(String(one.reason), /ended with 3 [\s\S]*another/);
      assert.ok(stdout.includes('"listening"'));
      await appliance.restart();
    }
    await assertWhole();
  });
});

describe('a reload beside a restart', () => {
  it('corpus R023: whatever comes first, one whole version of the config is in force', async () => {
    const text = await readFile(appliance.configFile, 'utf8');
    for (let turn = 0; turn < 2; turn += 1) {
      const names = [`left-${turn}`, `right-${turn}`];
      const more = names.map((name) => `  ${name}: { services: { plain: [ "plain:*" ] } }\n`).join('');
      await writeFile(appliance.configFile, text.replace('agents:\n', `agents:\n${more}`));
      appliance.signal('SIGHUP');
      if (turn % 2 === 0) await appliance.restart();
      else {
        await wait(5);
        await appliance.kill9();
        await appliance.restart();
      }
      const found = await Promise.all(names.map((name) => askLocally(appliance, `/v1/agents/${name}`)));
      assert.deepEqual(
        found.map(({ status }) => status),
        [200, 200],
      );
    }
    await writeFile(appliance.configFile, text);
    await appliance.restart();
    await assertWhole();
  });
});

describe('a stop', () => {
  it('corpus R027: with 500 calls open, each ends or is cut and recorded, in time, and the log is whole', async () => {
    const counts = { answered: 0, refused: 0, cut: 0 };
    const open = Array.from({ length: OPEN_CALLS }, async (_, nth) => {
      const path = nth % 2 === 0 ? `/held/stop-${nth}` : `/never/stop-${nth}`;
      try {
        const { status } = await call(path, { 'x-stack-agent': writers[nth % 100] ?? '' });
        counts[status === 200 ? 'answered' : 'refused'] += 1;
      } catch {
        counts.cut += 1;
      }
    });
    while (seen.filter(([path]) => path.includes('/stop-')).length < 100) await wait(20);
    const began = performance.now();
    const exit = await appliance.stop();
    assert.ok(performance.now() - began < SHUTDOWN_MS);
    assert.deepEqual([exit.code, exit.signal], [0, null], exit.stderr.slice(-500));
    await Promise.all(open);
    assert.equal(counts.answered + counts.refused + counts.cut, OPEN_CALLS);
    assert.ok(counts.answered > 0 && counts.cut + counts.refused > 0, JSON.stringify(counts));
    await appliance.restart();
    const log = await assertWhole();
    const stopped = log.filter(({ path }) => String(path).includes('/stop-'));
    const settled = new Map(stopped.map((entry) => [entry['refers_to'], entry]));
    for (const intent of stopped.filter(({ outcome }) => outcome === 'pending')) {
      const end = settled.get(intent['entry_id']);
      assert.ok(end !== undefined, `no outcome for ${String(intent['path'])}`);
      const sent = seen.some(([path]) => path === intent['path']);
      if (String(intent['path']).startsWith('/never/') && sent) assert.equal(end['outcome'], 'unknown');
      if (!sent) assert.notEqual(end['outcome'], 'success');
    }
  });
});
