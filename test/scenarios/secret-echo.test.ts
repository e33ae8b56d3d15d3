// The corpus of ways to show a credential, whole, against a running appliance: by the envelope and by the path form. What is
// a limit is one that README names; what is not due or differs stands in test/README.md.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent, searchFiles } from '#test/support/canary.ts';
import { type EchoEntry, type EchoUpstream, startEcho } from '#test/support/echo-upstream.ts';
import { rpc } from '#test/support/mcp.ts';
import { type Answer, ask, askLocally } from '#test/support/requests.ts';
import { leakOf } from '#test/support/transforms.ts';

const corpus = JSON.parse(readFileSync(new URL('../corpus/secret-echo.json', import.meta.url), 'utf8')) as {
  readonly canary: string;
  readonly marker: string;
  readonly entries: readonly EchoEntry[];
};
const { canary: CANARY, marker: MARKER } = corpus;
const OTHERS = {
  other_service: 'oTh3r-s3rvIce-kEy-91f2c7d0',
  other_version: 'vAult-vers10n-one-5c3e77a1b9',
  derived_signature: 'b7f0c2a94d1e',
};
const NEXT_VERSION = 'vAult-vers10n-two-8d1f04c2e6';
const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

let upstream: EchoUpstream;
let appliance: Appliance;
const told: Record<string, string> = {};

const serviceOf = (name: string, base: string, secret: string): string => `
  ${name}:
    base_url: ${base}
    network: loopback
    inject: { header: X-Api-Key, value: "{secret}" }
    secret: ${secret}
    actions: { "${name}:all:use": [ "GET /**" ] }`;

before(async () => {
  upstream = await startEcho(corpus.entries, { canary: CANARY, others: OTHERS });
  const here = `http://127.0.0.1:${upstream.port}/v1`;
  const services = [
    serviceOf('github', here, '{ env: CANARY }'),
    serviceOf('other', here, '{ env: OTHER }'),
    serviceOf('stored', here, '{ vault: stored }'),
    serviceOf('tls', here.replace('http:', 'https:'), '{ env: CANARY }'),
    serviceOf('nowhere', 'https://nowhere.invalid', '{ env: CANARY }').replace(
      'network: loopback',
      'network: public',
    ),
    serviceOf('short', here, '{ env: SHORT }'),
  ];
  const names = ['github', 'other', 'stored', 'tls', 'nowhere', 'short'];
  appliance = await startAppliance({
    services: services.join(''),
    agents: `\n  clerk: { services: { ${names.map((name) => `${name}: [ "${name}:*" ]`).join(', ')} } }`,
    env: { CANARY, OTHER: OTHERS.other_service, SHORT: 'abc123' },
  });
  for (const value of [OTHERS.other_version, NEXT_VERSION]) {
    const stored = await askLocally(appliance, '/v1/secrets/stored', { method: 'PUT', body: { value } });
    assert.ok(stored.status < 300, stored.text);
  }
});

after(async () => {
  await appliance?.dispose();
  upstream?.stop();
});

const AGENT = { 'x-stack-agent': 'clerk' };

async function enveloped(path: string, service = 'github'): Promise<Answer> {
  const answer = await ask(appliance, '/v1/proxy', {
    headers: AGENT,
    body: { service, method: 'GET', path },
  });
  told[`envelope ${service} ${path}`] = answer.text;
  return answer;
}

type Passed = {
  readonly status: number;
  readonly whole: boolean;
  readonly bytes: Buffer;
  readonly text: string;
};

/** Everything that the client of the path form sees, head included, also of an answer that breaks off. */
async function passed(path: string, service = 'github'): Promise<Passed> {
  const headers = { authorization: `Bearer ${appliance.apiKey}`, ...AGENT };
  const url = `${appliance.url}/proxy/${service}${path}`;
  const answer = await fetch(url, { headers, redirect: 'manual' }).catch(() => undefined);
  // The connection broke before its head was out.
  if (answer === undefined) return { status: 0, whole: false, bytes: Buffer.alloc(0), text: '' };
  const parts: Uint8Array[] = [Buffer.from(JSON.stringify([...answer.headers]))];
  let whole = true;
  try {
    for await (const part of answer.body ?? []) parts.push(part);
  } catch {
    whole = false;
  }
  const bytes = Buffer.concat(parts);
  const text = bytes.toString('latin1').replaceAll('\0', '');
  told[`path form ${service} ${path}`] = text.slice(0, 100_000);
  return { status: answer.status, whole, bytes, text };
}

