// Every form in which a credential is put in: the service sees it in its place, the caller in none of its forms.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent, searchFiles } from '#test/support/canary.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

/** Characters that change under base64 and percent-encoding, and none that a cookie may not carry. */
const SECRET = 'canary+5e1f/9a70=b3c4d2';
let upstream: Server;
let appliance: Appliance;
let seen: { url: string; headers: Record<string, unknown> } = { url: '', headers: {} };
const told: Record<string, string> = {};

const FORMS = {
  bearer: '{ bearer: "{secret}" }',
  basic: '{ basic: "clerk:{secret}" }',
  header: '{ header: X-Key, value: "k={secret}" }',
  query: '{ query: api_key, value: "{secret}" }',
  cookie: '{ cookie: session, value: "{secret}" }',
};

const serviceOf = (name: string, inject: string, port: number): string => `
  ${name}:
    base_url: http://127.0.0.1:${port}/v1
    network: loopback
    inject: ${inject}
    secret: { env: KEY }
    headers: { fixed: { accept: application/json, x-version: "2" } }
    actions: { "${name}:all:read": [ "GET /**" ] }`;

before(async () => {
  upstream = createServer((request, response) => {
    seen = { url: request.url ?? '', headers: request.headers };
    // Everything that came goes back: in the body, in a header, and in a redirect.
    response.setHeader('x-saw', JSON.stringify([request.url, request.rawHeaders]));
    if (request.url?.includes('/moved')) response.writeHead(302, { location: `${request.url}` });
    response.end(JSON.stringify([request.url, request.rawHeaders]));
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: Object.entries(FORMS)
      .map(([name, inject]) => serviceOf(name, inject, port))
      .join(''),
    agents: `\n  clerk: { services: { ${Object.keys(FORMS)
      .map((name) => `${name}: [ "${name}:*" ]`)
      .join(', ')} } }`,
    env: { KEY: SECRET },
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

async function call(service: string, given: Json = {}) {
  const body = { service, method: 'GET', path: '/echo', ...given };
  const answer = await ask(appliance, '/v1/proxy', { headers: { 'x-stack-agent': 'clerk' }, body });
  told[`${service} ${JSON.stringify(given)}`] = answer.text;
  return answer;
}

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;

describe('a credential is put in', () => {
  const places: Readonly<Record<string, () => void>> = {
    bearer: () => assert.equal(seen.headers['authorization'], `Bearer ${SECRET}`),
    basic: () => assert.equal(seen.headers['authorization'], basic(`clerk:${SECRET}`)),
    header: () => assert.equal(seen.headers['x-key'], `k=${SECRET}`),
    query: () => assert.equal(seen.url, `/v1/echo?a=1&api_key=${encodeURIComponent(SECRET)}`),
    cookie: () => assert.equal(seen.headers['cookie'], `session=${SECRET}`),
  };
  for (const [form, inItsPlace] of Object.entries(places))
    it(`by ${form}`, async () => {
      const answer = await call(form, { query: { a: '1' } });
      assert.equal(answer.status, 200, answer.text);
      inItsPlace();
      assert.ok(answer.text.includes('[redacted:'), answer.text);
    });

  it('by query where the call has none', async () => {
    await call('query');
    assert.equal(seen.url, `/v1/echo?api_key=${encodeURIComponent(SECRET)}`);
  });

  it('and comes back in no redirect', async () => {
    for (const form of Object.keys(FORMS))
      assert.equal((await call(form, { path: '/moved' })).body['status'], 302);
  });
});

describe('a caller cannot name the place of the credential', () => {
  for (const [form, given] of Object.entries({
    basic: { headers: { authorization: 'Basic eDp5' } },
    cookie: { headers: { cookie: 'session=mine' } },
    header: { headers: { 'x-key': 'mine' } },
    query: { query: { API_KEY: 'mine' } },
  }))
    it(form, async () => assert.equal((await call(form, given)).status, 403));
});

describe('fixed headers', () => {
  it('are sent in place of what the caller gives', async () => {
    assert.equal((await call('bearer', { headers: { accept: 'text/html' } })).status, 200);
    assert.equal(seen.headers['accept'], 'application/json');
    assert.equal(seen.headers['x-version'], '2');
  });
});

describe('the credential', () => {
  it('stands in no answer, log, database or WAL, whatever its form', async () => {
    const log = await askLocally(appliance, '/v1/audit?limit=100');
    const texts = { ...told, log: log.text, process: appliance.logs() };
    assertAbsent(texts, SECRET);
    assertAbsent(texts, `clerk:${SECRET}`);
    assert.deepEqual((await searchFiles(appliance.dir, SECRET)).found, []);
  });
});
