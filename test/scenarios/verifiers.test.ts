// A service that verifies passports by itself, over HTTP and by `jose` alone: the public keys say who a passport is of, the
// status list whether it is over before its time. By the program that README shows.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import zlib from 'node:zlib';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { STATUS_LIST_BUILT_MS } from '#kernel/limits.ts';
import { type PathForm, startPathForm } from '#test/support/path-form.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';
import { type Ran, runExample } from '#test/support/run-example.ts';

let form: PathForm;
before(async () => {
  form = await startPathForm('call_timeout: 10s');
});
after(() => form?.dispose());

const INTENT = { summary: 'count the stock', services: ['shop'] };
async function issue(): Promise<{ readonly token: string; readonly jti: string }> {
  const { body } = await ask(form.appliance, '/v1/passports/issue', {
    body: { agent: 'clerk', intent: INTENT },
  });
  return { token: String(body['token']), jti: String(body['jti']) };
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const verified = (token: string, ...options: string[]): Promise<Ran> =>
  runExample('verify-passport.mjs', [form.appliance.url, token, ...options]);

describe('a service that checks passports by itself', () => {
  it('does so with the public keys alone, and believes nothing else', async () => {
    const { token } = await issue();
    const claims = decodeJwt(token);
    const good = await verified(token);
    assert.equal(claims.iss, form.appliance.url);
    assert.equal(good.code, 0, good.err);
    assert.match(good.out, /^clerk \(agt_[0-9a-f]{32}\) until .*\nshop: shop:\*/);
    const [head, said, mark = ''] = token.split('.');
    const forged = part({ ...claims, exp: Number(claims.exp) + 9_999 });
    for (const bad of [`${head}.${forged}.${mark}`, `${head}.${said}.${mark.slice(0, -4)}AAAA`]) {
      const refused = await verified(bad);
      assert.notEqual(refused.code, 0);
      assert.equal(refused.out, '');
    }
  });

  it('goes on through a change of the signing key: the keys before still verify', async () => {
    const { token } = await issue();
    await askLocally(form.appliance, '/v1/vault/rotate-signing-key', { method: 'POST' });
    const later = (await issue()).token;
    for (const one of [token, later]) assert.equal((await verified(one)).code, 0);
  });

  it('sees a revocation by the status list, and only there', async () => {
    const [spared, doomed] = [await issue(), await issue()];
    assert.equal((await verified(doomed.token, '--status')).code, 0);
    await askLocally(form.appliance, `/v1/passports/${doomed.jti}/revoke`, { method: 'POST' });
    await delay(STATUS_LIST_BUILT_MS);
    assert.equal((await verified(doomed.token)).code, 0);
    const refused = await verified(doomed.token, '--status');
    assert.notEqual(refused.code, 0);
    assert.deepEqual([refused.out, /is revoked/.test(refused.err)], ['', true]);
    const good = await verified(spared.token, '--status');
    assert.equal(good.code, 0, good.err);
  });
});

describe('the status list over HTTP', () => {
  it('is asked for without a key, says how long it may be kept, and verifies by the published keys', async () => {
    const { url } = form.appliance;
    const uri = `${url}/v1/passports/status-list`;
    const response = await fetch(uri);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/statuslist+jwt');
    assert.equal(response.headers.get('cache-control'), 'public, max-age=25');
    const list = await response.text();
    const keys = createRemoteJWKSet(new URL('/v1/.well-known/jwks.json', url));
    const by = { issuer: url, subject: uri, algorithms: ['EdDSA'], typ: 'statuslist+jwt' };
    const { payload } = await jwtVerify(list, keys, by);
    assert.equal(payload['ttl'], 25);
    const { bits, lst } = payload['status_list'] as { bits: number; lst: string };
    assert.equal(bits, 1);
    const places = zlib.inflateSync(Buffer.from(lst, 'base64url')).length * 8;
    const { status } = decodeJwt((await issue()).token) as { status: { status_list: Json } };
    assert.equal(status.status_list['uri'], uri);
    assert.ok(Number(status.status_list['idx']) < places);
  });

  it('and a passport are no proof of each other: each has a type and a key of its own', async () => {
    const { url } = form.appliance;
    const list = await (await fetch(`${url}/v1/passports/status-list`)).text();
    const { token } = await issue();
    assert.notEqual(decodeProtectedHeader(list).kid, decodeProtectedHeader(token).kid);
    const refused = await verified(list);
    assert.notEqual(refused.code, 0);
    assert.match(refused.err, /typ/);
    const { body } = await ask(form.appliance, '/v1/passports/verify', { body: { token: list } });
    assert.equal(body['valid'], false);
  });
});
