// A person checks services: reachable or not, credential accepted or not, and what the log says of it.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { type Appliance, freePort, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent } from '#test/support/canary.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const SECRET = 'checked-credential-51f0c2aa9e';
const AHEAD_MS = 3_600_000;
const SETTLED_MS = 10_000;
const POLL_MS = 20;
let upstream: Server;
let at: Appliance;
let seen: string[] = [];

const check = async (name: string): Promise<Json> =>
  (await askLocally(at, `/v1/services/${name}/verify`, { method: 'POST' })).body;

/** Newest first, once every intent has its outcome: the answer does not wait for the outcome's entry. */
async function entriesOf(name: string): Promise<readonly Json[]> {
  const end = performance.now() + SETTLED_MS;
  for (;;) {
    const { body } = await askLocally(at, '/v1/audit?limit=100');
    const entries = (body['entries'] as Json[]).filter(({ service }) => service === name);
    if (entries.length % 2 === 0 || performance.now() > end) return entries;
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

before(async () => {
  const [port, closed] = [await freePort(), await freePort()];
  upstream = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const good = request.headers.authorization === `Bearer ${SECRET}`;
    response.setHeader('content-type', 'application/json');
    if (request.url === '/slow-clock')
      response.setHeader('date', new Date(Date.now() + AHEAD_MS).toUTCString());
    response.statusCode = request.url === '/account' && !good ? 401 : request.url === '/broken' ? 500 : 200;
    response.end(
      JSON.stringify({ ok: good && request.url !== '/soft', echo: request.headers.authorization }),
    );
  });
  await new Promise<void>((done) => upstream.listen(port, '127.0.0.1', done));
  const service = (name: string, lines: readonly string[], target = port): string =>
    [
      `  ${name}:`,
      `    base_url: http://127.0.0.1:${target}`,
      '    network: loopback',
      ...lines.map((line) => `    ${line}`),
    ].join('\n');
  const good = ['inject: { bearer: "{secret}" }', 'secret: { env: GOOD }'];
  const services = [
    service('good', [...good, 'verify: GET /account']),
    service('wrong', ['inject: { bearer: "{secret}" }', 'secret: { env: WRONG }', 'verify: GET /account']),
    service('soft', [...good, 'verify: { call: "POST /soft", expect: { ok: true } }']),
    service('firm', [...good, 'verify: { call: "POST /firm", expect: { ok: true } }']),
    service('broken', [...good, 'verify: GET /broken']),
    service('ahead', [...good, 'verify: GET /slow-clock']),
    service('mute', good),
    service('open', ['title: Takes no credential']),
    service('bare', ['inject: { bearer: "{secret}" }', 'secret: { vault: bare }', 'verify: GET /account']),
    service('down', good, closed),
    '  lost:\n    base_url: https://nowhere.invalid',
    '  inner:\n    base_url: https://localhost',
    service('neither', ['inject: { bearer: "{secret}" }', 'secret: { env: NOT_THERE }'], closed),
  ];
  at = await startAppliance({
    services: services.join('\n'),
    agents: '  worker: { mode: standard }',
    env: { GOOD: SECRET, WRONG: 'another-credential-77aa' },
  });
});

after(async () => {
  await at?.dispose();
  upstream?.close();
});

describe('checking a service', () => {
  for (const [name, reachable, credential, words] of [
    ['good', true, 'accepted', ''],
    ['wrong', true, 'refused', '401'],
    ['soft', true, 'refused', 'ok'],
    ['firm', true, 'accepted', ''],
    ['broken', true, 'unknown', '500'],
    ['mute', true, 'unknown', 'verify'],
    ['open', true, 'none', ''],
    ['bare', true, 'missing', 'bare'],
    ['down', false, 'unknown', 'UPSTREAM_UNREACHABLE'],
    ['lost', false, 'unknown', 'resolve'],
    ['inner', false, 'unknown', 'ADDRESS_DENIED'],
    ['neither', false, 'missing', 'NOT_THERE is not set'],
  ] as const) {
    it(`says of ${name}: reachable ${reachable}, credential ${credential}`, async () => {
      const answer = await check(name);
      assert.equal(answer['reachable'], reachable, JSON.stringify(answer));
      assert.equal(answer['credential'], credential, JSON.stringify(answer));
      assert.ok(String(answer['reason'] ?? '').includes(words), JSON.stringify(answer));
    });
  }

  it('says how far the clock of the service is from ours', async () => {
    const skew = Number((await check('ahead'))['clock_skew_seconds']);
    assert.ok(Math.abs(skew - AHEAD_MS / 1000) <= 30, String(skew));
  });

  it('makes the harmless call and no other, on the line of every call', async () => {
    seen = [];
    await check('good');
    assert.deepEqual(seen, ['GET /account']);
    const entries = await entriesOf('good');
    assert.deepEqual(
      entries
        .slice(0, 2)
        .map(({ outcome, service_action, actor }) => [outcome, service_action, actor])
        .sort(),
      [
        ['pending', 'good:connection:verify', { kind: 'person', id: 'local' }],
        ['success', 'good:connection:verify', { kind: 'person', id: 'local' }],
      ],
    );
    assertAbsent(
      { audit: JSON.stringify(entries), logs: at.logs(), verdict: JSON.stringify(await check('good')) },
      SECRET,
    );
  });

  it('is for persons alone, and knows no other service', async () => {
    assert.equal((await ask(at, '/v1/services/good/verify', { method: 'POST' })).status, 403);
    assert.equal((await askLocally(at, '/v1/services/none/verify', { method: 'POST' })).status, 404);
  });
});
