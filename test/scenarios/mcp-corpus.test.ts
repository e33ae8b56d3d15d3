// The MCP corpus against a running appliance, byte by byte where JSON is odd, and in both eras where they differ.
// Floods and isolation are in faults/mcp-floods.test.ts, invalid answers of services in faults/others-unhurt.test.ts.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { rpc, rpcModern } from '#test/support/mcp.ts';
import { rawClient } from '#test/support/path-form.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const SECRET = 'canary-mcp-corpus-7f3a9c51d2e84b06';
const LEGACY = '2025-11-25';
const MODERN = '2026-07-28';
const ERAS = [LEGACY, MODERN];
const CALL = {
  name: 'stack_proxy_request',
  arguments: { service: 'weather', method: 'GET', path: '/today' },
};

let appliance: Appliance;
let upstream: Server;
let passport: string;
let reached = 0;

before(async () => {
  upstream = createServer((_request, response) => {
    reached += 1;
    response.setHeader('content-type', 'application/json').end('{"sky":"clear"}');
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  appliance = await startAppliance({
    services: `
  weather:
    title: "Weather"
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: WEATHER_TOKEN }
    actions: { "weather:forecast:read": [ "GET /today" ] }`,
    agents: `
  one: { services: { weather: [ "weather:*" ] } }
  two: { services: { weather: [ "weather:*" ] } }`,
    env: { WEATHER_TOKEN: SECRET },
  });
  passport = await passportOf('one');
});

after(async () => {
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

async function passportOf(agent: string): Promise<string> {
  const body = { agent, intent: { summary: 'the corpus', services: ['weather'] } };
  const issued = await ask(appliance, '/v1/passports/issue', { body });
  assert.equal(issued.status, 201, issued.text);
  return String(issued.body['token']);
}

type Heard = {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  readonly message: Json;
};

/** One message as text, as a client of the era would frame it. */
async function post(
  text: string,
  era: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Heard> {
  const modern = { 'mcp-method': 'tools/call', 'mcp-name': CALL.name };
  const response = await fetch(appliance.mcpUrl, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${passport}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': era,
      ...(era === MODERN ? modern : {}),
      ...headers,
    },
    body: text,
  });
  const heard = await response.text();
  const message = heard.startsWith('{') ? (JSON.parse(heard) as Json) : {};
  return { status: response.status, text: heard, headers: response.headers, message };
}

const META = {
  'io.modelcontextprotocol/protocolVersion': MODERN,
  'io.modelcontextprotocol/clientInfo': { name: 'corpus', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
/** A call that is answered, before it is made odd. `id` is the text of a JSON value. */
function callText(era: string, id = '1'): string {
  const params = era === MODERN ? { ...CALL, _meta: META } : CALL;
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${JSON.stringify(params)}}`;
}

const isRefusal = ({ status, message }: Heard): boolean =>
  status >= 400 ||
  message['error'] !== undefined ||
  (message['result'] as Json | undefined)?.['isError'] === true;

async function refused(send: () => Promise<Heard>): Promise<Heard> {
  const before = reached;
  const heard = await send();
  assert.ok(isRefusal(heard) && heard.status < 500, `${heard.status} ${heard.text}`);
  assert.equal(reached, before, 'the service was reached');
  return heard;
}

async function accepted(send: () => Promise<Heard>): Promise<Heard> {
  const heard = await send();
  assert.ok(!isRefusal(heard), `${heard.status} ${heard.text}`);
  return heard;
}

describe('baseline and auth', () => {
  for (const era of ERAS) {
    it(`corpus M001: ${era}: lists and calls with a passport alone`, async () => {
      const ask = era === MODERN ? rpcModern : rpc;
      const headers = { authorization: `Bearer ${passport}` };
      const list = await ask(appliance, { method: 'tools/list', headers });
      assert.ok(JSON.stringify(list.result).includes(CALL.name), list.text);
      const heard = await accepted(() => post(callText(era), era));
      assert.match(heard.text, /clear/);
    });

    it(`corpus M002: ${era}: without a credential there is 401, no call and no list`, async () => {
      for (const authorization of ['', 'Bearer ', 'Bearer x', 'Basic eA==']) {
        const heard = await refused(() => post(callText(era), era, { authorization }));
        assert.equal(heard.status, 401);
        assert.match(heard.headers.get('www-authenticate') ?? '', /^Bearer/);
        const list = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`;
        assert.ok(!(await post(list, era, { authorization })).text.includes(CALL.name));
      }
    });
  }
});

