// A sealed value of the config opens for the service it was sealed for and nowhere else, and a slip in its text is seen
// without a key.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '#features/services/model.ts';
import { createCredentials } from '#features/vault/credentials.ts';
import { openKeyring } from '#features/vault/keyring.ts';
import { sealForConfig } from '#features/vault/seal.ts';
import { formatSealed, leashProblem, readSealed } from '#features/vault/sealed.ts';
import { Sensitive } from '#kernel/sensitive.ts';
import { createEnvelope } from '#platform/crypto/envelope.ts';
import { loadSodium } from '#platform/crypto/sodium.ts';
import { systemHost } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';

const host = systemHost();
const envelope = createEnvelope(await loadSodium(), host.randomBytes);
const vault = () => openKeyring([], { envelope, host, root: new Sensitive(host.randomBytes(32)) }).keyring;
const keyring = vault();
const SECRET = 'canary-of-a-sealed-value';
const nothing: Reader = {
  all: async () => [],
  first: async () => undefined,
  recall: () => undefined,
};

const BILLING: Service = {
  name: 'billing',
  title: 'Billing',
  base: { scheme: 'https', host: 'billing.test', port: 443, path: '/v1' },
  hosts: ['*.billing.test'],
  network: { kind: 'public' },
  caPem: undefined,
  inject: { kind: 'header', name: 'x-api-key', template: '{secret}' },
  secret: undefined,
  verify: undefined,
  headersAllow: [],
  headersFixed: [],
  headersVolatile: [],
  actions: [],
  approval: [],
};

function seal(value = SECRET, hosts: readonly string[] = [], service = BILLING): string {
  const sealed = sealForConfig({ envelope, host, to: keyring.current() }, { service, hosts, value });
  assert.ok(sealed.ok, sealed.ok ? '' : sealed.fault.detail);
  return sealed.value;
}

/** What a call with this value at this service meets. */
async function meets(text: string, change: Partial<Service> = {}, ring = keyring): Promise<string> {
  const service: Service = { ...BILLING, ...change, secret: { kind: 'sealed', text } };
  const environment = () => undefined;
  const deps = { reader: nothing, keyring: ring, host, environment, readFile: environment };
  const credentials = await createCredentials([service], deps);
  const opened = credentials.open(service);
  if (opened.ok) return opened.value.reveal();
  assert.equal(credentials.presence(service).connected, false);
  assert.deepEqual(credentials.liveSecrets(), []);
  return `${opened.fault.code}: ${opened.fault.detail ?? ''}`;
}

test('a sealed value opens for its service, and shows nothing of itself before', async () => {
  const text = seal();
  assert.equal(await meets(text), SECRET);
  assert.ok(!Buffer.from(text, 'base64url').includes(SECRET) && !text.includes(SECRET));
  assert.match(text, /^sealed1\.[\w-]+\.[\w-]+\.[\w-]+\.[\w-]{12}$/);
});

test('invariant 3: a sealed value moved to another service, scheme, port, path or further hosts does not open', async () => {
  const text = seal();
  const { base } = BILLING;
  const moves: Partial<Service>[] = [
    { name: 'evil' },
    { base: { ...base, host: 'evil.test' } },
    { base: { ...base, scheme: 'http' } },
    { base: { ...base, port: 8443 } },
    { base: { ...base, path: '' } },
    { hosts: [...BILLING.hosts, 'evil.test'] },
    { hosts: ['*.test'] },
  ];
  for (const move of moves) {
    const met = await meets(text, move);
    assert.match(met, /^VAULT_SEALED: .*seal it again: stack seal --service/, JSON.stringify(move));
  }
});

test('a service that became narrower keeps its value; hosts can be sealed for before they are used', async () => {
  assert.equal(await meets(seal(), { hosts: [] }), SECRET);
  const wide = seal(SECRET, ['billing.test', '*.billing.test', 'new.test']);
  assert.equal(await meets(wide, { hosts: ['new.test'] }), SECRET);
});

test('invariant 3: who rewrites the leash that stands in clear gets a value that does not open', async () => {
  const sealed = readSealed(seal());
  assert.ok(sealed);
  for (const edit of [{ service: 'evil' }, { hosts: ['billing.test', '*.billing.test', 'evil.test'] }]) {
    const leash = { ...sealed.leash, ...edit };
    const forged = formatSealed(leash, sealed.wrapped);
    const move = edit.service === undefined ? { hosts: ['evil.test'] } : { name: 'evil' };
    assert.equal(leashProblem(readSealed(forged) ?? sealed, { ...BILLING, ...move }), undefined);
    assert.match(await meets(forged, move), /^VAULT_SEALED: .*does not open/);
  }
});

test('another vault does not open it, and says that it is another', async () => {
  assert.match(await meets(seal(), {}, vault()), /^VAULT_SEALED: .*another vault/);
});

test('every slip in the text is seen without a key', () => {
  const text = seal();
  for (let at = 0; at < text.length; at += 1) {
    const other = text[at] === 'A' ? 'B' : 'A';
    assert.equal(readSealed(text.slice(0, at) + other + text.slice(at + 1)), undefined, `at ${at}`);
    assert.equal(readSealed(text.slice(0, at) + text.slice(at + 1)), undefined, `without ${at}`);
  }
  for (const bad of ['', 'sealed1', `${text}.x`, ` ${text}`, `${text}\n`, text.toUpperCase()])
    assert.equal(readSealed(bad), undefined);
});

test('what could not be a secret, or would not open for its service, is not sealed', () => {
  for (const value of ['short', 'aaaaaaaaaaaa', 'with\nline', ''])
    assert.ok(
      !sealForConfig({ envelope, host, to: keyring.current() }, { service: BILLING, hosts: [], value }).ok,
    );
  const few = { service: BILLING, hosts: ['billing.test'], value: SECRET };
  const refused = sealForConfig({ envelope, host, to: keyring.current() }, few);
  assert.ok(!refused.ok);
  assert.match(refused.fault.detail ?? '', /\*\.billing\.test/);
});

test('a value that was sealed by another hand and could not be scrubbed is not used', async () => {
  const sealed = readSealed(seal());
  assert.ok(sealed);
  const wrapped = keyring.wrap(Buffer.from('a\r\nb: c'), sealed.binding);
  assert.match(await meets(formatSealed(sealed.leash, wrapped)), /^CREDENTIAL_MISSING/);
});

test('a host that is none, or is written another way, is told or understood', () => {
  const to = keyring.current();
  const odd = { service: BILLING, hosts: ['https://billing.test/v1'], value: SECRET };
  const refused = sealForConfig({ envelope, host, to }, odd);
  assert.ok(!refused.ok);
  assert.match(refused.fault.detail ?? '', /no host name: leave out scheme/);
  assert.deepEqual(readSealed(seal(SECRET, ['Billing.TEST', '*.billing.test']))?.leash.hosts, [
    '*.billing.test',
    'billing.test',
  ]);
});
