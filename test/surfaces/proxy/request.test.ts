// A request on the path form: who calls, which target, which headers go on, and what is refused before anything leaves.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { holds } from '#test/support/canary.ts';
import { head, outcome, type PathForm, rawClient, SECRET, startPathForm } from '#test/support/path-form.ts';
import { askLocally, type Json } from '#test/support/requests.ts';

let form: PathForm;
let key = '';

before(async () => {
  form = await startPathForm('request_body: 100kB');
  key = form.appliance.apiKey;
});
after(async () => {
  await form?.dispose();
});

type Sending = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

async function send(path: string, { method = 'GET', headers = {}, body }: Sending = {}) {
  const all = { authorization: `Bearer ${key}`, 'x-stack-agent': 'clerk', ...headers };
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
  const response = await fetch(`${form.appliance.url}${path}`, {
    method,
    headers: given,
    redirect: 'manual',
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const codeOf = (answer: { text: string }): unknown =>
  ((JSON.parse(answer.text) as Json)['error'] as Json)['code'];

/** By hand, since clients tidy up what they send. */
async function sendRaw(line: string, headers: readonly string[] = []): Promise<string> {
  const client = rawClient(form.appliance);
  client.write(head(form.appliance, line, ['Connection: close', ...headers]));
  return client.until();
}

describe('who calls', () => {
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
  const places: readonly (readonly [string, (key: string) => Readonly<Record<string, string>>])[] = [
    ['Bearer', () => ({})],
    ['the scheme of GitHub', (ours) => ({ authorization: `token ${ours}` })],
    ['a scheme with a parameter', (ours) => ({ authorization: `Token token="${ours}"` })],
    ['the user of Basic', (ours) => ({ authorization: basic(`${ours}:`) })],
    ['the password of Basic', (ours) => ({ authorization: basic(`me@corp.test:${ours}`) })],
    ['x-api-key', (ours) => ({ authorization: '', 'x-api-key': ours })],
    ['the header of the service', (ours) => ({ authorization: '', 'X-Shop-Key': ours })],
    ['two headers that say the same', (ours) => ({ 'x-api-key': ours })],
  ];
  for (const [name, headers] of places) {
    it(`is known by ${name}, and the key goes no further`, async () => {
      const answer = await send('/proxy/shop/things', { headers: headers(key) });
      assert.equal(answer.status, 200, answer.text);
      const last = form.reached.at(-1);
      assert.equal(last?.headers['x-shop-key'], SECRET);
      assert.ok(!holds(Buffer.from(JSON.stringify(last?.rawHeaders)), key));
    });
  }

  const refused: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
    ['nothing at all', { authorization: '' }, 'UNAUTHORIZED'],
    ['a key that is none of ours', { authorization: 'Bearer sk-proj-1234' }, 'PASSPORT_INVALID'],
    ['an unknown key', { authorization: `Bearer sk_live_${'0'.repeat(64)}` }, 'INVALID_API_KEY'],
    ['a foreign Basic', { authorization: basic('a:b') }, 'UNAUTHORIZED'],
    ['two keys that differ', { 'x-api-key': `sk_live_${'0'.repeat(64)}` }, 'UNAUTHORIZED'],
    ['no agent', { 'x-stack-agent': '' }, 'AGENT_UNIDENTIFIED'],
  ];
  for (const [name, headers, code] of refused) {
    it(`is refused with ${name}, and nothing leaves`, async () => {
      const before = form.reached.length;
      const answer = await send('/proxy/shop/things', { headers });
      assert.deepEqual([answer.status, codeOf(answer)], [401, code]);
      assert.equal(answer.headers.get('x-stack-error'), code);
      assert.equal(form.reached.length, before);
    });
  }

  it('is known by a passport in the place of the key', async () => {
    const body = JSON.stringify({ agent: 'clerk', intent: { summary: 'a test', services: ['shop'] } });
    const issued = await send('/v1/passports/issue', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'x-stack-agent': '' },
    });
    const { token } = JSON.parse(issued.text) as { token: string };
    const answer = await send('/proxy/shop/things', {
      headers: { authorization: '', 'x-shop-key': token, 'x-stack-agent': '' },
    });
    assert.equal(answer.status, 200, answer.text);
    assert.ok(!JSON.stringify(form.reached.at(-1)?.rawHeaders).includes(token.slice(-40)));
  });
});

