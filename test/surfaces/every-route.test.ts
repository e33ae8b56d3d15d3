// Invariant 12 over every route the running appliance has mounted, read from its own router: without a live credential
// each answers 401 before it looks at method, body or anything else, and nothing changes. What is public is written here.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import express from 'express';
import { scanEntries } from '#features/audit/store.ts';
import { systemHost } from '#platform/host/host.ts';
import { createLog } from '#platform/log/log.ts';
import { look } from '#test/platform/storage/throwaway.ts';
import { freePort, type Installation, installation } from '#test/support/appliance.ts';
import { assetsOfTest } from '#test/support/assets.ts';
import { type Appliance, openAppliance } from '../../src/appliance.ts';
import { loadConfig } from '../../src/config.ts';

/** All that anyone may reach. A route that joins this list is a decision, not an accident. */
const PUBLIC = [
  'GET /healthz',
  'GET /readyz',
  'GET /openapi.json',
  'GET /reference',
  'POST /v1/passports/verify',
  'GET /v1/.well-known/jwks.json',
  // Its challenge is its credential.
  'POST /v1/agents/:id/enroll',
  'GET /v1/passports/status-list',
] as const;
/** Answered before the operations line is asked; under another method there is nothing there. */
const PLAIN = ['/healthz', '/readyz', '/openapi.json', '/reference', '/v1/passports/status-list'];
/** In the reference, but not part of this build. */
const ABSENT = ['/metrics'];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** `/mcp` and the refusal of wrong methods take every one. */
const ANY = 'ANY';
const BARE_KEY = 'a key without its scheme';
/** Beside the router (surfaces/http/app.ts), so it cannot be read from there. */
const PATH_FORM = { method: ANY, path: '/proxy/ledger/calls' };
const TWO_HOURS_MS = 7_200_000;

type Layer = {
  readonly slash: boolean;
  readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> };
};
type Router = { readonly router: { readonly stack: readonly Layer[] } };
type Route = { readonly method: string; readonly path: string };

const routers: Router[] = [];
let at: Installation;
let appliance: Appliance;
let upstream: Server;
let key = '';
let skewMs = 0;
let reached = 0;

/** Every router that is made from here on. */
function watchRouters(): void {
  const application = express.application as unknown as { init: (this: Router) => void };
  const { init } = application;
  application.init = function watched(this: Router) {
    routers.push(this);
    init.call(this);
  };
}

const layers = (): readonly Layer[] => routers.flatMap(({ router }) => router.stack);

function routes(): readonly Route[] {
  const all = layers().flatMap(({ route }) => {
    if (route === undefined) return [];
    const methods = Object.keys(route.methods);
    // `app.all` names every method there is.
    const named = methods.length > METHODS.length ? [ANY] : methods.map((method) => method.toUpperCase());
    return named.map((method) => ({ method, path: route.path }));
  });
  return [...new Map([...all, PATH_FORM].map((route) => [`${route.method} ${route.path}`, route])).values()];
}

const paths = (): readonly string[] => [...new Set(routes().map(({ path }) => path))];
const isPublic = (method: string, path: string): boolean =>
  PUBLIC.some((name) => name === `${method === 'HEAD' ? 'GET' : method} ${path}`);

type Headers = Readonly<Record<string, string>>;

async function send(method: string, path: string, headers: Headers = {}) {
  const url = `${at.url}${path.replaceAll(/:[a-z_]+/g, 'worker')}`;
  const bodiless = method === 'GET' || method === 'HEAD';
  // A body that no route takes: whoever looks at it before the credential betrays itself by 400 or 415.
  const body = bodiless ? {} : { body: '{"not json', headers: { 'content-type': 'text/plain', ...headers } };
  return fetch(url, { method, headers, ...body });
}