function assertNothing(bytes: Buffer): void {
  // Many readings of a long text take long; a leak in a text that repeats is in its beginning, too.
  for (const secret of [CANARY, ...Object.values(OTHERS).slice(0, 2), NEXT_VERSION])
    assert.equal(leakOf(bytes.subarray(0, 20_000), secret), undefined);
}

/** Headers that no answer of a service keeps, with a secret or without. */
const STRIPPED_WHOLE = ['S014'];
/** The path form leaves links to other hosts out (README). */
const LEFT_OUT_OF_PATH = ['S009'];
const MARKERS: Readonly<Record<string, string>> = { S085: '[redacted:stored]', S086: '[redacted:other]' };

describe('corpus, redact:', () => {
  for (const { id, note = '' } of corpus.entries.filter(({ expect }) => expect === 'redact'))
    it(`${id} ${note}`, async () => {
      const [envelope, path] = [await enveloped(`/${id}`), await passed(`/${id}`)];
      assert.equal(envelope.status, 200, envelope.text.slice(0, 300));
      assertNothing(Buffer.from(envelope.text));
      assertNothing(path.bytes);
      assert.ok(path.whole);
      if (STRIPPED_WHOLE.includes(id)) return;
      const marker = MARKERS[id] ?? MARKER;
      assert.ok(path.text.includes(marker) || LEFT_OUT_OF_PATH.includes(id), path.text.slice(0, 300));
      const body = envelope.body['body_base64'];
      const shown = typeof body === 'string' ? Buffer.from(body, 'base64').toString('latin1') : envelope.text;
      assert.ok(shown.replaceAll(/\0|\\u0000/g, '').includes(marker), envelope.text.slice(0, 300));
    });
});

/** test/README.md says why. */
const PASSED = ['S089'];

describe('corpus, withhold:', () => {
  for (const { id, note = '' } of corpus.entries.filter(({ expect }) => expect === 'withhold'))
    it(`${id} ${note}`, async () => {
      const [envelope, path] = [await enveloped(`/${id}`), await passed(`/${id}`)];
      if (PASSED.includes(id)) return assert.deepEqual([envelope.status, path.status], [200, 200]);
      const { error } = envelope.body as { error?: { code: string; metadata: Record<string, unknown> } };
      assert.deepEqual([envelope.status, error?.code], [502, 'RESPONSE_WITHHELD']);
      assert.equal(error?.metadata['sent'], true);
      assert.ok(path.status === 502 || !path.whole, 'an error, or a connection that breaks');
      assertNothing(Buffer.from(envelope.text));
      assertNothing(path.bytes);
    });
});

describe('corpus, strip:', () => {
  for (const { id, note = '' } of corpus.entries.filter(({ expect }) => expect === 'strip'))
    it(`${id} ${note}`, async () => {
      const [envelope, path] = [await enveloped(`/${id}`), await passed(`/${id}`)];
      assert.deepEqual(
        [envelope.status, envelope.body['body_text'], envelope.body['headers']],
        [200, 'ok', {}],
      );
      assertNothing(path.bytes);
    });
});

/** By entry, what README calls the limit. */
const LIMITS: Readonly<Record<string, string>> = {
  S070: 'split over two events',
  S084: 'inside an archive',
  S088: 'signature',
  S095: 'reversed',
  S096: 'rotated letters',
  S098: 'list of single characters',
  S102: 'full-width letters',
  S103: 'invisible characters in between',
  S104: 'base32',
};

describe('corpus, documented limit:', () => {
  for (const [id, words] of Object.entries(LIMITS))
    it(`${id} passes, and README says so`, async () => {
      assert.ok(README.replace(/\s+/g, ' ').includes(words), words);
      const path = await passed(`/${id}`);
      assert.deepEqual([path.status, path.whole], [200, true]);
      // Half of a secret is more than twelve characters: here each half is found, and only shorter pieces would pass.
      assert.equal(path.text.includes(MARKER), id === 'S070');
      assert.ok(!path.text.includes(CANARY));
    });

  it('S090: a short secret is refused at import, so that its service is not called', async () => {
    const stored = await askLocally(appliance, '/v1/secrets/stored', {
      method: 'PUT',
      body: { value: 'abc123' },
    });
    assert.equal(stored.status, 400);
    assert.ok(!stored.text.includes('abc123'));
    assert.equal((await enveloped('/S090', 'short')).status, 424);
  });

  it('has no other entry', () => {
    const limits = corpus.entries.filter(({ expect }) => expect === 'documented_limit').map(({ id }) => id);
    assert.deepEqual(limits.toSorted(), [...Object.keys(LIMITS), 'S090'].sort());
  });
});