describe('the target', () => {
  it('arrives byte for byte as it was written', async () => {
    for (const rest of ['/a%2Fb/c?q=%20x&key=1&token=t&p=a+b', '/x?', '/~a/(b)!$,:@', '/one/?a=1&a=2']) {
      const answer = await sendRaw(`GET /proxy/shop${rest}`);
      assert.match(answer, /^HTTP\/1\.1 200 /, answer);
      assert.equal(form.reached.at(-1)?.url, `/v1${rest}`);
    }
  });

  const denied: readonly (readonly [string, string])[] = [
    ['/proxy/shop/../admin', 'URL_DENIED'],
    ['/proxy/shop/%2e%2e/admin', 'URL_DENIED'],
    ['/proxy/shop//admin', 'URL_DENIED'],
    ['/proxy/shop/a;b', 'URL_DENIED'],
    ['/proxy/shop/a\\b', 'URL_DENIED'],
    ['/proxy/shop/a%252e', 'URL_DENIED'],
    ['/proxy/shop/%61', 'URL_DENIED'],
    ['/proxy/shop/%zz', 'URL_DENIED'],
    ["/proxy/shop/x?a='b", 'URL_DENIED'],
    ['/proxy/shop/x#y', 'URL_DENIED'],
    [`/proxy/shop/${'a'.repeat(9_000)}`, 'URL_DENIED'],
    ['/proxy/other/x', 'FORBIDDEN'],
    ['/proxy/sh%6Fp/x', 'NOT_FOUND'],
    ['/proxy/shop', 'NOT_FOUND'],
    ['/proxy/shop?x', 'NOT_FOUND'],
    ['/proxy/SHOP/x', 'NOT_FOUND'],
    ['/proxy/../v1/agents', 'NOT_FOUND'],
    ['/%70roxy/shop/x', 'NOT_FOUND'],
    ['//proxy/shop/x', 'NOT_FOUND'],
    [`/proxy/shop/x?k=sk_live_${'0'.repeat(64)}`, 'UNAUTHORIZED'],
    [`/proxy/shop/x?k=%73k_live_${'0'.repeat(64)}`, 'UNAUTHORIZED'],
  ];
  for (const [target, code] of denied) {
    it(`${code}: ${target.slice(0, 60)}`, async () => {
      const before = form.reached.length;
      const answer = await sendRaw(`GET ${target}`);
      assert.ok(answer.includes(`"code":"${code}"`), answer);
      assert.equal(form.reached.length, before);
    });
  }

  it('takes no method but those of HTTP APIs', async () => {
    const answer = await sendRaw('PROPFIND /proxy/shop/x');
    assert.match(answer, /^HTTP\/1\.1 405 [\s\S]*allow: GET, HEAD, POST/i);
  });
});

