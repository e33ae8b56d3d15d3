// The passport of a call that waits for a person: it lives as long as the approval, may be refreshed meanwhile, and goes with a
// rejection. An agent that could approve for itself is told in the process log.
import assert from 'node:assert/strict';
import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { type Answer, ask, askLocally, type Json } from '#test/support/requests.ts';

let upstream: Server;
let appliance: Appliance;

before(async () => {
  upstream = createServer((_request, response) => response.end('{}'));
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: `
  ledger:
    base_url: http://127.0.0.1:${port}
    network: loopback
    actions: { "ledger:refunds:create": [ "POST /refunds/**" ] }
    approval: writes`,
    agents: `
  worker: { services: { ledger: [ "ledger:*" ] } }
  other: { services: { ledger: [ "ledger:*" ] } }`,
  });
});
after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

const refund = (id: string): Json => ({
  service: 'ledger',
  method: 'POST',
  path: `/refunds/${id}`,
  body: {},
});
const decide = (id: string, verb: string, body: Json = {}): Promise<Answer> =>
  askLocally(appliance, `/v1/approvals/${id}/${verb}`, { method: 'POST', body });

describe('the passport of a call that waits', () => {
  it('lives until the approval is over, whatever its own lease was, and no longer than its mission', async () => {
    const intent = { summary: 'short', services: ['ledger'] };
    const wish = { agent: 'worker', intent, ttl_seconds: 60 };
    const issued = await ask(appliance, '/v1/passports/issue', { body: wish });
    const headers = { 'x-passport-token': String(issued.body['token']) };
    const jti = String(issued.body['jti']);
    const leaseMs = async (): Promise<number> => {
      const { body } = await askLocally(appliance, '/v1/passports?limit=100&agent_id=worker');
      const row = (body['passports'] as Json[]).find((one) => one['jti'] === jti);
      return Date.parse(String(row?.['expires_at']));
    };
    const before = await leaseMs();
    const submitted = await ask(appliance, '/v1/intents', { headers, body: refund('lease') });
    assert.equal(submitted.status, 201, submitted.text);
    const [id, until] = [submitted.body['approval_id'], Date.parse(String(submitted.body['expires_at']))];
    assert.ok(until > before && (await leaseMs()) === until, 'as long as a person may decide');
    const decided = await decide(String(id), 'approve', { for_seconds: 7_200, uses: 1 });
    assert.equal(await leaseMs(), Date.parse(String(decided.body['expires_at'])));
    const capped = await ask(appliance, '/v1/intents', { headers, body: refund('day') });
    const long = await decide(String(capped.body['approval_id']), 'approve', { for_seconds: 86_400 });
    const missionMs = Date.parse(String(issued.body['expires_at'])) - 60_000 + 86_400_000;
    assert.ok(Date.parse(String(long.body['expires_at'])) <= missionMs + 1_000);
  });

  it('may have been refreshed: the new one of the same mission uses the approval', async () => {
    const intent = { summary: 'refreshed', services: ['ledger'] };
    const issued = await ask(appliance, '/v1/passports/issue', { body: { agent: 'worker', intent } });
    const headers = { 'x-passport-token': String(issued.body['token']) };
    const { body } = await ask(appliance, '/v1/intents', { headers, body: refund('refreshed') });
    const again = await ask(appliance, '/v1/passports/refresh', { body: { jti: issued.body['jti'] } });
    assert.equal(again.status, 201, again.text);
    assert.equal((await decide(String(body['approval_id']), 'approve')).status, 200);
    const fresh = { 'x-passport-token': String(again.body['token']) };
    const call = { approval_id: body['approval_id'] };
    const made = await ask(appliance, '/v1/proxy', { headers: fresh, body: call });
    assert.equal(made.status, 200, made.text);
  });

  it('ends with it: a revocation says how many approvals it took along', async () => {
    const intent = { summary: 'revoked', services: ['ledger'] };
    const issued = await ask(appliance, '/v1/passports/issue', { body: { agent: 'worker', intent } });
    const headers = { 'x-passport-token': String(issued.body['token']) };
    const ids: string[] = [];
    for (const name of ['one', 'two']) {
      const { body } = await ask(appliance, '/v1/intents', { headers, body: refund(name) });
      ids.push(String(body['approval_id']));
    }
    const path = `/v1/passports/${String(issued.body['jti'])}/revoke`;
    const revoked = await ask(appliance, path, { body: {} });
    assert.equal((revoked.body['cut'] as Json)['approvals'], 2);
    for (const id of ids) {
      const { body } = await askLocally(appliance, `/v1/approvals/${id}`);
      assert.deepEqual([body['status'], body['ended']], ['expired', 'passport_revoked']);
      assert.equal((await decide(id, 'approve')).status, 409);
    }
  });

  it('takes its children along when the call is rejected', async () => {
    const intent = { summary: 'parent', services: ['ledger'] };
    const issued = await ask(appliance, '/v1/passports/issue', { body: { agent: 'worker', intent } });
    const parting = { parent_jti: issued.body['jti'], child_agent_id: 'other', intent };
    const child = await ask(appliance, '/v1/passports/delegate', { body: parting });
    assert.equal(child.status, 201, child.text);
    const headers = { 'x-passport-token': String(issued.body['token']) };
    const { body } = await ask(appliance, '/v1/intents', { headers, body: refund('family') });
    const rejected = await decide(String(body['approval_id']), 'reject');
    assert.deepEqual(
      [...(rejected.body['revoked'] as string[])].sort(),
      [String(issued.body['jti']), String(child.body['jti'])].sort(),
    );
    const own = { headers: { 'x-passport-token': String(child.body['token']) } };
    assert.equal((await ask(appliance, '/v1/services', own)).status, 401);
  });
});

describe('an agent under the own user of the appliance', () => {
  it('is told in the process log, once: it could approve for itself', async () => {
    const agent = request(`${appliance.url}/v1/passports/verify`, { method: 'POST', agent: new Agent() });
    agent.on('error', () => undefined);
    agent.write('{');
    const told = (): number => appliance.logs().split('could approve its own calls').length - 1;
    const end = performance.now() + 12_000;
    while (told() === 0 && performance.now() < end) await new Promise((done) => setTimeout(done, 50));
    agent.destroy();
    assert.equal(told(), 1);
  });
});
