// A key that was revoked or has expired leaves nothing behind: not the passports it minted, and no request that was let in
// while it was live and sends its body afterwards. A thief prepares both.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as passing } from 'node:timers/promises';
import { head, type PathForm, rawClient, startPathForm } from '#test/support/path-form.ts';
import { type Answer, ask, askLocally } from '#test/support/requests.ts';

let form: PathForm;

before(async () => {
  form = await startPathForm('call_timeout: 10s');
});
after(async () => {
  await form?.dispose();
});

type Key = { readonly id: string; readonly secret: string };

async function makeKey(bounds: Record<string, unknown> = {}): Promise<Key> {
  const { body } = await askLocally(form.appliance, '/v1/keys', { body: { name: 'thief', ...bounds } });
  return { id: String(body['id']), secret: String(body['api_key']) };
}

const revoke = ({ id }: Key): Promise<Answer> =>
  askLocally(form.appliance, `/v1/keys/${id}`, { method: 'DELETE' });

const ISSUE = { agent: 'clerk', intent: { summary: 'stay', services: ['shop'] }, ttl_seconds: 3600 };

async function issue({ secret }: Key): Promise<string> {
  const authorization = `Bearer ${secret}`;
  const { body } = await ask(form.appliance, '/v1/passports/issue', {
    headers: { authorization },
    body: ISSUE,
  });
  return String(body['token']);
}

const callWith = (token: string): Promise<Answer> =>
  ask(form.appliance, '/proxy/shop/x', { headers: { authorization: `Bearer ${token}` } });

describe('a passport whose key has ended', () => {
  it('is refused from the revocation of its key on, and is listed no more', async () => {
    const key = await makeKey();
    const token = await issue(key);
    assert.equal((await callWith(token)).status, 200);
    await revoke(key);
    const reached = form.reached.length;
    const refused = await callWith(token);
    assert.equal(refused.status, 401);
    assert.match(refused.text, /PASSPORT_REVOKED/);
    assert.equal(form.reached.length, reached);
    const listed = await askLocally(form.appliance, '/v1/passports?limit=100');
    const own = await ask(form.appliance, '/v1/passports/verify', { body: { token } });
    assert.deepEqual([listed.body['passports'], own.body['valid']], [[], false]);
  });

  it('does not outlive the expiry of its key', async () => {
    const expires = new Date(Date.now() + 3_000).toISOString().replace(/\.\d+Z$/, 'Z');
    const key = await makeKey({ expires });
    const token = await issue(key);
    assert.equal((await callWith(token)).status, 200);
    await passing(3_000);
    assert.match((await callWith(token)).text, /PASSPORT_REVOKED/);
  });

  it('goes on where a person minted it, whatever happens to keys', async () => {
    const { body } = await askLocally(form.appliance, '/v1/passports/issue', { body: ISSUE });
    await revoke(await makeKey());
    assert.equal((await callWith(String(body['token']))).status, 200);
  });
});

/** Lets `line` in, ends the key, and only then sends the body. */
async function bodyAfterRevocation(line: string, body: string): Promise<string> {
  const { appliance } = form;
  const key = await makeKey();
  const client = rawClient(appliance);
  const headers = ['Connection: close', 'Content-Type: application/json', `Content-Length: ${body.length}`];
  client.write(head(appliance, line, headers).replace(appliance.apiKey, key.secret));
  client.write(body.slice(0, 1));
  await passing(300);
  await revoke(key);
  client.write(body.slice(1));
  return client.until();
}

describe('a request that a key began and whose body comes when the key has ended', () => {
  const cases = [
    ['a call whose body is judged', 'POST /proxy/shop/orders', { total: 5 }],
    ['a call in the envelope', 'POST /v1/proxy', { service: 'shop', method: 'GET', path: '/x' }],
    ['a verb', 'POST /v1/agents/register', { name: 'left-behind' }],
    [
      'a tool of MCP',
      'POST /mcp',
      {
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'stack_register_agent', arguments: { name: 'left-behind' } },
      },
    ],
  ] as const;
  for (const [what, line, body] of cases) {
    it(`is refused: ${what}`, async () => {
      const reached = form.reached.length;
      const answer = await bodyAfterRevocation(line, JSON.stringify(body));
      assert.match(answer, /^HTTP\/1\.1 401 /, answer);
      assert.equal(form.reached.length, reached);
    });
  }
});
