// The twelve services of the catalogue as an operator writes them: `use` and a secret. Each is checked, started and
// called at a local server that shows where the credential came in.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Appliance, installation, stack, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent, searchFiles } from '#test/support/canary.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const TOKEN = 'canary-5e1f9a70b3c4d2';
/** Jira's is an account and its token in one. */
const JIRA_TOKEN = 'canary-77d0c1e4a98f2b';
const PAIR = `clerk@example.com:${JIRA_TOKEN}`;
const bearer = { authorization: `Bearer ${TOKEN}` };

type Expected = {
  readonly call: Json;
  /** What the vendor's documentation demands of a request. */
  readonly headers: Readonly<Record<string, string>>;
};
const TWELVE: Readonly<Record<string, Expected>> = {
  airtable: { call: { path: '/meta/bases' }, headers: bearer },
  anthropic: {
    call: { method: 'POST', path: '/v1/messages', body: { model: 'claude-x' } },
    headers: { 'x-api-key': TOKEN, 'anthropic-version': '2023-06-01' },
  },
  github: { call: { path: '/repos/octo/hello/issues?state=open' }, headers: bearer },
  gitlab: { call: { path: '/projects/group%2Fapp/issues' }, headers: { 'private-token': TOKEN } },
  jira: {
    call: { path: '/rest/api/3/issue/OPS-1' },
    headers: { authorization: `Basic ${Buffer.from(PAIR).toString('base64')}` },
  },
  linear: {
    call: { method: 'POST', path: '/graphql', body: { query: '{ viewer { id } }' } },
    headers: { authorization: TOKEN },
  },
  notion: {
    call: { method: 'POST', path: '/search', body: { query: 'roadmap' } },
    headers: { ...bearer, 'notion-version': '2025-09-03' },
  },
  openai: {
    call: {
      method: 'POST',
      path: '/responses',
      body: { input: 'hello' },
      headers: { 'OpenAI-Project': 'proj_1', 'X-Stainless-Lang': 'js' },
    },
    headers: { ...bearer, 'openai-project': 'proj_1', 'x-stainless-lang': 'js' },
  },
  pagerduty: {
    call: { path: '/incidents', headers: { From: 'clerk@example.com' } },
    headers: { authorization: `Token token=${TOKEN}`, from: 'clerk@example.com' },
  },
  sendgrid: { call: { method: 'POST', path: '/mail/send', body: { subject: 'hello' } }, headers: bearer },
  slack: { call: { method: 'POST', path: '/chat.postMessage', body: { text: 'hello' } }, headers: bearer },
  stripe: {
    call: { method: 'POST', path: '/customers', body: { metadata: { from: 'agent' } } },
    headers: { ...bearer, 'content-type': 'application/x-www-form-urlencoded' },
  },
};
const names = Object.keys(TWELVE);
const secretOf = (name: string): string => `secret: { env: ${name === 'jira' ? 'PAIR' : 'TOKEN'} }`;

let upstream: Server;
let appliance: Appliance;
type Seen = { readonly path: string; readonly headers: IncomingHttpHeaders };
const seen: Seen[] = [];
const told: Record<string, string> = {};

