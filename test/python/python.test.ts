// The Python programs of this folder as a user runs them: the real openai-agents package, the real appliance, a scripted
// model and a Slack on loopback that demands its credential. Python and model see no byte of it.
// Runs with the Python of STACK_PYTHON, else with a python3 that has the packages; .ci/run always brings one.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Appliance, freePort, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent } from '#test/support/canary.ts';
import { headerOf, type LocalUpstream, startSlack } from '#test/support/local-upstream.ts';
import { type ModelServer, type Script, startModel } from '#test/support/model-server.ts';
import { askLocally, type Json } from '#test/support/requests.ts';
import { tapWire, type WireTap } from '#test/support/wire-tap.ts';

const BOT_TOKEN = 'xoxb-canary-7719-4c0de5afb2e84d63';
const PROGRAM_MS = 60_000;
/** Where a user of this appliance finds it, and where the hosted product is: the one text that differs. */
const OWN_URL = 'http://localhost:7822/mcp';
const HOSTED_URL = 'https://mcp.getstack.run/mcp';
/** Of the documented program with HOSTED_URL in it. */
const DOCUMENTED_SHA256 = 'aebd194937d114a9f009e4ce207183e32b9ae9e3f8feb1ea52e07cd0edec8728';

const chosen = process.env['STACK_PYTHON'];
const python = chosen ?? 'python3';
const probe = spawnSync(python, ['-c', 'import agents, mcp'], { encoding: 'utf8' });
const missing = probe.status !== 0;
if (chosen !== undefined && missing)
  throw new Error(`STACK_PYTHON has no openai-agents: ${probe.stderr ?? probe.error?.message}`);
const skip = missing && 'no python3 with openai-agents here; test/README.md says how to bring one';

const source = (name: string): Promise<string> => readFile(join(import.meta.dirname, name), 'utf8');

const services = (port: number) => `
  slack:
    title: Slack
    base_url: http://127.0.0.1:${port}/api
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: SLACK_BOT_TOKEN }
    actions:
      slack:chat:write: [ "POST /chat.postMessage" ]
      slack:channels:archive: [ "POST /conversations.archive" ]
    approval: [ slack:channels:archive ]`;
const agents = `
  "*": { services: { slack: [ "slack:chat:write", "slack:channels:archive" ] } }`;

let slack: LocalUpstream;
let appliance: Appliance;
let tap: WireTap;
let mcpUrl: string;
const transcript: Record<string, string> = {};

type Run = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** The program with its URL changed, as a process that gets the key, the model and nothing else. */
async function runProgram(name: string, model: ModelServer): Promise<Run> {
  const text = await source(name);
  assert.equal(text.split(OWN_URL).length, 2, 'the URL stands once');
  const path = join(appliance.dir, name);
  await writeFile(path, text.replace(OWN_URL, mcpUrl));
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: appliance.dir,
    STACK_API_KEY: appliance.apiKey,
    OPENAI_API_KEY: 'sk-scripted',
    OPENAI_BASE_URL: model.url,
    OPENAI_AGENTS_DISABLE_TRACING: '1',
  };
  const child = spawn(python, [path], { cwd: appliance.dir, env, timeout: PROGRAM_MS, stdio: 'pipe' });
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    new Promise<number | null>((done, failed) => child.on('close', done).on('error', failed)),
  ]);
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}

async function runAgainst(name: string, script: Script) {
  const model = await startModel(script);
  try {
    const run = await runProgram(name, model);
    assert.equal(run.code, 0, run.stderr);
    assert.equal(model.requests.length, script.length, 'the script was not played to its end');
    transcript[`output of ${name}`] = run.stdout + run.stderr;
    transcript[`what the model saw of ${name}`] = model.requests.map(({ text }) => text).join('\n');
    return { run, requests: model.requests };
  } finally {
    await model.stop();
  }
}

/** What every run begins with, as the model does it: look, register, get a passport. */
const opening = (name: string, summary: string): Script => [
  () => ({ call: 'stack_list_services', with: {} }),
  () => ({ call: 'stack_register_agent', with: { name, description: summary } }),
  ({ output }) => ({
    call: 'stack_issue_passport',
    with: { agent_id: output?.['id'], intent: { summary, services: ['slack'] } },
  }),
];

const callSlack = (method: string, { passport, body }: { passport: unknown; body: Json }) => ({
  call: 'stack_proxy_request',
  with: { service: 'slack', method: 'POST', path: `/${method}`, body, passport },
});

describe('the Python programs', () => {
  it('are the documented one, unchanged but for the URL', async () => {
    const documented = (await source('assistant.py')).replace(/^"""[\s\S]*?"""\n\n/, '');
    const hosted = documented.replace(OWN_URL, HOSTED_URL);
    assert.equal(createHash('sha256').update(hosted).digest('hex'), DOCUMENTED_SHA256);
    const around = /\n {8}agent = Agent\([\s\S]*?\n {8}\)\n|Runner\.run\(agent, ".*"\)/g;
    const other = (await source('approvals.py')).replace(/^"""[\s\S]*?"""\n\n/, '');
    assert.equal(other.replace(around, ''), documented.replace(around, ''));
  });
});

