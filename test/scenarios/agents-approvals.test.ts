// The documented approval flow with the OpenAI Agents SDK: the model submits, polls until a person has decided, and calls with the
// approval. A second use, another body and a rejection end as the documents say.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Agent, MCPServerStreamableHttp, Runner, setTracingDisabled } from '@openai/agents';
import {
  assistantMessage,
  functionCall,
  modelResponder,
  type RecordedModelCall,
  ScriptedModel,
} from '@openai/agents/testing';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { type LocalUpstream, startSlack } from '#test/support/local-upstream.ts';
import { askLocally, type Json } from '#test/support/requests.ts';

setTracingDisabled(true);
const BOT_TOKEN = 'xoxb-canary-3b3b-5f9e0c71d2a8';
const INSTRUCTIONS =
  'You manage Stripe refunds and Slack incident channels.\n' +
  'Before any stripe:refunds:create or slack:channels:archive call:\n' +
  '  1. stack_submit_intent with the candidate IntentClaim.\n' +
  "  2. Poll stack_get_intent_approval until status != 'pending'.\n" +
  '  3. If approved, call stack_proxy_request with approval_id.\n' +
  '  4. If rejected or expired, stop. Do not retry.';

let slack: LocalUpstream;
let appliance: Appliance;

before(async () => {
  slack = await startSlack(BOT_TOKEN);
  appliance = await startAppliance({
    services: `
  slack:
    base_url: http://127.0.0.1:${slack.port}/api
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: SLACK_BOT_TOKEN }
    actions: { "slack:channels:archive": [ "POST /conversations.archive" ] }
    approval: [ slack:channels:archive ]`,
    agents: `
  closer: { services: { slack: [ "slack:*" ] } }
  hasty: { services: { slack: [ "slack:*" ] } }`,
    env: { SLACK_BOT_TOKEN: BOT_TOKEN },
  });
});
after(async () => {
  await appliance?.dispose();
  await slack?.stop();
});

/** What the model was shown as the output of the tool it called last. */
function lastOutput(call: RecordedModelCall): Json {
  const { input } = call.request;
  assert.ok(Array.isArray(input));
  const item = input.findLast((entry) => entry.type === 'function_call_result');
  assert.ok(item?.type === 'function_call_result');
  const output: unknown = item.output;
  const first: unknown = Array.isArray(output) ? output[0] : output;
  return JSON.parse(typeof first === 'string' ? first : (first as { text: string }).text) as Json;
}

const step = (tool: string, from: (output: Json) => Json) =>
  modelResponder((call) => [functionCall(tool, from(lastOutput(call)), { callId: `call-${call.index}` })]);
const ARCHIVE: Json = {
  service: 'slack',
  method: 'POST',
  path: '/conversations.archive',
  body: { channel: 'C4711' },
};

async function run(agentName: string, model: ScriptedModel): Promise<readonly Json[]> {
  const server = new MCPServerStreamableHttp({
    name: 'STACK',
    url: appliance.mcpUrl,
    requestInit: {
      headers: { authorization: `Bearer ${appliance.apiKey}`, 'x-stack-agent': agentName },
    },
    errorFunction: null,
  });
  await server.connect();
  try {
    const agent = new Agent({ name: 'Assistant', instructions: INSTRUCTIONS, model, mcpServers: [server] });
    await new Runner({ tracingDisabled: true }).run(agent, 'Incident 4711 is resolved: archive its channel.');
    model.assertComplete();
    return model.calls.slice(1).map(lastOutput);
  } finally {
    await server.close();
  }
}

/** The person at the other end, while the model polls. */
function decide(id: unknown, verb: string): void {
  const path = `/v1/approvals/${String(id)}/${verb}`;
  void askLocally(appliance, path, { method: 'POST', body: { note: 'by a person' } });
}
const gateReason = (refusal: Json | undefined): unknown =>
  ((refusal?.['metadata'] ?? {}) as Json)['gate_reason'];

describe('an agent of the OpenAI Agents SDK', () => {
  it('submits, polls, and makes the call that a person approved, once', async () => {
    let id: unknown;
    const [submitted, polled, made, again, other] = await run(
      'closer',
      new ScriptedModel([
        [functionCall('stack_submit_intent', { ...ARCHIVE, reason: 'resolved' }, { callId: 'call-0' })],
        step('stack_get_intent_approval', (output) => {
          id = output['approval_id'];
          decide(id, 'approve');
          return { approval_id: id, wait_seconds: 2 };
        }),
        step('stack_proxy_request', () => ({ ...ARCHIVE, approval_id: id })),
        step('stack_proxy_request', () => ({ ...ARCHIVE, approval_id: id })),
        step('stack_proxy_request', () => ({ ...ARCHIVE, body: { channel: 'C1' }, approval_id: id })),
        [assistantMessage('Archived.')],
      ]),
    );
    assert.deepEqual(
      [submitted?.['status'], polled?.['status'], polled?.['note']],
      ['pending', 'approved', 'by a person'],
    );
    assert.equal(made?.['status'], 200);
    assert.equal(gateReason(again), 'approval_spent');
    assert.equal(gateReason(other), 'call_mismatch');
    assert.deepEqual(
      slack.seen.map(({ body }) => body),
      ['{"channel":"C4711"}'],
    );
  });

  it('is stopped by a rejection, which takes its passport with it', async () => {
    const before = slack.seen.length;
    const [, polled, refused] = await run(
      'hasty',
      new ScriptedModel([
        [functionCall('stack_submit_intent', ARCHIVE, { callId: 'call-0' })],
        step('stack_get_intent_approval', (output) => {
          decide(output['approval_id'], 'reject');
          return { approval_id: output['approval_id'], wait_seconds: 2 };
        }),
        step('stack_proxy_request', (output) => ({ ...ARCHIVE, approval_id: output['approval_id'] })),
        [assistantMessage('Stopped.')],
      ]),
    );
    assert.equal(polled?.['status'], 'rejected');
    assert.equal(((refused?.['error'] ?? {}) as Json)['code'], 'PASSPORT_REVOKED');
    assert.equal(slack.seen.length, before);
  });
});