describe('session ids, which are not in use', () => {
  it('corpus M005: one of another agent gives no rights, and takes none', async () => {
    const { body } = await ask(appliance, '/v1/passports?limit=1');
    const [other] = body['passports'] as Json[];
    for (const id of [String(other?.['session_id']), 'unknown']) {
      const heard = await accepted(() => post(callText(LEGACY), LEGACY, { 'mcp-session-id': id }));
      assert.equal(heard.headers.get('mcp-session-id'), null);
      const bare = { 'mcp-session-id': id, authorization: 'Bearer x' };
      await refused(() => post(callText(LEGACY), LEGACY, bare));
    }
  });

  it('corpus M008: one that is long is ignored or refused; one with line breaks or NUL is refused', async () => {
    const long = await post(callText(LEGACY), LEGACY, { 'mcp-session-id': 'x'.repeat(10_000) });
    assert.ok(long.status < 500);
    for (const id of ['a\rb', 'a\nb', 'a\0b', 'a\r\nX-Stack-Agent: two\r\nb']) {
      const client = rawClient(appliance);
      const body = callText(LEGACY);
      client.write(
        [
          'POST /mcp HTTP/1.1',
          `Host: localhost:${appliance.port}`,
          `Authorization: Bearer ${passport}`,
          'Content-Type: application/json',
          `Mcp-Session-Id: ${id}`,
          `Content-Length: ${body.length}`,
          'Connection: close',
          '',
          body,
        ].join('\r\n'),
      );
      assert.match(await client.until(), /^HTTP\/1\.1 4\d\d /, JSON.stringify(id));
    }
    const latin = await post(callText(LEGACY), LEGACY, { 'mcp-session-id': 'ÿ' });
    assert.ok(latin.status < 500);
  });
});

describe('JSON that two readers could read differently', () => {
  const odd: readonly (readonly [id: string, what: string, change: (text: string) => string])[] = [
    ['M015', 'a member said twice', (text) => text.replace('"method"', '"method":"tools/list","method"')],
    ['M015', 'a member of the arguments said twice', (text) => text.replace('"path"', '"path":"/x","path"')],
    ['M015', 'the same member, escaped', (text) => text.replace('"id"', '"\\u0069d":2,"id"')],
    ['M015', 'the parameters said twice', (text) => text.replace(/\}$/, ',"params":{}}')],
    ['M019', 'a batch of one', (text) => `[${text}]`],
    ['M019', 'a batch of ten thousand', (text) => `[${`${text},`.repeat(9_999)}${text}]`],
    ['M019', 'an empty batch', () => '[]'],
    ['M023', 'another value behind it', (text) => `${text}{}`],
    ['M023', 'a NUL behind it', (text) => `${text}\0`],
    ['M023', 'a comment behind it', (text) => `${text}// done`],
    ['M023', 'a byte order mark before it', (text) => `\ufeff${text}`],
    ['json', 'a member in another case', (text) => text.replace('"method"', '"Method"')],
    ['json', 'a method with NUL', (text) => text.replace('tools/call', 'tools/call\\u0000')],
    ['json', 'a trailing comma', (text) => text.replace(/\}$/, ',}')],
    ['json', 'single quotes', (text) => text.replaceAll('"', "'")],
    ['json', 'no JSON-RPC version', (text) => text.replace('"jsonrpc":"2.0",', '')],
    ['json', 'another JSON-RPC version', (text) => text.replace('"2.0"', '2.0')],
    ['json', 'a lone surrogate for a name', (text) => text.replace(CALL.name, '\\ud800')],
    [
      'json',
      'depth without end',
      (text) => text.replace('"/today"', `${'['.repeat(50_000)}${']'.repeat(50_000)}`),
    ],
    ['json', 'a number past all numbers', (text) => text.replace('"/today"', '1e999')],
    [
      'json',
      'the prototype as a member',
      (text) => text.replace('"path"', '"__proto__":{"service":"weather"},"path"'),
    ],
    ['json', 'text', () => '"tools/call"'],
    ['json', 'null', () => 'null'],
    ['json', 'nothing', () => ''],
  ];
  for (const [id, what, change] of odd) {
    for (const era of ERAS) {
      const name = id === 'json' ? 'as well' : `corpus ${id}`;
      it(`${name}: ${era}: ${what} is refused`, async () => {
        await refused(() => post(change(callText(era)), era));
      });
    }
  }

  for (const era of ERAS) {
    for (const id of ['null', '{}', '[]', 'true', '1.5', '1152921504606846976', '1e400', '-0.5']) {
      it(`corpus M020: ${era}: an id that is ${id} is refused and breaks nothing`, async () => {
        await refused(() => post(callText(era, id), era));
        await accepted(() => post(callText(era, '"a text"'), era));
      });
    }
  }
});

