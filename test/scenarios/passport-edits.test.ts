// A real token of a running appliance, edited in every way of the corpus, on the wire: it never makes a call, never verifies,
// and the service sees nothing of it.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, it } from 'node:test';
import { EDITS } from '#test/features/passports/recipes.ts';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { ask } from '#test/support/requests.ts';

let appliance: Appliance;
let upstream: Server;
let calls = 0;
let token: string;
let delegated: string;

before(async () => {
  upstream = createServer((_request, response) => {
    calls += 1;
    response.end('{}');
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: `
  desk:
    base_url: http://127.0.0.1:${port}
    network: loopback
    actions: { "desk:all:read": [ "GET /**" ] }`,
    agents: '  clerk: { services: { desk: [ "desk:*" ] } }',
  });
  const intent = { summary: 'look', services: ['desk'] };
  const issued = await ask(appliance, '/v1/passports/issue', { body: { agent: 'clerk', intent } });
  token = String(issued.body['token']);
  const body = { parent_token: token, child_agent_id: 'clerk', intent };
  delegated = String((await ask(appliance, '/v1/passports/delegate', { body })).body['token']);
});

after(async () => {
  await appliance?.dispose();
  upstream?.close();
});

const call = (bearer: string) =>
  ask(appliance, '/v1/proxy', {
    headers: { authorization: `Bearer ${bearer}` },
    body: { service: 'desk', method: 'GET', path: '/x' },
  });
/** Blanks around a header are no part of its value (RFC 9110 5.5), and a line break is no header. */
const ONLY_IN_A_BODY = ['leading-space', 'trailing-newline', 'whitespace-inside'];

it('the token itself makes a call, and so does what was delegated from it', async () => {
  for (const one of [token, delegated]) assert.equal((await call(one)).status, 200);
  assert.equal(calls, 2);
});

for (const [name, edit] of Object.entries(EDITS)) {
  it(`corpus edit ${name} is refused`, async () => {
    for (const whole of [token, delegated]) {
      const before = calls;
      const [head = '', body = '', mark = ''] = whole.split('.');
      const edited = edit({ head, body, mark, whole });
      assert.notEqual(edited, whole);
      const verified = await ask(appliance, '/v1/passports/verify', {
        headers: { authorization: '' },
        body: { token: edited },
      });
      assert.deepEqual(verified.body, { valid: false, code: 'PASSPORT_INVALID' });
      if (!ONLY_IN_A_BODY.includes(name)) assert.equal((await call(edited)).status, 401);
      assert.equal(calls, before);
    }
  });
}

it('a delegated token whose claims are put back to those of its parent is refused', async () => {
  const [head = '', , mark = ''] = delegated.split('.');
  const [, wider = ''] = token.split('.');
  assert.equal((await call(`${head}.${wider}.${mark}`)).status, 401);
});
