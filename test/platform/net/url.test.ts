// The URL gate against every static entry of the corpus, and against the platform's own parser.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAllowedAddress } from '#platform/net/address.ts';
import { checkedAddresses } from '#platform/net/resolve.ts';
import { bindUrl, readUrl } from '#platform/net/url.ts';

type Entry = {
  readonly id: string;
  readonly kind: string;
  readonly input: string;
  readonly answers?: readonly (readonly string[])[];
  readonly expect: string;
  readonly reason: string;
  readonly rule?: {
    readonly host: string;
    readonly port: number;
    readonly path_prefix: string;
    readonly allow_private: readonly string[];
  };
};
const corpus = JSON.parse(readFileSync(new URL('../../corpus/ssrf-urls.json', import.meta.url), 'utf8')) as {
  readonly entries: readonly Entry[];
};
const GITHUB = { scheme: 'https', host: 'api.github.com', port: 443, path: '/repos', hosts: [] };

/** `ok`, or why not. */
function verdict(input: string, binding: typeof GITHUB): unknown {
  const url = readUrl(input);
  if (!url.ok) return url.fault.metadata['reason'];
  assert.equal(url.value.href, new URL(input).href, 'what is allowed has one canonical form');
  const bound = bindUrl(url.value, binding);
  return bound.ok ? 'ok' : bound.fault.metadata['reason'];
}

for (const entry of corpus.entries.filter(({ kind }) => kind === 'url')) {
  test(`corpus ${entry.id}: the text alone decides: ${entry.reason}`, () => {
    assert.equal(verdict(entry.input, GITHUB), entry.reason);
  });
}

for (const entry of corpus.entries.filter(({ kind }) => kind === 'dns' || kind === 'rule')) {
  test(`corpus ${entry.id}: the answers of one resolution decide`, async () => {
    const host = entry.rule?.host ?? GITHUB.host;
    const port = entry.rule?.port ?? 443;
    let asked = 0;
    const resolver = async (): Promise<readonly string[]> => {
      const answers = entry.answers?.[asked++] ?? [];
      if (answers.includes('TIMEOUT')) throw new Error('no answer');
      return answers.map((answer) => (answer === '<listener-address>' ? '198.18.0.1' : answer));
    };
    const network =
      entry.rule === undefined
        ? ({ kind: 'public' } as const)
        : ({ kind: 'private', ranges: entry.rule.allow_private } as const);
    const closed = (address: string): boolean => address === '198.18.0.1';
    const checked = await checkedAddresses({ host, port, network }, { resolver, closed });
    assert.equal(checked.ok, entry.expect === 'allow');
    assert.equal(asked, 1, 'one resolution');
  });
}

test('whatever text passes says the same to the platform parser', () => {
  const piece = fc.constantFrom(
    'https://',
    'api.github.com',
    '/repos/',
    'a',
    '%2F',
    '%2e',
    '..',
    '.',
    '//',
    '?',
    'x=1',
    '@',
    ':443',
    ':80',
    '\\',
    ';',
    '#',
    '%',
    "'",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const text = pieces.join('');
      const url = readUrl(text);
      return !url.ok || url.value.href === new URL(text).href;
    }),
    { numRuns: 2000 },
  );
});

test('special, mapped and translated addresses are never public', () => {
  const closed = [
    '127.0.0.1',
    '0.0.0.0',
    '10.1.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '::1',
    '::ffff:7f00:1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:0:4136:e378::1',
    'fe80::1',
    'fc00::1',
    'ff02::1',
    '2001:db8::1',
    '::',
  ];
  for (const address of closed) assert.equal(isAllowedAddress(address, { kind: 'public' }), false, address);
  for (const address of ['140.82.112.6', '2606:4700::1111'])
    assert.equal(isAllowedAddress(address, { kind: 'public' }), true, address);
  assert.equal(isAllowedAddress('10.1.1.1', { kind: 'private', ranges: [] }), true);
  assert.equal(isAllowedAddress('127.0.0.1', { kind: 'private', ranges: [] }), false);
  assert.equal(isAllowedAddress('169.254.169.254', { kind: 'private', ranges: [] }), false);
  assert.equal(isAllowedAddress('::1', { kind: 'loopback' }), true);
});