describe('headers beside the body', () => {
  it('corpus M024: a header that names another method or tool is refused; the body alone decides before', async () => {
    await refused(() => post(callText(MODERN), MODERN, { 'mcp-method': 'tools/list' }));
    await refused(() => post(callText(MODERN), MODERN, { 'mcp-name': 'stack_list_services' }));
    await refused(() => post(callText(MODERN), MODERN, { 'mcp-protocol-version': '2031-01-01' }));
    // A client of the older era has no such header: one is not looked at, and gives nothing.
    const list = await post(callText(LEGACY), LEGACY, { 'mcp-method': 'tools/list' });
    assert.ok(!list.text.includes('stack_register_agent'));
  });

  for (const accept of ['application/json', '*/*', 'text/html', '']) {
    it(`corpus M026: Accept ${JSON.stringify(accept)} gets plain JSON`, async () => {
      const headers = accept === '' ? {} : { accept };
      const heard = await accepted(() => post(callText(LEGACY), LEGACY, headers));
      assert.match(heard.headers.get('content-type') ?? '', /^application\/json/);
    });
  }
});

describe('tools', () => {
  const named = (era: string, name: string, more = ''): string =>
    callText(era).replaceAll(CALL.name, name).replace('"arguments":{', `"arguments":{${more}`);
  const header = (era: string, name: string): Record<string, string> =>
    era === MODERN ? { 'mcp-name': name } : {};
  const textOf = ({ message }: Heard): string => {
    const result = message['result'] as Json | undefined;
    return JSON.stringify(result?.['structuredContent'] ?? message['error']);
  };

  for (const era of ERAS) {
    it(`corpus M027: ${era}: unknown, of the product but not here, and switched off are one answer`, async () => {
      const names = ['no_such_tool', 'stack_get_credential', 'stack_create_key', 'stack_collect'];
      const texts = new Set<string>();
      for (const name of names)
        texts.add(textOf(await refused(() => post(named(era, name), era, header(era, name)))));
      assert.equal(texts.size, 1, [...texts].join('\n'));
    });

    it(`corpus M029: ${era}: an argument that no tool has is refused by name`, async () => {
      const heard = await refused(() => post(named(era, CALL.name, '"verb":"GET",'), era));
      assert.match(heard.text, /verb/);
    });

    it(`corpus M030: ${era}: another case, blanks or invisible letters make another name`, async () => {
      for (const name of [
        'Stack_proxy_request',
        'STACK_PROXY_REQUEST',
        ' stack_proxy_request',
        'stack_proxy_request ',
        'stack_proxy_request\\u200b',
        'stack\\u00adproxy_request',
        'stack_pr\\u043exy_request',
        'stack-proxy-request',
        'stack_proxy_request\\u0000',
        'constructor',
        '__proto__',
      ]) {
        const shown = /\\u|^ | $/.test(name) ? {} : header(era, name);
        await refused(() => post(named(era, name), era, shown));
      }
    });
  }

  it('corpus M033: the title of a service is one plain line of its config, shown beside its name', async () => {
    const list = { name: 'stack_list_services', arguments: {} };
    const headers = { 'x-stack-agent': 'one' };
    const heard = await rpc(appliance, { method: 'tools/call', params: list, headers });
    assert.match(JSON.stringify(heard.result?.['structuredContent']), /"name":"weather","title":"Weather"/);
    const text = await readFile(appliance.configFile, 'utf8');
    for (const title of ['a\\nb', 'a\\u202e', '\\u001b[31m', 'a\\u200b', 'a'.repeat(101)]) {
      await writeFile(appliance.configFile, text.replace('"Weather"', `"${title}"`));
      const read = await askLocally(appliance, '/v1/config/reload', { body: {} });
      assert.deepEqual([read.status, /title/.test(read.text)], [409, true], read.text);
    }
    await writeFile(appliance.configFile, text);
  });

  it('corpus M034: there are no resources to read, whatever their name', async () => {
    for (const era of ERAS) {
      for (const uri of ['file:///etc/passwd', 'stack://../../key', 'stack://%2e%2e/key']) {
        const text = callText(era)
          .replace('tools/call', 'resources/read')
          .replace(/"params":\{/, `"params":{"uri":"${uri}",`);
        const heard = await refused(() => post(text, era, { 'mcp-method': 'resources/read' }));
        assert.match(heard.text, /-32601|-32602|-32020/);
      }
    }
  });

  it('corpus M037: a client that offers to sample is never asked to', async () => {
    const params = {
      protocolVersion: LEGACY,
      capabilities: { sampling: {}, elicitation: {}, roots: {} },
      clientInfo: { name: 'corpus', version: '1' },
    };
    const started = await rpc(appliance, { method: 'initialize', params });
    assert.ok(started.result !== undefined, started.text);
    const heard = await accepted(() => post(callText(LEGACY), LEGACY));
    for (const text of [started.text, heard.text])
      assert.doesNotMatch(text, /"method":"(?:sampling|elicitation|roots)/);
  });
});

describe('tokens outside their header', () => {
  it('corpus P189: a passport in the URL is refused and called leaked', async () => {
    for (const name of ['passport', 'token', 'access_token']) {
      const heard = await ask(appliance, `/v1/services?${name}=${passport}`);
      assert.equal(heard.status, 401);
      assert.match(heard.text, /leaked/);
    }
    assert.ok(!appliance.logs().includes(passport));
  });

  it('corpus P192: a passport in the body alone gives no rights', async () => {
    const text = callText(LEGACY).replace('"arguments":{', `"arguments":{"passport":"${passport}",`);
    const heard = await refused(() => post(text, LEGACY, { authorization: '' }));
    assert.equal(heard.status, 401);
  });
});

describe('what belongs to others', () => {
  it('corpus M014: a progress token of another agent has no effect, and brings no message', async () => {
    const other = await passportOf('two');
    const notification = {
      jsonrpc: '2.0',
      method: 'notifications/progress',
      params: { progressToken: 1, progress: 100, message: 'done' },
    };
    const with1 = callText(LEGACY).replace('"params":{', '"params":{"_meta":{"progressToken":1},');
    const [heard] = await Promise.all([
      accepted(() => post(with1, LEGACY)),
      post(JSON.stringify(notification), LEGACY, { authorization: `Bearer ${other}` }),
    ]);
    assert.doesNotMatch(heard.text, /progress/);
  });

  it('corpus M032: what a reload brings is called at once, and what it takes is gone at once', async () => {
    const text = await readFile(appliance.configFile, 'utf8');
    const path = callText(LEGACY).replace('/today', '/tomorrow');
    await refused(() => post(path, LEGACY));
    await writeFile(appliance.configFile, text.replace('"GET /today"', '"GET /tomorrow"'));
    assert.equal((await askLocally(appliance, '/v1/config/reload', { body: {} })).status, 200);
    await accepted(() => post(path, LEGACY));
    await refused(() => post(callText(LEGACY), LEGACY));
    await writeFile(appliance.configFile, text);
    assert.equal((await askLocally(appliance, '/v1/config/reload', { body: {} })).status, 200);
    await accepted(() => post(callText(LEGACY), LEGACY));
  });

  it('all of it has left the process well, and no secret in its log', async () => {
    assert.doesNotMatch(appliance.logs(), /unexpected error|MaxListeners|Unhandled/);
    assert.ok(!appliance.logs().includes(SECRET));
  });
});