async function judge(route: Route, headers: Headers, what: string): Promise<string[]> {
  const response = await send(route.method, route.path, headers);
  const text = await response.text();
  const wrong: string[] = [];
  if (response.status !== 401) wrong.push(`${response.status} ${text.slice(0, 100)}`);
  if (!/^Bearer /.test(response.headers.get('www-authenticate') ?? '')) wrong.push('no WWW-Authenticate');
  if (route.method !== 'HEAD' && !text.includes('"next":"')) wrong.push('no next step');
  return wrong.map((one) => `${route.method} ${route.path} with ${what}: ${one}`);
}

/** Routes that need a credential, each under its own method and one that it does not take. */
function closed(): readonly Route[] {
  const own = routes().filter(({ method, path }) => method !== ANY && !isPublic(method, path));
  const any = ['/mcp', PATH_FORM.path].flatMap((path) =>
    ['GET', 'POST', 'DELETE'].map((method) => ({ method, path })),
  );
  const odd = paths()
    .filter((path) => !PLAIN.includes(path))
    .map((path) => ({ method: 'PUT', path }));
  return [...own, ...any, ...odd];
}

/** Everything stored but the log. */
const state = (): unknown =>
  look(`${at.dataDir}/stack.db`, (db) => {
    const names = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[];
    return names
      .filter((name) => !name.startsWith('audit_'))
      .map((name) => [name, db.prepare(`SELECT * FROM ${name}`).all()]);
  });
const log = () => look(`${at.dataDir}/stack.db`, (db) => [...scanEntries(db)]);

before(async () => {
  upstream = createServer((_request, response) => {
    reached += 1;
    response.end('{}');
  });
  const port = await freePort();
  await new Promise<void>((done) => upstream.listen(port, '127.0.0.1', done));
  at = await installation({
    services: `
  ledger:
    title: Ledger
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: LEDGER_TOKEN }
    actions: { "ledger:calls:read": [ "GET /**" ] }`,
    agents: `
  worker:
    mode: standard
    services: { ledger: [ "ledger:calls:read" ] }`,
  });
  mkdirSync(at.dataDir, { mode: 0o700 });
  const environment = (name: string) => (name === 'LEDGER_TOKEN' ? 'lg-credential-of-the-ledger' : undefined);
  const read = loadConfig(at.configFile, environment);
  assert.ok('config' in read, JSON.stringify(read));
  watchRouters();
  const host = { ...systemHost(), nowMs: () => Date.now() + skewMs };
  const machine = { host, log: createLog({ write: () => undefined }), assets: assetsOfTest(), environment };
  const readConfig = (): typeof read => read;
  appliance = await openAppliance(read.config, { ...machine, readConfig, version: '0.0.0' });
  key = (await appliance.firstKey(false)) ?? '';
  await appliance.listen();
});

after(async () => {
  await appliance?.close(0);
  upstream?.close();
  if (at !== undefined) await rm(at.dir, { recursive: true, force: true });
});

async function issued(): Promise<string> {
  const response = await fetch(`${at.url}/v1/passports/issue`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ agent: 'worker', ttl_seconds: 60 }),
  });
  const body = (await response.json()) as { token?: string };
  assert.ok(response.status === 201 && body.token !== undefined, JSON.stringify(body));
  return body.token;
}

