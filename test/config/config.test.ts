// The config says every mistake at once, with line and suggestion, and never prints a secret.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { asFault, envelope } from '#kernel/errors.ts';
import { CONFIG_BYTES_MAX, JSON_DEPTH_MAX, URL_BYTES_MAX } from '#kernel/limits.ts';
import { parseStrictJson } from '#kernel/strict-json.ts';
import { readUrl } from '#platform/net/url.ts';
import { type Config, readConfig } from '../../src/config.ts';

const nothing = (): undefined => undefined;
const AROUND = {
  path: '/nowhere/config.yaml',
  environment: nothing,
  readFile: nothing,
  folderProblem: nothing,
  keyFileProblem: nothing,
};

function mistakes(...lines: string[]): readonly { line: number; message: string; path: string }[] {
  const read = readConfig(lines.join('\n'), AROUND);
  return 'mistakes' in read ? read.mistakes : [];
}

function config(text: string): Config {
  const read = readConfig(text, AROUND);
  assert.ok('config' in read, JSON.stringify(read));
  return read.config;
}

test('invariant 8: every mistake at once, each with its line, in the order of the file', () => {
  const found = mistakes(
    'version: 2',
    'servre: {}',
    'passports: { ttl: 24 }',
    'agents:',
    '  clerk:',
    '    services: { biling: [ "biling:a:b" ] }',
    'services:',
    '  billing: { base_url: "https://billing.example" }',
  );
  assert.deepEqual(
    found.map(({ line }) => line),
    [1, 2, 3, 6],
  );
  const text = found.map(({ message }) => message).join('\n');
  for (const word of ['server', 'unit', 'billing']) assert.ok(text.includes(word), word);
});

test('a secret in the file is refused and never printed', () => {
  const found = mistakes(
    'services:',
    '  gh:',
    '    base_url: https://api.github.com',
    '    inject: { bearer: "{secret}" }',
    '    secret: ghp_abcdefghijklmnop',
  );
  const text = JSON.stringify(found);
  assert.ok(text.includes('vault') && !text.includes('ghp_'));
});

for (const [name, lines] of Object.entries({
  'a merge key': ['agents:', '  a1: { <<: { __proto__: {} } }'],
  'a tag': ['services: !!js/function "x"'],
  'an empty file': [''],
  'a list at the top': ['- version: 1'],
  'deep nesting': [`services: ${'['.repeat(200)}${']'.repeat(200)}`],
  'a metadata address': ['services: { meta: { base_url: "https://169.254.169.254" } }'],
  'a range wider than private': [
    'services: { j: { base_url: "https://j.corp.test", network: { private: [ 0.0.0.0/0 ] } } }',
  ],
  'a credential header in the allow-list': [
    'services: { g: { base_url: "https://g.test", headers: { allow: [ Authorization ] } } }',
  ],
  'a header of the connection in the allow-list': [
    'services: { g: { base_url: "https://g.test", headers: { allow: [ Connection ] } } }',
  ],
  'a header of the connection with a fixed value': [
    'services: { g: { base_url: "https://g.test", headers: { fixed: { Connection: "x-a" } } } }',
  ],
  'a volatile header that is not allowed': [
    'services: { g: { base_url: "https://g.test", headers: { allow: [ x-a ], volatile: [ x-b ] } } }',
  ],
  'a port out of range': ['server: { listen: "127.0.0.1:99999" }'],
  'a listener beyond loopback': ['server: { listen: "0.0.0.0:7822" }'],
  'clear text': ['services: { g: { base_url: "http://g.test" } }'],
  'a lower-case method': [
    'services: { g: { base_url: "https://g.test", actions: { "g:a:b": [ "post /x" ] } } }',
  ],
  'a section of a later version': ['skills: {}'],
})) {
  test(`${name} is refused`, () => assert.ok(mistakes(...lines).length > 0));
}

