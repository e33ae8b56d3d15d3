// Two agents do a job together over the wire: the second with a part of the first one's passport, refused outside of it on
// every surface, over when the first one is; and the report tells the story.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, it } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent } from '#test/support/canary.ts';
import { rpc } from '#test/support/mcp.ts';
import { type Answer, ask, askLocally, type Json } from '#test/support/requests.ts';

const SECRET = 'canary-delegation-4b8d20c6f19e73a5';

let appliance: Appliance;
let upstream: Server;
const seen: string[] = [];

before(async () => {
  upstream = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ got: request.url, with: request.headers.authorization }));
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: `
  desk:
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: desk }
    actions:
      "desk:tickets:read": [ "GET /tickets/**" ]
      "desk:refunds:create": [ "POST /refunds" ]`,
    agents: ['lead', 'helper'].map((name) => `  ${name}: { services: { desk: [ "desk:*" ] } }`).join('\n'),
  });
  const set = await askLocally(appliance, '/v1/secrets/desk', { method: 'PUT', body: { value: SECRET } });
  assert.equal(set.status, 200, set.text);
});

after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

type Passport = { readonly token: string; readonly jti: string };
const intent = { summary: 'settle ticket 7', services: ['desk'] };
const codeOf = ({ body }: Answer): unknown => (body['error'] as Json | undefined)?.['code'];

async function issued(): Promise<Passport> {
  const answer = await ask(appliance, '/v1/passports/issue', { body: { agent: 'lead', intent } });
  assert.equal(answer.status, 201, answer.text);
  return answer.body as unknown as Passport;
}

/** By the holder itself: no key is near it. */
const delegate = (by: Passport, more: Json = {}): Promise<Answer> =>
  ask(appliance, '/v1/passports/delegate', {
    headers: { authorization: `Bearer ${by.token}` },
    body: { child_agent_id: 'helper', intent: { summary: 'look it up', services: ['desk'] }, ...more },
  });

const call = (by: Passport, method: string, path: string): Promise<Answer> =>
  ask(appliance, '/v1/proxy', {
    headers: { authorization: `Bearer ${by.token}` },
    body: { service: 'desk', method, path },
  });

it('invariant 4: the second agent works inside its slice and nowhere else, whatever surface it takes', async () => {
  const lead = await issued();
  const rule = { service: 'desk', path: 'url.pathname', op: 'eq', value: '/tickets/7' };
  const delegated = await delegate(lead, { scopes: ['desk:tickets:read'], constraints: [rule] });
  assert.equal(delegated.status, 201, delegated.text);
  const helper = delegated.body as unknown as Passport;
  assert.equal((await call(helper, 'GET', '/tickets/7')).status, 200);
  const before = seen.length;
  assert.equal(codeOf(await call(helper, 'GET', '/tickets/8')), 'CONSTRAINT_FAILED');
  assert.equal(codeOf(await call(helper, 'POST', '/refunds')), 'ACTION_DENIED');
  const direct = await fetch(`${appliance.url}/proxy/desk/refunds`, {
    method: 'POST',
    headers: { authorization: `Bearer ${helper.token}` },
  });
  assert.equal(direct.status, 403);
  const params = {
    name: 'stack_proxy_request',
    arguments: { service: 'desk', method: 'POST', path: '/refunds' },
  };
  const tool = await rpc(appliance, {
    method: 'tools/call',
    params,
    headers: { authorization: `Bearer ${helper.token}` },
  });
  assert.match(tool.text, /ACTION_DENIED/);
  // What it came with is what it has: it cannot name the wider one, though both are of one session.
  const named = await ask(appliance, '/v1/proxy', {
    headers: { authorization: `Bearer ${helper.token}` },
    body: { service: 'desk', method: 'POST', path: '/refunds', passport: lead.jti },
  });
  assert.equal(codeOf(named), 'FORBIDDEN');
  assert.equal(seen.length, before, 'the service saw nothing of what was refused');
});

it('the holder of the parent may name what was delegated from it as the passport of a call', async () => {
  const lead = await issued();
  const helper = (await delegate(lead, { scopes: ['desk:tickets:read'] })).body as unknown as Passport;
  const named = await ask(appliance, '/v1/proxy', {
    headers: { authorization: `Bearer ${lead.token}` },
    body: { service: 'desk', method: 'GET', path: '/tickets/9', passport: helper.jti },
  });
  assert.equal(named.status, 200, named.text);
});

