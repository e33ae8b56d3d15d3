// The OpenAPI document and the reference of a running appliance: anyone may read them, on the network and on the socket,
// they are whole and need nothing but themselves, and nothing of the installation stands in them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { REFUSALS } from '#kernel/errors.ts';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent } from '#test/support/canary.ts';
import { rpc, rpcModern } from '#test/support/mcp.ts';
import { changesOf } from '#test/support/pins.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';
import { lintTool, type Tool } from '#test/support/schema-lint.ts';

const SECRET = 'canary-of-the-reference-5d1e0f7a2b';
const NO_KEY = { authorization: '' };
const PATHS = ['/openapi.json', '/reference'];
let appliance: Appliance;

before(async () => {
  appliance = await startAppliance({
    services: `
  vaulted-ledger:
    base_url: https://vaulted-ledger.test/v1
    inject: { bearer: "{secret}" }
    secret: { env: LEDGER_TOKEN }
    actions: { "vaulted-ledger:calls:read": [ "GET /**" ] }`,
    agents: `
  quiet-clerk: { services: { vaulted-ledger: [ "vaulted-ledger:calls:read" ] } }`,
    env: { LEDGER_TOKEN: SECRET },
  });
});

after(async () => appliance?.dispose());

describe('the documents', () => {
  for (const path of PATHS) {
    it(`${path} is read by anyone, the same on the network and on the socket`, async () => {
      const bare = await ask(appliance, path, { headers: NO_KEY });
      const local = await askLocally(appliance, path);
      assert.deepEqual([bare.status, local.status], [200, 200]);
      assert.equal(bare.text, local.text);
    });

    it(`${path} answers 304 to whoever has it, and asks to be asked again`, async () => {
      const first = await ask(appliance, path, { headers: NO_KEY });
      const etag = first.headers.get('etag') ?? '';
      assert.match(etag, /^"[\w-]{43}"$/);
      assert.equal(first.headers.get('cache-control'), 'no-cache');
      for (const given of [etag, `"other", W/${etag}`, '*']) {
        const again = await ask(appliance, path, { headers: { ...NO_KEY, 'if-none-match': given } });
        assert.deepEqual([again.status, again.text], [304, ''], given);
      }
      const changed = await ask(appliance, path, { headers: { ...NO_KEY, 'if-none-match': '"other"' } });
      assert.equal(changed.status, 200);
    });

    it(`${path} answers HEAD without a body, and no other method`, async () => {
      const head = await ask(appliance, path, { method: 'HEAD', headers: NO_KEY });
      assert.deepEqual([head.status, head.text], [200, '']);
      const post = await ask(appliance, path, { method: 'POST', body: {} });
      assert.equal(post.status, 404);
    });

    it(`invariant 2: ${path} holds nothing of this installation`, async () => {
      const { text } = await ask(appliance, path, { headers: NO_KEY });
      assertAbsent({ [path]: text }, SECRET);
      assertAbsent({ [path]: text }, appliance.apiKey);
      for (const own of [
        'vaulted-ledger',
        'quiet-clerk',
        'LEDGER_TOKEN',
        appliance.dir,
        String(appliance.port),
      ])
        assert.ok(!text.includes(own), own);
    });
  }

  it('are refused to a foreign host and a foreign origin, as everything is', async () => {
    const foreign = await ask(appliance, '/reference', {
      headers: { ...NO_KEY, origin: 'http://evil.test' },
    });
    assert.equal(foreign.status, 403);
  });

  it('serve the document that is pinned', async () => {
    const { body } = await ask(appliance, '/openapi.json', { headers: NO_KEY });
    const file = new URL('../surfaces/openapi/openapi.pinned.json', import.meta.url);
    const pinned = JSON.parse(readFileSync(file, 'utf8')) as { info: Json };
    pinned.info['version'] = (body['info'] as Json)['version'];
    assert.deepEqual(changesOf(pinned, body), []);
  });
});

describe('the reference', () => {
  it('needs nothing but itself: no script, no other place, one style that its policy names by hash', async () => {
    const { text, headers } = await ask(appliance, '/reference', { headers: NO_KEY });
    assert.equal(headers.get('content-type'), 'text/html; charset=utf-8');
    assert.ok(
      !/<(?:script|link|img|iframe|object|form|base)\b|\son\w+=|\sstyle=|url\(|@import|javascript:/i.test(
        text,
      ),
    );
    const targets = [...text.matchAll(/\s(?:href|src|action)="([^"]*)"/g)].map(([, to = '']) => to);
    assert.deepEqual(
      targets.filter((to) => !to.startsWith('#') && to !== '/openapi.json'),
      [],
    );
    const style = /<style>([\s\S]*?)<\/style>/.exec(text)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    const policy = headers.get('content-security-policy') ?? '';
    assert.ok(policy.startsWith("default-src 'none'") && policy.includes(`'sha256-${hash}'`), policy);
    assert.ok(!policy.includes('unsafe'));
  });

  it('has every verb, route, field and error of the OpenAPI document, and every link of it leads somewhere', async () => {
    const { text } = await ask(appliance, '/reference', { headers: NO_KEY });
    const { body } = await ask(appliance, '/openapi.json', { headers: NO_KEY });
    const shown = text.replaceAll('<wbr>', '');
    const paths = body['paths'] as Record<string, Record<string, Json>>;
    for (const [path, methods] of Object.entries(paths)) {
      assert.ok(shown.includes(`<span class="path">${path}</span>`), path);
      for (const { operationId } of Object.values(methods)) {
        const id = String(operationId).replace(/^proxy_.*/, 'proxy');
        assert.ok(shown.includes(`<section class="verb" id="${id}">`), id);
      }
    }
    const schemas = (body['components'] as Record<string, Record<string, Json>>)['schemas'] ?? {};
    const fields = Object.values(schemas).flatMap(({ properties }) => Object.keys(properties as Json));
    const missing = fields.filter((field) => !shown.includes(`<span class="name">${field}</span>`));
    assert.deepEqual(
      missing.filter((field) => field !== 'error' && field !== 'metadata'),
      [],
    );
    for (const code of Object.keys(REFUSALS)) assert.ok(shown.includes(`<tr id="${code}">`), code);
    const ids = new Set([...text.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id));
    const dead = [...text.matchAll(/href="#([^"]+)"/g)].filter(([, to]) => !ids.has(to));
    assert.deepEqual(dead, []);
  });
});

describe('tools/list of the running appliance', () => {
  it('passes the lint in the old and the new era', async () => {
    for (const send of [rpc, rpcModern]) {
      const { result } = await send(appliance, { method: 'tools/list' });
      const tools = result?.['tools'] as Tool[];
      assert.ok(tools.length > 0);
      assert.deepEqual(tools.flatMap(lintTool), []);
    }
  });
});