/** Which service of ours fails like that, and how. */
const FAULTS: Readonly<Record<string, readonly [service: string, code: string]>> = {
  S020: ['github', 'UPSTREAM_UNREACHABLE'],
  S021: ['tls', 'UPSTREAM_UNREACHABLE'],
  S022: ['github', 'RESPONSE_WITHHELD'],
  S024: ['nowhere', 'UPSTREAM_UNREACHABLE'],
  S025: ['github', 'RESPONSE_WITHHELD'],
};

describe('corpus, no leak:', () => {
  for (const [id, [service, code]] of Object.entries(FAULTS))
    it(`${id}, S107: the error says nothing, by envelope, path form and MCP`, async () => {
      const path = `/${id}`;
      const envelope = await enveloped(path, service);
      assert.equal((envelope.body['error'] as { code: string }).code, code, envelope.text);
      assertNothing(Buffer.from(envelope.text));
      assertNothing((await passed(path, service)).bytes);
      const params = { name: 'stack_proxy_request', arguments: { service, method: 'GET', path } };
      const tool = await rpc(appliance, { method: 'tools/call', params, headers: AGENT });
      assert.ok(tool.text.includes(code));
      assertNothing(Buffer.from(tool.text));
    });

  it('S028: a redirect is not followed, and no credential goes anywhere else', async () => {
    const seen = upstream.requests.length;
    const path = await passed('/S028');
    assert.deepEqual([path.status, upstream.requests.length], [307, seen + 1]);
    assertNothing(path.bytes);
  });

  it('S127: what the agent itself sent is taken out as well', async () => {
    const answer = await passed(`/S001?guess=${CANARY.toLowerCase()}`);
    assertNothing(answer.bytes);
    assert.ok(README.includes('guess'), 'S128: README says how much a guess can find out');
  });

  it('S109, S113, S117, S125: log, metrics, API documents and config show nothing', async () => {
    const texts: Record<string, string> = { process: appliance.logs() };
    for (const path of ['/v1/audit?limit=100', '/v1/config/changes', '/v1/services', '/v1/secrets'])
      texts[path] = (await askLocally(appliance, path)).text;
    for (const path of ['/metrics', '/openapi.json', '/reference', '/healthz']) {
      const answer = await fetch(`${appliance.url}${path}`, {
        headers: { authorization: `Bearer ${appliance.apiKey}` },
      });
      texts[path] = await answer.text();
    }
    assert.ok((texts['/v1/audit?limit=100'] ?? '').includes('credential.proxy'), 'there is a log to look at');
    for (const secret of [CANARY, OTHERS.other_service, OTHERS.other_version, NEXT_VERSION]) {
      assertAbsent(texts, secret);
      for (const [name, text] of Object.entries(texts))
        assert.equal(leakOf(Buffer.from(text.slice(0, 200_000)), secret), undefined, name);
      assert.deepEqual((await searchFiles(appliance.dir, secret)).found, []);
    }
  });

  it('S109: the outcome says how many secrets were taken out', async () => {
    await enveloped('/S001');
    const { body } = await askLocally(appliance, '/v1/audit?limit=100');
    const outcomes = (body['entries'] as { detail: Record<string, unknown>; path: string }[]).filter(
      ({ detail, path }) => path?.endsWith('/S001') && detail['secrets_redacted'] === 1,
    );
    assert.ok(outcomes.length > 0);
  });

  it('S124: no cache keeps an answer', async () => {
    const headers = { authorization: `Bearer ${appliance.apiKey}`, ...AGENT };
    const answer = await fetch(`${appliance.url}/proxy/github/S001`, { headers });
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal((await enveloped('/S001')).headers.get('cache-control'), 'no-store');
  });
});