describe('an agent of openai-agents, the Python package', { skip }, () => {
  before(async () => {
    slack = await startSlack(BOT_TOKEN);
    const port = await freePort();
    appliance = await startAppliance({
      services: services(slack.port),
      agents,
      env: { SLACK_BOT_TOKEN: BOT_TOKEN },
      hosts: [`localhost:${port}`],
    });
    tap = await tapWire({ from: port, to: appliance.port });
    mcpUrl = `http://localhost:${port}/mcp`;
  });

  after(async () => {
    await tap?.stop();
    await appliance?.dispose();
    await slack?.stop();
  });

  it('lists services, registers, gets a passport and posts to Slack, which sees the credential', async () => {
    const { run, requests } = await runAgainst('assistant.py', [
      ...opening('announcer', 'Tell #alerts that the deploy is completed'),
      ({ output }) =>
        callSlack('chat.postMessage', {
          passport: output?.['token'],
          body: { channel: '#alerts', text: 'deploy completed' },
        }),
      () => ({ say: 'The message is in #alerts.' }),
    ]);
    assert.equal(run.stdout, 'The message is in #alerts.\n');
    assert.deepEqual(
      slack.seen.map((seen) => [seen.method, seen.url, headerOf(seen, 'authorization')]),
      [['POST', '/api/chat.postMessage', `Bearer ${BOT_TOKEN}`]],
    );
    assert.deepEqual(JSON.parse(slack.seen[0]?.body ?? ''), { channel: '#alerts', text: 'deploy completed' });

    const outputs = requests.map(({ output }) => output);
    const listed = outputs[1]?.['services'] as Json[];
    assert.deepEqual(
      listed.map(({ name, connected }) => ({ name, connected })),
      [{ name: 'slack', connected: true }],
    );
    assert.match(String(outputs[2]?.['id']), /^agt_/);
    assert.match(String(outputs[3]?.['jti']), /^pp_/);
    const answer = (outputs[4]?.['body'] ?? {}) as Json;
    assert.deepEqual([outputs[4]?.['status'], answer['ok']], [200, true]);
    assert.deepEqual(answer['got'], { authorization: 'Bearer [redacted:slack]' });
  });

  it('is refused a call under approval, as an answer that its model can act on, and Slack sees nothing', async () => {
    const before = slack.seen.length;
    const { run, requests } = await runAgainst('approvals.py', [
      ...opening('incident-closer', 'Archive the channel of incident 4711'),
      ({ output }) =>
        callSlack('conversations.archive', { passport: output?.['token'], body: { channel: 'C4711' } }),
      ({ output }) => ({ say: `Stopped: ${((output?.['error'] ?? {}) as Json)['code']}` }),
    ]);
    assert.equal(run.stdout, 'Stopped: APPROVAL_GATE_DENIED\n');
    assert.match(requests[0]?.instructions ?? '', /Poll stack_get_intent_approval until/);
    const refusal = (requests.at(-1)?.output?.['error'] ?? {}) as Json;
    assert.equal(((refusal['metadata'] ?? {}) as Json)['gate_reason'], 'approval_required');
    assert.ok(String(refusal['next']).length > 0);
    assert.equal(slack.seen.length, before);
  });

  it('submits, polls until a person has decided, and its call goes out once', async () => {
    const before = slack.seen.length;
    let passport: unknown;
    let approvalId: unknown;
    const archive = () => callSlack('conversations.archive', { passport, body: { channel: 'C4711' } }).with;
    const { run, requests } = await runAgainst('approvals.py', [
      ...opening('careful-closer', 'Archive the channel of incident 4711'),
      ({ output }) => {
        passport = output?.['token'];
        return { call: 'stack_submit_intent', with: { ...archive(), reason: 'incident 4711 is resolved' } };
      },
      ({ output }) => {
        approvalId = output?.['approval_id'];
        const path = `/v1/approvals/${String(approvalId)}/approve`;
        void askLocally(appliance, path, { method: 'POST', body: {} });
        return { call: 'stack_get_intent_approval', with: { approval_id: approvalId, wait_seconds: 2 } };
      },
      () => ({ call: 'stack_proxy_request', with: { ...archive(), approval_id: approvalId } }),
      () => ({ call: 'stack_proxy_request', with: { ...archive(), approval_id: approvalId } }),
      ({ output }) => ({
        say: `Then: ${String(((output?.['metadata'] ?? {}) as Json)['gate_reason'])}`,
      }),
    ]);
    assert.equal(run.stdout, 'Then: approval_spent\n');
    const outputs = requests.map(({ output }) => output);
    assert.deepEqual(
      outputs.slice(4, 7).map((output) => output?.['status']),
      ['pending', 'approved', 200],
    );
    assert.deepEqual(
      slack.seen.slice(before).map(({ body }) => body),
      ['{"channel":"C4711"}'],
    );
  });

  it('and its model got no byte of the credential, on the wire or in the log', async () => {
    transcript['bytes between Python and the appliance'] = tap.bytes();
    transcript['audit log'] = (await askLocally(appliance, '/v1/audit?limit=100')).text;
    transcript['process log'] = appliance.logs();
    assert.match(tap.bytes(), /chat\.postMessage[\s\S]*\[redacted:slack\]/, 'the wire was listened to');
    assert.ok(transcript['what the model saw of assistant.py']?.includes('[redacted:slack]'));
    assertAbsent(transcript, BOT_TOKEN);
  });
});