test('volatile headers are among the allowed ones, in any case', () => {
  const headers = 'headers: { allow: [ X-Request-Id ], volatile: [ x-request-ID, Idempotency-Key ] }';
  const { services } = config(`services: { g: { base_url: "https://g.test", ${headers} } }`);
  assert.deepEqual(services.get('g')?.headersVolatile, ['x-request-id', 'idempotency-key']);
});

test('the example is valid as it stands', () => {
  const text = readFileSync(new URL('../../config.example.yaml', import.meta.url), 'utf8');
  assert.equal(config(text).listen.port, 7822);
});

test('invariant 9: what is too large, too deep or too long is refused by its bound', () => {
  assert.ok(mistakes(`# ${'x'.repeat(CONFIG_BYTES_MAX)}`).length > 0);
  assert.equal(parseStrictJson('['.repeat(JSON_DEPTH_MAX + 2)).ok, false);
  assert.equal(readUrl(`https://a.test/${'a'.repeat(URL_BYTES_MAX)}`).ok, false);
});

test('invariant 10: an unknown error shows nothing of itself', () => {
  const shown = JSON.stringify(envelope(asFault(new Error('canary-internal'))));
  assert.equal(shown.includes('canary'), false);
  assert.ok(shown.includes('INTERNAL'));
});

test('an approval rule that a call gets round by leaving the argument out is a warning', () => {
  const file = (...approval: string[]): string =>
    [
      'services:',
      '  pay:',
      '    base_url: https://pay.example',
      '    actions:',
      '      pay:refunds:create: [ "POST /refunds" ]',
      '      pay:payouts:create: [ { call: "POST /payouts", where: [ { path: body.amount, op: lte, value: 9 } ] } ]',
      '    approval:',
      ...approval.map((rule) => `      - ${rule}`),
    ].join('\n');
  const said = (text: string): readonly string[] => {
    const read = readConfig(text, AROUND);
    return 'warnings' in read ? read.warnings.map(({ line, message }) => `${line} ${message}`) : ['mistakes'];
  };
  const over = '{ action: pay:refunds:create, where: [ { path: body.amount, op: gt, value: 100 } ] }';
  const [only, ...more] = said(file(over));
  assert.deepEqual(more, []);
  assert.match(only ?? '', /^8 a call without body\.amount needs nobody .* op: absent/);
  assert.deepEqual(
    said(file(over, '{ action: pay:refunds:create, where: [ { path: body.amount, op: absent } ] }')),
    [],
  );
  assert.deepEqual(said(file(over, 'pay:refunds:create')), []);
  assert.deepEqual(said(file(over, 'writes')), []);
  assert.deepEqual(said(file(over.replaceAll('refunds', 'payouts'))), []);
  assert.deepEqual(
    said(file('{ action: pay:refunds:create, where: [ { path: headers.x, op: eq, value: z } ] }')),
    [],
  );
});

test('limits of an agent: whole numbers from 1, each field known by its name, the rest not limited', () => {
  const { agents, agentCeiling } = config(
    [
      'agents:',
      '  bot: { limits: { calls_per_minute: 60, concurrency: 8, calls_per_day: 5000 } }',
      '  other: {}',
    ].join('\n'),
  );
  assert.deepEqual(agents.get('bot')?.limits, { calls_per_minute: 60, concurrency: 8, calls_per_day: 5000 });
  assert.deepEqual([agents.get('other')?.limits, agentCeiling.limits], [{}, undefined]);
  const found = mistakes(
    'agents:',
    '  a1: { limits: { calls_per_minute: 0 } }',
    '  a2: { limits: { concurrency: 257 } }',
    '  a3: { limits: { calls_per_day: 1.5 } }',
    '  a4: { limits: { calls_per_hour: 5 } }',
    '  a5: { limits: 60 }',
  );
  assert.deepEqual(
    found.map(({ line }) => line),
    [2, 3, 4, 5, 6],
  );
  assert.match(found[1]?.message ?? '', /1 to 256/);
  assert.match(found[3]?.message ?? '', /unknown key `calls_per_hour`/);
});