it('four hops work over the wire, and all of them are over with the first', async () => {
  const chain = [await issued()];
  for (let hop = 1; hop <= 4; hop += 1) {
    const next = await delegate(chain.at(-1) as Passport);
    assert.equal(next.status, 201, next.text);
    chain.push(next.body as unknown as Passport);
  }
  const last = chain.at(-1) as Passport;
  assert.equal(codeOf(await delegate(last)), 'DELEGATION_DEPTH_EXCEEDED');
  assert.equal((await call(last, 'GET', '/tickets/1')).status, 200);
  const revoked = await ask(appliance, `/v1/passports/${chain[0]?.jti}/revoke`, { body: {} });
  assert.equal(revoked.status, 200, revoked.text);
  for (const one of chain) assert.equal(codeOf(await call(one, 'GET', '/tickets/1')), 'PASSPORT_REVOKED');
});

it('a checkpoint, a refresh and a checkout by tool, and the report of the first tells all of it', async () => {
  const lead = await issued();
  const helper = (await delegate(lead, { scopes: ['desk:tickets:read'] })).body as unknown as Passport;
  assert.equal((await call(helper, 'GET', '/tickets/7')).status, 200);
  assert.equal(codeOf(await call(helper, 'POST', '/refunds')), 'ACTION_DENIED');
  assert.equal((await call(lead, 'POST', '/refunds')).status, 200);
  const use = async (name: string, args: Json): Promise<Json> => {
    const answer = await rpc(appliance, { method: 'tools/call', params: { name, arguments: args } });
    assert.equal(answer.result?.['isError'] ?? false, false, answer.text);
    return answer.result?.['structuredContent'] as Json;
  };
  await use('stack_checkpoint', {
    jti: lead.jti,
    services_used: ['desk'],
    actions_count: 2,
    summary: 'paid',
  });
  const next = await use('stack_refresh_passport', { token: lead.token });
  assert.equal((await call(helper, 'GET', '/tickets/7')).status, 200, 'the helper goes on');
  assert.equal(codeOf(await call(lead, 'GET', '/tickets/7')), 'PASSPORT_REVOKED');
  const out = await use('stack_checkout', { jti: next['jti'], outcome: 'success', summary: 'settled' });
  assert.equal(out['bucket'], 'clean');
  assert.equal(codeOf(await call(helper, 'GET', '/tickets/7')), 'PASSPORT_REVOKED');
  const report = await use('stack_get_passport_report', { jti: lead.jti });
  const totals = report['totals'] as Json;
  assert.deepEqual([totals['calls'], totals['success'], totals['blocked']], [4, 3, 1]);
  assert.equal((report['outcome'] as Json)['status'], 'checked_out');
  const markdown = String(report['markdown']);
  for (const said of ['settle ticket 7', helper.jti, 'paid', 'settled', '/tickets/7', 'ACTION\\_DENIED'])
    assert.ok(markdown.includes(said), `${said} in\n${markdown}`);
  assertAbsent({ report: JSON.stringify(report) }, SECRET);
});

it('corpus R016: of 50 delegations beside the revocation of the parent none has a child that lives', async () => {
  const lead = await issued();
  const middle = (await delegate(lead)).body as unknown as Passport;
  const tries = Array.from({ length: 50 }, () => delegate(middle));
  const revoke = ask(appliance, `/v1/passports/${lead.jti}/revoke`, { body: {} });
  const answers = await Promise.all(tries);
  assert.equal((await revoke).status, 200);
  const codes = new Set(answers.map((answer) => (answer.status === 201 ? 'made' : codeOf(answer))));
  for (const code of codes)
    assert.ok(['made', 'PASSPORT_REVOKED', 'CONFLICT', 'RATE_LIMITED'].includes(String(code)), String(code));
  for (const { status, body } of answers)
    if (status === 201)
      assert.equal(codeOf(await call(body as unknown as Passport, 'GET', '/tickets/1')), 'PASSPORT_REVOKED');
});
