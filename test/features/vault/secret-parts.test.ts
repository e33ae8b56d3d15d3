// Of a credential only the secret part is searched for in answers: what is public in it passes unchanged.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Inject } from '#features/services/model.ts';
import { secretParts, secretTexts } from '#features/vault/secret-parts.ts';
import { compileRedactor, markerOf } from '#pipeline/redact.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const redacted = (secret: string, text: string, inject?: Inject): string =>
  compileRedactor(secretTexts(inject, secret).map((part) => ({ service: 'it', text: part }))).text(text);
const IT = markerOf('it');

describe('of HTTP Basic', () => {
  const pair: Inject = { kind: 'basic', template: '{secret}' };
  const user: Inject = { kind: 'basic', template: 'integration-user@example.com:{secret}' };

  it('the password is secret, the user and what comes before it in base64 are not', () => {
    const secret = 'ada.lovelace@example.com:tok3n-of-ada-77';
    const token = base64(secret);
    assert.equal(redacted(secret, 'by ada.lovelace@example.com', pair), 'by ada.lovelace@example.com');
    assert.equal(
      redacted(secret, base64('ada.lovelace@example.com'), pair),
      base64('ada.lovelace@example.com'),
    );
    for (const shown of ['tok3n-of-ada-77', token, base64(token), `Basic ${token}`])
      assert.ok(redacted(secret, shown, pair).includes(IT), shown);
  });

  it('the user is secret where there is no password', () => {
    assert.ok(redacted('sk_user_without_password:', base64('sk_user_without_password:'), pair).includes(IT));
  });

  it('the pair is, where the password is too short to be told from text', () => {
    const secret = 'ada@example.com:abc';
    assert.equal(redacted(secret, 'abc', pair), 'abc');
    assert.ok(redacted(secret, base64(secret), pair).includes(IT));
  });

  it('of user:{secret} the secret is, at whatever place of the token', () => {
    for (const name of ['a', 'ab', 'abc']) {
      const inject: Inject = { kind: 'basic', template: `${name}:{secret}` };
      assert.ok(redacted('Zq83-hT0x-9913', base64(`${name}:Zq83-hT0x-9913`), inject).includes(IT));
    }
    const public_ = base64('integration-user@example.com:');
    assert.equal(redacted('Zq83-hT0x-9913', public_, user), public_);
  });
});

describe('of a private key', () => {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });

  it('the lines are secret, the frame is not', () => {
    const frame = '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----';
    assert.equal(redacted(privateKey, frame), frame);
    const lines = privateKey.trim().split('\n').slice(1, -1);
    for (const line of [lines[0], lines[7], lines.join('\\n'), lines.join('')])
      assert.ok(!redacted(privateKey, String(line)).includes(String(lines[7]?.slice(20, 40))));
    assert.equal(redacted(privateKey, privateKey).split('\n').length <= lines.length + 3, true);
  });

  it('in the JSON of a service account only key and key members are', () => {
    const account = {
      type: 'service_account',
      project_id: 'the-project-4711-of-ours',
      private_key: privateKey,
      client_email: 'robot-of-ours@the-project-4711-of-ours.iam.gserviceaccount.com',
      token_uri: 'https://oauth2.googleapis.com/token',
      client_secret: 'GOCSPX-aB3dE5fG7hI9jK1lM3nO5pQ7',
    };
    const text = JSON.stringify(account);
    const { private_key: _key, client_secret: _secret, ...open } = account;
    assert.equal(redacted(text, JSON.stringify(open)), JSON.stringify(open));
    assert.ok(redacted(text, JSON.stringify({ v: account.client_secret })).includes(IT));
    assert.ok(redacted(text, text).includes(IT));
    assert.ok(!redacted(text, text).includes(privateKey.slice(100, 140)));
  });
});

describe('of other values', () => {
  it('a URL gives away its password and secret parameters, not its host', () => {
    assert.deepEqual(secretParts('postgres://app:s3cr3t-pa55w0rd@db.internal.example:5432/orders'), [
      's3cr3t-pa55w0rd',
      's3cr3t-pa55w0rd',
    ]);
    assert.deepEqual(
      new Set(secretParts('https://api.example.com/v1?region=eu-central&access_token=a1B2c3D4e5%2F')),
      new Set(['a1B2c3D4e5%2F', 'a1B2c3D4e5/']),
    );
  });

  it('a webhook gives away the random part of its path', () => {
    const parts = secretParts(
      'https://hooks.slack.com/services/T00000000/B00000000/aBcD3fGh1jKlMn0pQrStUvWx',
    );
    assert.deepEqual([...new Set(parts)], ['aBcD3fGh1jKlMn0pQrStUvWx']);
  });

  it('a connection string gives away its key', () => {
    const key = 'Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==';
    const text = `DefaultEndpointsProtocol=https;AccountName=ours;AccountKey=${key};EndpointSuffix=core.windows.net`;
    assert.deepEqual(secretParts(text), [key]);
  });

  it('a signed token gives away claims and signature, not the header that thousands share', () => {
    const header = base64('{"alg":"HS256","typ":"JWT"}').replace(/=+$/, '');
    const token = `${header}.eyJyb2xlIjoic2VydmljZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg`;
    assert.equal(redacted(token, header), header);
    assert.equal(redacted(token, token), `${header}.${IT}`);
  });

  it('everything else is secret as a whole, and so is what gives away nothing', () => {
    for (const value of [
      'ghp_EcHoCaNaRy7f3A9c2Db8E1Kq5Zw0',
      '{"region":"eu"}',
      'https://example.com/',
      'a=b c=d',
    ])
      assert.deepEqual(secretParts(value), [value]);
  });
});
