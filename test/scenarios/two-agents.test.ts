// Two agents of the OpenAI Agents SDK do a job together: the first holds a passport, the second a part of it. The second is
// refused outside its slice, and the report of the first tells the story of both.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { assistantMessage, ScriptedModel } from '@openai/agents/testing';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { ask, type Json } from '#test/support/requests.ts';
import { first, next, runScripted, toolOutputs } from '#test/support/scripted-agent.ts';

const SECRET = 'canary-two-agents-51c07be29fd84a36';
const ORDERS = { orders: [{ id: 7, total: 41 }] };

let upstream: Server;
let appliance: Appliance;
const reached: string[] = [];

before(async () => {
  upstream = createServer((request, response) => {
    reached.push(`${request.method} ${request.url}`);
    const known = request.headers.authorization === `Bearer ${SECRET}`;
    response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(known ? ORDERS : {}));
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: `
  shop:
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: SHOP_KEY }
    actions:
      shop:orders:read: [ "GET /orders", "GET /orders/*" ]
      shop:orders:cancel: [ "DELETE /orders/*" ]`,
    agents: `
  lead: { services: { shop: [ "shop:orders:*" ] } }
  reader: { services: { shop: [ "shop:orders:*" ] } }`,
    env: { SHOP_KEY: SECRET },
  });
});
after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

const call = (method: string, path: string): Json => ({ service: 'shop', method, path });

/** The program of an agent, which holds nothing but its passport. */
const play = (token: unknown, model: ScriptedModel) =>
  runScripted({
    model,
    url: appliance.mcpUrl,
    headers: { authorization: `Bearer ${token}` },
    prompt: 'Look after the orders.',
  });

async function issued(): Promise<Json> {
  const { body } = await ask(appliance, '/v1/passports/issue', {
    body: {
      agent: 'lead',
      intent: { summary: 'Look after the orders', services: ['shop'], will_delegate: true },
    },
  });
  return body;
}

/** The first agent: hands on the right to read, and nothing else. */
async function delegate(token: unknown): Promise<Json> {
  const model = new ScriptedModel([
    first('stack_delegate_passport', {
      child_agent_id: 'reader',
      scopes: ['shop:orders:read'],
      intent: { summary: 'Read order 7', services: ['shop'] },
    }),
    [assistantMessage('The reader has its passport.')],
  ]);
  await play(token, model);
  return toolOutputs(model)[0] ?? {};
}

/** The second: reads what it may, and tries what only the first may do. */
async function readAndOverstep(token: unknown): Promise<readonly Json[]> {
  const model = new ScriptedModel([
    first('stack_proxy_request', call('GET', '/orders/7')),
    next('stack_proxy_request', () => call('DELETE', '/orders/7')),
    next('stack_delegate_passport', () => ({
      child_agent_id: 'lead',
      scopes: ['shop:orders:cancel'],
      intent: { summary: 'Cancel it for me', services: ['shop'] },
    })),
    [assistantMessage('Order 7 is read; I may not cancel it.')],
  ]);
  await play(token, model);
  return toolOutputs(model);
}

const codeOf = (answer: Json | undefined): unknown => (answer?.['error'] as Json | undefined)?.['code'];

describe('two agents of the OpenAI Agents SDK', () => {
  it('invariant 4: do a job together, the second inside its slice only, and the report of the first tells it', async () => {
    const lead = await issued();
    const reader = await delegate(lead['token']);
    assert.match(String(reader['jti']), /^pp_/);
    assert.equal(reader['session_id'], lead['session_id']);
    const [read, overstepped, handedOn] = await readAndOverstep(reader['token']);
    assert.deepEqual([read?.['status'], read?.['body']], [200, ORDERS]);
    assert.deepEqual([codeOf(overstepped), codeOf(handedOn)], ['ACTION_DENIED', 'SCOPE_ESCALATION']);

    const model = new ScriptedModel([
      first('stack_proxy_request', call('DELETE', '/orders/7')),
      next('stack_get_passport_report', () => ({ jti: lead['jti'] })),
      [assistantMessage('Order 7 is cancelled.')],
    ]);
    await play(lead['token'], model);
    assert.deepEqual(reached, ['GET /orders/7', 'DELETE /orders/7']);
    const report = toolOutputs(model)[1] ?? {};
    const calls = report['calls'] as Json[];
    assert.deepEqual(
      calls.map(({ method, path, outcome }) => [method, path, outcome]),
      [
        ['GET', '/orders/7', 'success'],
        ['DELETE', '/orders/7', 'blocked'],
        ['DELETE', '/orders/7', 'success'],
      ],
    );
    assert.ok(JSON.stringify(report['delegations']).includes(String(reader['jti'])));
    for (const said of ['Look after the orders', 'Read order 7', 'reader', 'lead', '/orders/7'])
      assert.ok(String(report['markdown']).includes(said), `${said}\n${report['markdown']}`);
    assert.ok(!JSON.stringify(report).includes(SECRET));
  });
});