describe('every route', () => {
  it('is seen by this test: no part of the router hides behind a path of its own', () => {
    const mounted = layers().filter(({ route, slash }) => route === undefined && !slash);
    assert.deepEqual(mounted, [], 'a mounted router: walk it here, too');
    const seen = routes().map(({ method, path }) => `${method} ${path}`);
    for (const name of [...PUBLIC, 'POST /v1/proxy', 'POST /v1/agents/register', `${ANY} /mcp`])
      assert.ok(seen.includes(name), `${name} is not among\n${seen.join('\n')}`);
  });

  it('invariant 12: answers 401 under every method without a credential, and only what is public answers', async () => {
    const [entries, before] = [log().length, state()];
    const wrong: string[] = [];
    for (const path of paths()) {
      for (const method of METHODS) {
        if (isPublic(method, path)) continue;
        if (!PLAIN.includes(path)) wrong.push(...(await judge({ method, path }, {}, 'no credential')));
        else assert.equal((await send(method, path)).status, 404, `${method} ${path}`);
      }
    }
    assert.deepEqual(wrong, []);
    assert.deepEqual(state(), before);
    assertOnlyRefusals(entries);
  });

  it('invariant 12: answers 401 to every credential that is malformed, unknown, altered or over', async () => {
    const token = await issued();
    const [head = '', payload = '', signature = ''] = token.split('.');
    const altered = `${head}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
    const [entries, before] = [log().length, state()];
    skewMs = TWO_HOURS_MS;
    const bearers: Headers = {
      'another scheme': 'Basic d29ya2VyOnBhc3M=',
      'no token': 'Bearer',
      'two tokens': `Bearer ${key} ${key}`,
      [BARE_KEY]: key,
      'a key that is no key': 'Bearer sk_live_garbled',
      'an unknown key': `Bearer sk_live_${'0'.repeat(64)}`,
      'a garbled passport': 'Bearer eyJhbGciOiJFZERTQSJ9.e30.AAAA',
      'an altered passport': `Bearer ${altered}`,
      'an unsigned passport': `Bearer ${unsigned}`,
      'an expired passport': `Bearer ${token}`,
    };
    const headers: [string, Headers][] = [
      ...Object.entries(bearers).map(([what, authorization]): [string, Headers] => [what, { authorization }]),
      ['an expired passport of its own', { 'x-passport-token': token }],
      ['a live key and an expired passport', { authorization: `Bearer ${key}`, 'x-passport-token': token }],
      ['a live key and a garbled passport', { authorization: `Bearer ${key}`, 'x-passport-token': 'x.y.z' }],
      ['the name of an agent', { 'x-stack-agent': 'worker' }],
      ['a cookie', { cookie: `stack=${key}; authorization=${key}` }],
    ];
    const wrong: string[] = [];
    for (const [what, given] of headers) {
      // Some services want a key without a scheme, and so their SDKs send ours: there it is a credential.
      const judged = closed().filter(({ path }) => path !== PATH_FORM.path || what !== BARE_KEY);
      for (const route of judged) wrong.push(...(await judge(route, given, what)));
    }
    assert.deepEqual(wrong, []);
    assert.deepEqual(state(), before);
    assertOnlyRefusals(entries);
    assert.equal(reached, 0, 'something reached the upstream');
  });

  it('invariant 12: answers 401 to a live key that stands in the URL', async () => {
    for (const route of closed()) {
      const response = await send(route.method, `${route.path}?access_token=${key}`);
      assert.equal(response.status, 401, `${route.method} ${route.path}`);
    }
  });

  it('stands in the OpenAPI document, and the document has no route that is not there', async () => {
    const { paths: documented } = (await (await send('GET', '/openapi.json')).json()) as { paths: object };
    const mounted = paths().map((path) =>
      path === PATH_FORM.path ? '/proxy/{service}/{path}' : path.replaceAll(/[:*]([a-z_]+)/g, '{$1}'),
    );
    const missing = mounted.filter((path) => !Object.hasOwn(documented, path));
    assert.deepEqual(missing, [], 'undocumented');
    const more = Object.keys(documented).filter((path) => !mounted.includes(path) && !ABSENT.includes(path));
    assert.deepEqual(more, [], 'not mounted');
  });

  it('that is public answers without a credential, and none of them answers 5xx to a broken one', async () => {
    for (const name of PUBLIC) {
      const [method = '', path = ''] = name.split(' ');
      const status = (await send(method, path)).status;
      assert.ok(status === (method === 'GET' ? 200 : 415), `${name}: ${status}`);
      const broken = await send(method, path, { authorization: 'Bearer sk_live_garbled' });
      assert.ok(broken.status < 500, `${name}: ${broken.status}`);
    }
  });
});

/** The log may have gained refused credentials and nothing else. */
function assertOnlyRefusals(from: number): void {
  const gained = log().slice(from);
  const others = gained.filter(({ action, outcome }) => action !== 'auth.refuse' || outcome !== 'blocked');
  assert.deepEqual(others, []);
}
