// An agent's machine that holds no API key: it enrolls a key of its own by a challenge, asks for a passport with it and calls.
// By the program that README shows.
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type PathForm, startPathForm } from '#test/support/path-form.ts';
import { type Answer, ask, askLocally, type Json } from '#test/support/requests.ts';
import { runExample } from '#test/support/run-example.ts';

let form: PathForm;
let folder: string;
before(async () => {
  form = await startPathForm('call_timeout: 10s');
  folder = await mkdtemp(join(tmpdir(), 'agent-key-'));
});
after(async () => {
  await form?.dispose();
  await rm(folder, { recursive: true, force: true });
});

const challenge = async (agent = 'clerk'): Promise<Json> =>
  (await askLocally(form.appliance, `/v1/agents/${agent}/enrollment-challenge`, { method: 'POST' })).body;

const publicJwk = (key: KeyObject): Json => {
  const { kty, crv, x } = key.export({ format: 'jwk' });
  return { kty, crv, x };
};

type Pair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
const pair = (): Pair => generateKeyPairSync('ed25519');

/** Answers a challenge with a key; `change` alters what is sent. */
function answer({ publicKey, privateKey }: Pair, made: Json, change: Json = {}): Promise<Answer> {
  const { agent_id, challenge_id, challenge: text } = made;
  const signed_challenge = sign(null, Buffer.from(String(text)), privateKey).toString('base64url');
  const body = { public_key: publicJwk(publicKey), challenge_id, signed_challenge, ...change };
  return ask(form.appliance, `/v1/agents/${agent_id}/enroll`, { headers: { authorization: '' }, body });
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const seconds = (): number => Math.floor(Date.now() / 1000);

/** A JWT of an agent; `claims` and `header` alter it. */
function jwt({ privateKey }: Pair, agentId: unknown, claims: Json = {}, header: Json = {}): string {
  const body = { sub: agentId, aud: 'stack:agent', iat: seconds(), ...claims };
  const text = `${part({ alg: 'EdDSA', ...header })}.${part(body)}`;
  return `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`;
}

const INTENT = { summary: 'count the stock', services: ['shop'] };
const issueWith = (token: string, body: Json = { agent: 'clerk', intent: INTENT }): Promise<Answer> =>
  ask(form.appliance, '/v1/passports/issue', { headers: { authorization: `Bearer ${token}` }, body });

async function enrolled(agent = 'clerk'): Promise<{ readonly keys: Pair; readonly agentId: unknown }> {
  const keys = pair();
  const made = await challenge(agent);
  assert.equal((await answer(keys, made)).status, 201);
  return { keys, agentId: made['agent_id'] };
}

describe('an agent’s machine without an API key', () => {
  it('enrolls, asks for a passport and calls, by the program that README shows', async () => {
    const file = join(folder, 'key.pem');
    const { url } = form.appliance;
    const made = await challenge();
    const first = await runExample('agent-key.mjs', ['enroll', url, file], JSON.stringify(made));
    assert.equal(first.code, 0, first.err);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const agentId = String(made['agent_id']);
    const second = await runExample('agent-key.mjs', [
      'passport',
      url,
      file,
      agentId,
      'count the stock',
      'shop',
    ]);
    assert.equal(second.code, 0, second.err);
    const { token } = JSON.parse(second.out) as { token: string };
    const called = await ask(form.appliance, '/proxy/shop/items', {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(called.status, 200);
    const again = await runExample('agent-key.mjs', ['enroll', url, file], JSON.stringify(made));
    assert.notEqual(again.code, 0);
    assert.match(again.err, /UNAUTHORIZED/);
    const secret = await readFile(file, 'utf8');
    assert.ok(!first.out.includes(secret) && !second.out.includes(secret));
  });

  it('uses the passport as a header beside its JWT, too, and needs one to call', async () => {
    const { keys, agentId } = await enrolled();
    const { body } = await issueWith(jwt(keys, agentId));
    const beside = { authorization: `Bearer ${jwt(keys, agentId)}` };
    const called = await ask(form.appliance, '/proxy/shop/items', {
      headers: { ...beside, 'x-passport-token': String(body['token']) },
    });
    const bare = await ask(form.appliance, '/proxy/shop/items', { headers: beside });
    assert.deepEqual([called.status, bare.status], [200, 401]);
    assert.match(bare.text, /AGENT_UNIDENTIFIED/);
    const named = await ask(form.appliance, '/proxy/shop/items', {
      headers: { ...beside, 'x-stack-agent': 'clerk' },
    });
    assert.match(named.text, /AGENT_UNIDENTIFIED/);
  });

  it('lists and revokes what it minted, and reaches no verb of operators', async () => {
    const { keys, agentId } = await enrolled();
    const { body } = await issueWith(jwt(keys, agentId));
    const own = { authorization: `Bearer ${jwt(keys, agentId)}` };
    const listed = await ask(form.appliance, '/v1/passports', { headers: own });
    assert.deepEqual(
      (listed.body['passports'] as Json[]).map(({ jti }) => jti),
      [body['jti']],
    );
    const revoked = await ask(form.appliance, `/v1/passports/${body['jti']}/revoke`, {
      method: 'POST',
      headers: own,
    });
    assert.equal(revoked.status, 200);
    for (const [method, path, sent] of [
      ['POST', '/v1/agents/register', { name: 'another' }],
      ['POST', '/v1/agents/clerk/enrollment-challenge', undefined],
      ['PATCH', '/v1/agents/clerk', { description: 'mine' }],
      ['GET', '/v1/keys', undefined],
      ['PUT', '/v1/secrets/x', { value: 'v'.repeat(20) }],
    ] as const) {
      const refused = await ask(form.appliance, path, { method, headers: own, body: sent });
      assert.equal(refused.status, 403, `${method} ${path}`);
    }
  });
});

describe('a challenge', () => {
  it('is answered once, by whoever signs it, and of fifty answers one enrolls', async () => {
    const made = await challenge();
    const answers = await Promise.all(Array.from({ length: 50 }, () => answer(pair(), made)));
    const statuses = answers.map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 201).length, 1);
    assert.ok(
      statuses.every((status) => [201, 401, 409].includes(status)),
      String(statuses),
    );
  });

  it('takes no other signature, id, agent, and no private key', async () => {
    const made = await challenge();
    const keys = pair();
    const other = sign(null, Buffer.from('another text'), keys.privateKey).toString('base64url');
    const foreign = { ...publicJwk(keys.publicKey), d: 'c2VjcmV0' };
    const tries = [
      await answer(keys, made, { signed_challenge: other }),
      await answer(keys, made, { public_key: publicJwk(pair().publicKey) }),
      await answer(keys, { ...made, challenge_id: `chl_${'0'.repeat(64)}` }),
      await answer(keys, { ...made, agent_id: 'nobody' }),
    ];
    assert.deepEqual(
      tries.map(({ status, body }) => [status, (body['error'] as Json)['code']]),
      tries.map(() => [401, 'UNAUTHORIZED']),
    );
    assert.equal((await answer(keys, made, { public_key: foreign })).status, 400);
    assert.equal((await answer(keys, made)).status, 201);
  });

  it('stands nowhere on the appliance: not in state, log or output', async () => {
    const made = await challenge();
    const secret = String(made['challenge_id']).slice('chl_'.length);
    const names = await readdir(form.appliance.dataDir);
    const held = await Promise.all(
      names
        .filter((name) => name.startsWith('stack.db'))
        .map((name) => readFile(join(form.appliance.dataDir, name))),
    );
    assert.ok(held.length > 0 && held.every((bytes) => !bytes.includes(secret)));
    assert.ok(!form.appliance.logs().includes(secret));
  });

  it('ends with the API key that made it', async () => {
    const key = (await askLocally(form.appliance, '/v1/keys', { body: { name: 'stolen' } })).body;
    const headers = { authorization: `Bearer ${key['api_key']}` };
    const path = '/v1/agents/clerk/enrollment-challenge';
    const made = (await ask(form.appliance, path, { method: 'POST', headers })).body;
    await askLocally(form.appliance, `/v1/keys/${key['id']}`, { method: 'DELETE' });
    assert.equal((await answer(pair(), made)).status, 401);
  });

  it('is over with the next one of its agent', async () => {
    const first = await challenge();
    const second = await challenge();
    assert.equal((await answer(pair(), first)).status, 401);
    assert.equal((await answer(pair(), second)).status, 201);
  });
});

/** In the unit of what ended it: with an entry of its own, so that what is open under it is cut. */
async function assertRevoked(token: unknown, reason: string): Promise<void> {
  const claims = JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()) as Json;
  const { body } = await askLocally(form.appliance, `/v1/audit?passport_jti=${claims['jti']}&limit=100`);
  const ends = (body['entries'] as Json[]).filter(({ action }) => action === 'passport.revoke');
  assert.deepEqual(
    ends.map((entry) => (entry['detail'] as Json)['reason']),
    [reason],
  );
}