describe('the headers', () => {
  it('go on where they are listed; the rest is dropped and noted', async () => {
    const given = [
      'X-Request-Id: r1',
      'Accept-Encoding: gzip',
      'X-Stainless-Lang: js',
      'Sec-Fetch-Mode: cors',
      'TE: trailers',
      'Keep-Alive: timeout=5',
    ];
    assert.match(await sendRaw('GET /proxy/shop/things', given), /^HTTP\/1\.1 200 /);
    const { headers } = form.reached.at(-1) ?? {};
    assert.deepEqual(Object.keys(headers ?? {}).sort(), [
      'accept-encoding',
      'connection',
      'host',
      'user-agent',
      'x-request-id',
      'x-shop-key',
    ]);
    assert.equal(headers?.['accept-encoding'], 'identity');
    const { intent } = await outcome(form.appliance);
    assert.deepEqual((intent['detail'] as Json)['headers_dropped'], [
      'host',
      'connection',
      'accept-encoding',
      'x-stainless-lang',
      'sec-fetch-mode',
      'te',
      'keep-alive',
    ]);
  });

  it('that offer h2c, as Java does with every request, change nothing', async () => {
    const offer = ['Upgrade: h2c', 'HTTP2-Settings: AAEAAEAA'];
    const client = rawClient(form.appliance);
    client.write(
      head(form.appliance, 'GET /proxy/shop/things', ['Connection: Upgrade, HTTP2-Settings', ...offer]),
    );
    assert.match(await client.until('ok'), /^HTTP\/1\.1 200 /);
    client.socket.destroy();
  });

  for (const line of [
    'X-Forwarded-Host: evil.test',
    'X_Forwarded_For: 1.2.3.4',
    'Forwarded: host=evil.test',
    'X-HTTP-Method-Override: DELETE',
    'Cookie: a=b',
    'X-Shop-Key: mine',
    'X-Auth-Token: mine',
    'Content-Encoding: gzip',
    'Upgrade: websocket',
    'Transfer_Encoding: chunked',
    'X-Stack-Anything: 1',
    `User-Agent: sk_live_${'0'.repeat(64)}`,
    'Accept: {{secret:shop}}',
  ]) {
    it(`are refused: ${line.slice(0, 40)}`, async () => {
      const before = form.reached.length;
      const answer = await sendRaw('GET /proxy/shop/things', [line]);
      assert.ok(answer.includes('"code":"HEADER_DENIED"'), answer);
      assert.equal(form.reached.length, before);
    });
  }

  it('are refused where Connection names one of them, or two say different things', async () => {
    const nominated = rawClient(form.appliance);
    nominated.write(head(form.appliance, 'GET /proxy/shop/things', ['Connection: close, x-shop-key']));
    assert.ok((await nominated.until('}}')).includes('HEADER_DENIED'));
    nominated.socket.destroy();
    const twice = await sendRaw('GET /proxy/shop/things', ['Accept: a/b', 'Accept: c/d']);
    assert.ok(twice.includes('HEADER_DENIED'), twice);
    const answer = await sendRaw('PUT /proxy/shop/a', ['Transfer-Encoding: gzip, chunked']);
    assert.ok(!answer.startsWith('HTTP/1.1 2'), answer);
  });

  it('are consumed where they are an idempotency key, which is one word', async () => {
    const answer = await sendRaw('GET /proxy/shop/things', ['X-Stack-Idempotency-Key: k1']);
    assert.ok(answer.startsWith('HTTP/1.1 200'), answer);
    assert.equal(form.reached.at(-1)?.headers['x-stack-idempotency-key'], undefined);
    const two = ['X-Stack-Idempotency-Key: k1', 'X-Stack-Idempotency-Key: k2'];
    for (const lines of [
      two,
      ['X-Stack-Idempotency-Key: a b'],
      [`X-Stack-Idempotency-Key: ${'k'.repeat(256)}`],
    ]) {
      const before = form.reached.length;
      const refused = await sendRaw('GET /proxy/shop/things', lines);
      assert.ok(refused.includes('INVALID_REQUEST'), refused);
      assert.equal(form.reached.length, before);
    }
  });
});

describe('a person who must agree', () => {
  it('is asked on the path form as on the other, with the same refusal', async () => {
    const headers = { 'content-type': 'application/json' };
    const asked = await send('/proxy/shop/refunds', { method: 'POST', body: '{"id":1}', headers });
    assert.deepEqual([asked.status, codeOf(asked)], [403, 'APPROVAL_GATE_DENIED']);
    const named = await send('/proxy/shop/things', { headers: { 'x-stack-approval': 'apr_none' } });
    assert.deepEqual([named.status, codeOf(named)], [403, 'APPROVAL_GATE_DENIED']);
    assert.ok(named.text.includes('approval_not_found'));
  });
});

describe('the record of a refusal', () => {
  it('names call and reason as on the other form', async () => {
    await send('/proxy/shop/things', { method: 'POST', body: 'x' });
    const log = await askLocally(form.appliance, '/v1/audit?limit=1');
    const [last] = log.body['entries'] as Json[];
    assert.deepEqual(
      [last?.['action'], last?.['outcome'], last?.['error_code'], last?.['path'], last?.['method']],
      ['credential.proxy', 'blocked', 'ACTION_DENIED', '/v1/things', 'POST'],
    );
  });
});
