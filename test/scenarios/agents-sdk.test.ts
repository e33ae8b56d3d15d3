// The main job, from outside: an agent of the OpenAI Agents SDK with a scripted model calls a registry that is not
// ours and demands a credential. The agent gets the answer; the credential's bytes are nowhere (invariant 2).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { assistantMessage, ScriptedModel } from '@openai/agents/testing';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent, searchFiles } from '#test/support/canary.ts';
import { type Registry, startRegistry } from '#test/support/registry.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';
import { first, next, runScripted, shown, toolOutputs } from '#test/support/scripted-agent.ts';

let registry: Registry;
let appliance: Appliance;
const transcript: Record<string, string> = {};

const services = (port: number) => `
  registry:
    title: Package registry
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: registry }
    actions:
      registry:packages:read: [ "GET /release-notes" ]
      registry:account:read: [ "GET /-/whoami" ]
  registry-by-environment:
    title: The same registry, its credential from the environment
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: REGISTRY_TOKEN }
    actions:
      registry-by-environment:packages:read: [ "GET /release-notes" ]`;
const agents = `
  release-bot:
    services:
      registry: [ "registry:*" ]
      registry-by-environment: [ "registry-by-environment:packages:read" ]
  "*":
    services: { registry: [ "registry:packages:read", "registry:account:read" ] }`;

before(async () => {
  registry = await startRegistry();
  appliance = await startAppliance({
    services: services(registry.port),
    agents,
    env: { REGISTRY_TOKEN: registry.token },
  });
  const stored = await askLocally(appliance, '/v1/secrets/registry', {
    method: 'PUT',
    body: { value: registry.token },
  });
  assert.ok(stored.status < 300, `storing the secret: ${stored.status} ${stored.text}`);
  transcript['the answer to storing the secret'] = stored.text;
});

after(async () => {
  await appliance?.dispose();
  await registry?.stop();
});

async function runAgent(name: string, at: { model: ScriptedModel; headers: Record<string, string> }) {
  const prompt = 'What changed in this release?';
  const result = await runScripted({ ...at, url: appliance.mcpUrl, prompt });
  transcript[`history of ${name}`] = JSON.stringify(result.history);
  transcript[`model requests of ${name}`] = at.model.calls.map(shown).join('\n');
  return result;
}

/** An object inside an answer; empty where there is none, so that the assertion shows what is missing. */
const member = (of: Json | undefined, name: string): Json => (of?.[name] ?? {}) as Json;

const bearer = () => ({ authorization: `Bearer ${appliance.apiKey}` });
const readNotes = (from: Json = {}): Json => ({
  service: 'registry',
  method: 'GET',
  path: '/release-notes',
  ...from,
});

