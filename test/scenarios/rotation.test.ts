// Rotation of the keyring under load with kill -9 in each phase: no call fails because of it, what a killed one has begun
// the next start ends, every secret opens afterwards, and no row is left under an old key.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, describe, it, type TestContext } from 'node:test';
import { look } from '#test/platform/storage/throwaway.ts';
import { type Appliance, freePort, startAppliance } from '#test/support/appliance.ts';
import { searchFiles } from '#test/support/canary.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const SERVICES = 110;
const CLIENTS = 4;
const DONE_MS = 30_000;
const names = Array.from({ length: SERVICES }, (_, at) => `s${at}`);
const secretOf = (name: string): string => `canary-rotated-secret-of-${name}`;

let upstream: Server;
let appliance: Appliance;
const wrongCredentials: string[] = [];

before(async () => {
  upstream = createServer((request, response) => {
    const [, name = ''] = (request.url ?? '').split('/');
    if (request.headers.authorization !== `Bearer ${secretOf(name)}`) wrongCredentials.push(name);
    response.end('{}');
  });
  const port = await freePort();
  await new Promise<void>((done) => upstream.listen(port, '127.0.0.1', done));
  const service = (name: string) => `
  ${name}:
    base_url: http://127.0.0.1:${port}/${name}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: ${name} }
    actions: { "${name}:things:read": [ "GET /**" ] }`;
  const grants = names.map((name) => `${name}: [ "${name}:things:read" ]`).join(', ');
  appliance = await startAppliance({
    services: names.map(service).join(''),
    agents: `\n  worker: { services: { ${grants} } }`,
  });
  for (const name of names) {
    const set = await askLocally(appliance, `/v1/secrets/${name}`, {
      method: 'PUT',
      body: { value: secretOf(name) },
    });
    assert.equal(set.status, 200, set.text);
  }
});