before(async () => {
  upstream = createServer((request, response) => {
    seen.push({ path: request.url ?? '', headers: request.headers });
    // A service that shows what it was sent, and tokens without their account.
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ ok: true, headers: request.rawHeaders, tokens: [TOKEN, JIRA_TOKEN] }));
    request.resume();
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  const here = (name: string): string =>
    `  ${name}: { use: ${name}, base_url: "http://127.0.0.1:${port}/${name}", network: loopback, ${secretOf(name)} }`;
  appliance = await startAppliance({
    services: names.map(here).join('\n'),
    agents: `  clerk: { services: { ${names.map((name) => `${name}: [ "${name}:*" ]`).join(', ')} } }`,
    env: { TOKEN, PAIR },
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

const call = async (service: string, given: Json) => {
  const headers = { 'x-stack-agent': 'clerk' };
  const answer = await ask(appliance, '/v1/proxy', { headers, body: { method: 'GET', ...given, service } });
  told[`${service} ${JSON.stringify(given)}`] = answer.text;
  return answer;
};

describe('the twelve services of the catalogue', () => {
  it('are a clean config with nothing but use and secret, and a site for Jira', async () => {
    const at = await installation({ env: { TOKEN, PAIR } });
    try {
      const lines = names.map((name) => {
        const site = name === 'jira' ? 'base_url: "https://example.atlassian.net", ' : '';
        return `  ${name}: { use: ${name}, ${site}${secretOf(name)} }`;
      });
      await writeFile(at.configFile, `services:\n${lines.join('\n')}\n`, { mode: 0o600 });
      const { code, stderr } = await stack(at, ['check', '--config', at.configFile]);
      assert.deepEqual([code, stderr], [0, '']);
    } finally {
      await rm(at.dir, { recursive: true, force: true });
    }
  });

  for (const [name, { call: given, headers }] of Object.entries(TWELVE))
    it(`${name} gets the credential where its documentation says`, async () => {
      const answer = await call(name, given);
      assert.equal(answer.status, 200, answer.text);
      const { path, headers: sent } = seen.at(-1) ?? { path: '', headers: {} };
      assert.equal(path, `/${name}${String(given['path'])}`);
      for (const [header, value] of Object.entries(headers)) assert.equal(sent[header], value, header);
      assert.ok(answer.text.includes('[redacted:'), 'the service showed the credential, and it was removed');
    });

  it('are listed with what is under approval, and connected', async () => {
    const { body } = await ask(appliance, '/v1/services');
    const services = body['services'] as { name: string; connected: boolean; approval: string[] }[];
    assert.deepEqual(services.map(({ name }) => name).sort(), names);
    assert.ok(services.every(({ connected, approval }) => connected && approval.length > 0));
  });

  it('can be listed before they are used, with what each needs', async () => {
    const { status, body } = await ask(appliance, '/v1/services/catalogue');
    const services = body['services'] as { name: string; needs: string[]; actions: string[] }[];
    assert.equal(status, 200);
    assert.deepEqual(
      services.map(({ name }) => name),
      names,
    );
    const named = (name: string) => services.find((one) => one.name === name);
    assert.deepEqual(named('jira')?.needs, ['base_url', 'secret']);
    assert.ok(named('slack')?.actions.includes('slack:chat:write'));
  });

  it('can be checked by a harmless call, all but Linear, whose one path takes no such call', async () => {
    const verdicts = await Promise.all(
      names.map(async (name) => {
        const { body } = await askLocally(appliance, `/v1/services/${name}/verify`, { method: 'POST' });
        return [name, body['credential']];
      }),
    );
    assert.deepEqual(
      verdicts,
      names.map((name) => [name, name === 'linear' ? 'unknown' : 'accepted']),
    );
  });
});

describe('a call that the catalogue does not let through', () => {
  const refused: Readonly<Record<string, readonly [Json, string]>> = {
    'is under approval': [
      { service: 'slack', method: 'POST', path: '/conversations.archive', body: { channel: 'C1' } },
      'APPROVAL_GATE_DENIED',
    ],
    'has arguments in two places': [
      { service: 'slack', method: 'POST', path: '/chat.postMessage?channel=C2', body: { channel: 'C1' } },
      'CONSTRAINT_FAILED',
    ],
    'has them where GitLab reads them, too, but twice': [
      { service: 'gitlab', method: 'POST', path: '/projects/7/issues?title=a', body: { title: 'b' } },
      'CONSTRAINT_FAILED',
    ],
    'is not in the entry': [
      { service: 'github', path: '/repos/octo/hello/actions/secrets' },
      'ACTION_DENIED',
    ],
  };
  for (const [why, [given, code]] of Object.entries(refused))
    it(`since it ${why}, reaches nobody`, async () => {
      const before = seen.length;
      const answer = await call(String(given['service']), given);
      assert.equal(answer.status, 403);
      assert.equal((answer.body['error'] as Json)['code'], code, answer.text);
      assert.equal(seen.length, before);
    });
});

describe('the credential', () => {
  it('stands in no answer, log, database or WAL; of a pair not the token alone either', async () => {
    const log = await askLocally(appliance, '/v1/audit?limit=100');
    const texts = { ...told, log: log.text, process: appliance.logs() };
    assertAbsent(texts, TOKEN);
    assertAbsent(texts, JIRA_TOKEN);
    assertAbsent(texts, PAIR);
    for (const token of [TOKEN, JIRA_TOKEN])
      assert.deepEqual((await searchFiles(appliance.dir, token)).found, []);
  });
});
