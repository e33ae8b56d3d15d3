// The header rule against every forwarded and response entry of the corpus that is about headers alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { buildRequestHeaders } from '#platform/net/request-headers.ts';
import { filterResponseHeaders } from '#platform/net/response-headers.ts';

type Entry = {
  readonly id: string;
  readonly direction: string;
  readonly headers: [string, unknown][];
  readonly expect: string;
  readonly accept_also?: string[];
};
const corpus = JSON.parse(readFileSync(new URL('../../corpus/headers.json', import.meta.url), 'utf8')) as {
  readonly service: { readonly allow_headers: readonly string[] };
  readonly entries: readonly Entry[];
};
const RULE = {
  allow: corpus.service.allow_headers.map((name) => name.toLowerCase()),
  injected: ['authorization'],
  form: 'envelope' as const,
};

for (const entry of corpus.entries.filter(({ direction }) => direction === 'forwarded')) {
  test(`corpus ${entry.id}: ${entry.expect}`, () => {
    const built = buildRequestHeaders(entry.headers, RULE);
    const seen = !built.ok ? 'reject' : built.value.headers.length < entry.headers.length ? 'strip' : 'pass';
    const fits = [entry.expect === 'override' ? 'pass' : entry.expect, ...(entry.accept_also ?? [])];
    assert.ok(fits.includes(seen), `${seen}, expected ${fits.join(' or ')}`);
  });
}

/** What every client of HTTP says, or a service does not list: left out on the path form, refused in an envelope. (The
 * listener bounds the number of headers, H040.) */
const DROPPED_ON_THE_PATH_FORM = ['H012', 'H040', 'H073', 'H074', 'H089', 'H090', 'H107', 'H110', 'H111'];

for (const entry of corpus.entries.filter(({ direction }) => direction === 'forwarded')) {
  test(`corpus ${entry.id} on the path form: nothing passes that an envelope refuses`, () => {
    const built = buildRequestHeaders(entry.headers, { ...RULE, form: 'request' });
    const kept = built.ok ? built.value.headers.length : -1;
    if (entry.expect === 'pass' || entry.expect === 'override') assert.equal(kept, entry.headers.length);
    else if (entry.expect === 'strip' || DROPPED_ON_THE_PATH_FORM.includes(entry.id)) assert.equal(kept, 0);
    else assert.equal(kept, -1, 'must be refused');
  });
}

for (const entry of corpus.entries.filter(
  ({ direction, expect, id }) => direction === 'response' && expect !== 'withhold' && id !== 'H160',
)) {
  test(`corpus ${entry.id}: response header ${entry.expect}`, () => {
    const kept = filterResponseHeaders(entry.headers as [string, string][]);
    assert.equal(kept.length > 0, entry.expect === 'relay');
  });
}

test('who a proxy says the caller is, and where it says the call goes, is refused though the service lists it', () => {
  for (const name of [
    'X-Forwarded',
    'X-Forward-For',
    'X-Original-Host',
    'X-Rewrite-Path',
    'X-Envoy-Original-Path',
    'X-HTTP-Host-Override',
    'Remote-User',
    'x_remote_user',
    'X-Accel-Redirect',
    'X-Authorization',
    'CF-Access-JWT-Assertion',
  ]) {
    const rule = { ...RULE, allow: [name.toLowerCase()] };
    assert.equal(buildRequestHeaders([[name, 'a']], rule).ok, false, name);
  }
});