after(async () => {
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

const call = (service: string) =>
  ask(appliance, '/v1/proxy', {
    headers: { 'x-stack-agent': 'worker' },
    body: { service, method: 'GET', path: '/x' },
  });
const rotate = () => askLocally(appliance, '/v1/vault/rotate', { body: {} });
const vault = async (): Promise<Json> => (await askLocally(appliance, '/v1/vault')).body;

/** Calls without a pause until they are told to stop; what fails before that is a surprise. */
function load() {
  const surprises: string[] = [];
  let [going, calls] = [true, 0];
  const client = async (first: number): Promise<void> => {
    for (let at = first; going; at += 7) {
      try {
        const answer = await call(names[at % SERVICES] ?? '');
        if (answer.body['status'] === 200) calls += 1;
        else surprises.push(answer.text);
      } catch (error) {
        if (going) surprises.push(String(error));
      }
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, at) => client(at));
  return {
    surprises,
    calls: () => calls,
    /** Before a kill: requests that break from here on are cut by it. */
    stopping: () => {
      going = false;
    },
    ended: () => Promise.all(clients),
  };
}

async function until(reached: (status: Json) => boolean): Promise<Json> {
  const end = performance.now() + DONE_MS;
  for (;;) {
    const status = await vault();
    if (reached(status)) return status;
    assert.ok(performance.now() < end, JSON.stringify(status));
  }
}
const settled = () => until(({ rotating }) => rotating === false);

/** By the file itself: what is under which key. */
const rings = () =>
  look(`${appliance.dataDir}/stack.db`, (db) => ({
    live: db.prepare('SELECT id FROM keyring WHERE retired_at IS NULL').pluck().all() as string[],
    used: db
      .prepare('SELECT ring_key FROM secrets UNION SELECT ring_key FROM signing_keys')
      .pluck()
      .all() as string[],
  }));

async function allOpen(): Promise<void> {
  for (const name of names) {
    const answer = await call(name);
    assert.equal(answer.body['status'], 200, `${name}: ${answer.text}`);
  }
  const { live, used } = rings();
  assert.equal(live.length, 1);
  assert.deepEqual(used, live, 'a row is left under an old key');
  assert.deepEqual(wrongCredentials, []);
  const chain = await askLocally(appliance, '/v1/audit/verify-chain');
  assert.equal(chain.body['valid'], true, chain.text);
}

/** Each brings the rotation to its moment and answers what it saw there. */
const PHASES: Readonly<Record<string, () => Promise<unknown>>> = {
  'before its answer': async () => {
    rotate().catch(() => undefined);
  },
  'after the new key is there': rotate,
  'while rows are being moved': async () => {
    assert.equal((await rotate()).status, 202);
    const left = SERVICES + 1;
    return (await until((status) => Number(status['rows_left']) < left))['rows_left'];
  },
  'when no row is left': async () => {
    assert.equal((await rotate()).status, 202);
    return await until((status) => status['rows_left'] === 0);
  },
  'after the old key was retired': async () => {
    assert.equal((await rotate()).status, 202);
    return await settled();
  },
};

describe('rotation of the keyring under load', () => {
  it('lets every call through, while secrets are set and deleted', async (t: TestContext) => {
    const before = rings().live;
    const going = load();
    assert.equal((await rotate()).status, 202);
    for (const name of ['s3', 's77', 's105']) {
      const set = await askLocally(appliance, `/v1/secrets/${name}`, {
        method: 'PUT',
        body: { value: secretOf(name) },
      });
      assert.ok([200, 409].includes(set.status), set.text);
    }
    const status = await settled();
    going.stopping();
    await going.ended();
    assert.deepEqual(going.surprises, []);
    assert.ok(going.calls() > 0);
    t.diagnostic(`${going.calls()} calls during the rotation`);
    assert.notDeepEqual(rings().live, before);
    const [current, old] = status['ring_keys'] as Json[];
    assert.deepEqual([current?.['state'], old?.['state'], old?.['rows']], ['current', 'retired', 0]);
    await allOpen();
  });

  for (const [phase, reach] of Object.entries(PHASES)) {
    it(`is ended by the next start when it is killed ${phase}`, async (t: TestContext) => {
      const going = load();
      const seen = await reach();
      going.stopping();
      await appliance.kill9();
      await going.ended();
      assert.deepEqual(going.surprises, []);
      t.diagnostic(
        `killed with ${JSON.stringify(rings().used.length)} keys in use; saw ${JSON.stringify(seen)?.slice(0, 60)}`,
      );
      await appliance.restart();
      await settled();
      await allOpen();
    });
  }

  it('keeps passports of the signing key before, also after a kill, and lists both keys', async () => {
    const issue = async (): Promise<unknown> =>
      (
        await ask(appliance, '/v1/passports/issue', {
          body: { agent: 'worker', intent: { summary: 'over a rotation', services: ['s1'] } },
        })
      ).body['token'];
    const valid = async (token: unknown): Promise<unknown> =>
      (await ask(appliance, '/v1/passports/verify', { body: { token } })).body['valid'];
    const before = await issue();
    const rotated = await askLocally(appliance, '/v1/vault/rotate-signing-key', { body: {} });
    assert.equal(rotated.status, 200, rotated.text);
    const after = await issue();
    const kidOf = (token: unknown): unknown =>
      (JSON.parse(Buffer.from(String(token).split('.')[0] ?? '', 'base64url').toString()) as Json)['kid'];
    assert.deepEqual([kidOf(after), kidOf(before)], [rotated.body['kid'], rotated.body['replaced']]);
    await appliance.kill9();
    await appliance.restart();
    assert.deepEqual([await valid(before), await valid(after)], [true, true]);
    const jwks = (await ask(appliance, '/v1/.well-known/jwks.json')).body['keys'] as Json[];
    // The others sign the status list and receipts, and no passport.
    assert.deepEqual(
      jwks.slice(0, 2).map(({ kid }) => kid),
      [kidOf(after), kidOf(before)],
    );
    assert.equal(jwks.length, 4, 'the others are of the status list and of receipts');
  });

  it('says what it did in the log, and shows no secret anywhere', async () => {
    const page = await askLocally(appliance, '/v1/audit?limit=100');
    assert.equal(page.status, 200);
    const actions = look(`${appliance.dataDir}/stack.db`, (db) =>
      db
        .prepare(
          "SELECT action, count(*) AS times FROM audit_entries WHERE action LIKE 'vault.%' GROUP BY action",
        )
        .all(),
    ) as { action: string; times: number }[];
    const times = new Map(actions.map(({ action, times: count }) => [action, count]));
    assert.equal(times.get('vault.retire'), times.get('vault.rotate'));
    assert.ok((times.get('vault.rewrap') ?? 0) > (times.get('vault.rotate') ?? 0));
    const status = await askLocally(appliance, '/v1/vault');
    for (const name of ['s0', 's77']) {
      assert.deepEqual((await searchFiles(appliance.dir, secretOf(name))).found, []);
      assert.ok(!(appliance.logs() + page.text + status.text).includes(secretOf(name)));
    }
  });
});