describe('an OpenAI Agents SDK agent', () => {
  it('is refused by the registry when it comes without the appliance', async () => {
    const response = await fetch(`${registry.url}/${registry.packageName}`);
    assert.equal(response.status, 401);
  });

  it('lists services, registers, gets a passport and reads what only the credential may read', async () => {
    let token: unknown;
    const model = new ScriptedModel([
      first('stack_list_services'),
      next('stack_register_agent', () => ({ name: 'release-scout', description: 'Reads release notes' })),
      next('stack_issue_passport', (agent) => ({
        agent_id: agent['id'],
        intent: { summary: 'Read the release notes', services: ['registry'] },
      })),
      next('stack_proxy_request', (issued) => {
        token = issued['token'];
        return readNotes({ passport: token });
      }),
      next('stack_proxy_request', () => ({
        service: 'registry',
        method: 'GET',
        url: `${registry.url}/-/whoami`,
        passport: token,
      })),
      [assistantMessage('The release notes are read.')],
    ]);
    const result = await runAgent('the seed flow', { model, headers: bearer() });
    assert.equal(result.finalOutput, 'The release notes are read.');

    const [listed, agent, issued, notes, whoami] = toolOutputs(model);
    const names = ((listed?.['services'] ?? []) as Json[]).map((service) => service['name']);
    assert.ok(names.includes('registry'), `listed: ${names.join(' ')}`);
    assert.match(String(agent?.['id']), /^agt_/);
    assert.match(String(issued?.['jti']), /^pp_/);
    assert.match(String(issued?.['session_id']), /^ses_/);
    assert.equal(notes?.['status'], 200);
    assert.equal(member(notes, 'body')['name'], registry.packageName);
    assert.match(String(notes?.['entry_id']), /^aud_/);
    assert.equal(whoami?.['status'], 200);
    assert.deepEqual(whoami?.['body'], { username: registry.user });
  });

  it('may name the passport by its jti, so that no token travels through the model a second time', async () => {
    const model = new ScriptedModel([
      first('stack_register_agent', { name: 'release-clerk', description: 'Reads release notes' }),
      next('stack_issue_passport', () => ({
        agent: 'release-clerk',
        intent: { summary: 'Read the release notes', services: ['registry'] },
      })),
      next('stack_proxy_request', (issued) => readNotes({ passport: issued['jti'] })),
      [assistantMessage('Done.')],
    ]);
    await runAgent('the flow by jti', { model, headers: bearer() });
    assert.equal(toolOutputs(model).at(-1)?.['status'], 200);
  });

  it('acts under X-Stack-Agent without any model ever seeing a token', async () => {
    const model = new ScriptedModel([
      first('stack_list_services'),
      next('stack_proxy_request', () => readNotes()),
      next('stack_proxy_request', () => readNotes({ service: 'registry-by-environment' })),
      [assistantMessage('The release notes are read.')],
    ]);
    const headers = { ...bearer(), 'x-stack-agent': 'release-bot' };
    const result = await runAgent('the flow under X-Stack-Agent', { model, headers });
    const [, stored, loaded] = toolOutputs(model);
    for (const answer of [stored, loaded]) {
      assert.equal(answer?.['status'], 200, JSON.stringify(answer));
      assert.equal(member(answer, 'body')['name'], registry.packageName);
    }
    for (const text of [...model.calls.map(shown), JSON.stringify(result.history)]) {
      assert.ok(!text.includes('eyJ'), 'a token stands in what the model was shown');
      assert.ok(!text.includes('sk_live_'), 'the key stands in what the model was shown');
    }
  });

  it('is refused outside its grant, and the refusal is an answer the model can read', async () => {
    const model = new ScriptedModel([
      first('stack_proxy_request', { service: 'registry', method: 'GET', path: '/another-package' }),
      [assistantMessage('That is not allowed.')],
    ]);
    await runAgent('a refused flow', { model, headers: { ...bearer(), 'x-stack-agent': 'release-bot' } });
    const refusal = member(toolOutputs(model)[0], 'error');
    assert.equal(refusal['code'], 'ACTION_DENIED');
    assert.ok(String(refusal['next']).length > 0);
  });

  it('invariant 2: leaves no byte of the credential in transcript, answers, logs, database or WAL', async () => {
    transcript['audit log'] = (await askLocally(appliance, '/v1/audit?limit=100')).text;
    transcript['services'] = (await ask(appliance, '/v1/services')).text;
    transcript['metrics'] = (await askLocally(appliance, '/metrics')).text;
    const chain = await askLocally(appliance, '/v1/audit/verify-chain');
    assert.equal(chain.body['valid'], true, chain.text);
    assert.ok(transcript['audit log'].includes('credential.proxy'), 'the calls must be in the log');

    const running = await searchFiles(appliance.dir, registry.token);
    const names = running.searched.join('\n');
    assert.match(names, /-wal/, `the WAL must have been searched:\n${names}`);
    assert.deepEqual(running.found, []);
    const exit = await appliance.stop();
    assert.equal(exit.code, 0);
    assert.deepEqual((await searchFiles(appliance.dir, registry.token)).found, []);
    transcript['process log'] = appliance.logs();
    assertAbsent(transcript, registry.token);
    assert.ok(!appliance.logs().includes('sk_live_'), 'the key stands in the log');
  });
});