describe('an agent’s JWT', () => {
  it('is refused when it is old, ahead, for others, unsigned, or says more than it may', async () => {
    const { keys, agentId } = await enrolled();
    const old = { iat: seconds() - 61 };
    for (const [why, token] of Object.entries({
      old: jwt(keys, agentId, old),
      ahead: jwt(keys, agentId, { iat: seconds() + 30 }),
      'not yet': jwt(keys, agentId, { nbf: seconds() + 30 }),
      over: jwt(keys, agentId, { exp: seconds() - 1 }),
      'without iat': jwt(keys, agentId, { iat: undefined }),
      audience: jwt(keys, agentId, { aud: 'stack:other' }),
      audiences: jwt(keys, agentId, { aud: ['stack:agent', 'another'] }),
      'another key': jwt(pair(), agentId),
      'another agent': jwt(keys, `agt_${'0'.repeat(32)}`),
      'no algorithm': jwt(keys, agentId, {}, { alg: 'none' }),
      'embedded key': jwt(keys, agentId, {}, { jwk: publicJwk(keys.publicKey) }),
      'another kid': jwt(keys, agentId, {}, { kid: 'x' }),
      'passport type': jwt(keys, agentId, {}, { typ: 'passport+jwt' }),
      cut: jwt(keys, agentId).slice(0, -4),
    })) {
      const refused = await issueWith(token);
      assert.equal(refused.status, 401, why);
    }
    assert.equal((await issueWith(jwt(keys, agentId))).status, 201);
    assert.equal((await issueWith(jwt(keys, agentId, { nbf: seconds(), exp: seconds() + 60 }))).status, 201);
  });

  it('asks for its own agent only', async () => {
    const { keys, agentId } = await enrolled();
    await ask(form.appliance, '/v1/agents/register', { body: { name: 'other-one' } });
    const refused = await issueWith(jwt(keys, agentId), { agent: 'other-one', intent: INTENT });
    assert.equal(refused.status, 403);
  });

  it('ends with its key, and so do the passports: by another key, by removal, with the agent', async () => {
    const call = (token: unknown): Promise<Answer> =>
      ask(form.appliance, '/proxy/shop/items', { headers: { authorization: `Bearer ${token}` } });
    const first = await enrolled();
    const held = (await issueWith(jwt(first.keys, first.agentId))).body['token'];
    assert.equal((await call(held)).status, 200);
    const second = await enrolled();
    assert.equal((await issueWith(jwt(first.keys, first.agentId))).status, 401);
    assert.match((await call(held)).text, /PASSPORT_REVOKED/);
    await assertRevoked(held, 'Agent key replaced');
    const last = (await issueWith(jwt(second.keys, second.agentId))).body['token'];
    const removed = await askLocally(form.appliance, '/v1/agents/clerk/key', { method: 'DELETE' });
    assert.equal(removed.status, 200);
    assert.equal((await issueWith(jwt(second.keys, second.agentId))).status, 401);
    await assertRevoked(last, 'Agent key removed');
    const again = await askLocally(form.appliance, '/v1/agents/clerk/key', { method: 'DELETE' });
    assert.equal(again.status, 404);
  });

  it('is of one agent: a key that another agent has is not enrolled', async () => {
    const { keys } = await enrolled();
    await ask(form.appliance, '/v1/agents/register', { body: { name: 'second-one' } });
    const refused = await answer(keys, await challenge('second-one'));
    assert.equal(refused.status, 409);
    await askLocally(form.appliance, '/v1/agents/second-one', { method: 'DELETE' });
  });
});
