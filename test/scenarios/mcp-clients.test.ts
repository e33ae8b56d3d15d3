// Other MCP clients against the running appliance: the official v1 client (2025 revisions), and requests written by
// hand as revision 2026-07-28 and 2025-06-18 put them on the wire. Stateless throughout, and no call without a caller.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type Appliance, freePort, startAppliance } from '#test/support/appliance.ts';
import { rpc, rpcModern } from '#test/support/mcp.ts';
import type { Json } from '#test/support/requests.ts';

const SECRET = 'wx-credential-of-the-weather-service';
const FIRST_TOOLS = [
  'stack_list_services',
  'stack_register_agent',
  'stack_issue_passport',
  'stack_revoke_passport',
  'stack_proxy_request',
];
const CALL = {
  name: 'stack_proxy_request',
  arguments: { service: 'weather', method: 'GET', path: '/today' },
};
const AS_AGENT = { 'x-stack-agent': 'forecaster' };

let appliance: Appliance;
let upstream: Server;
const seen: string[] = [];

before(async () => {
  const port = await freePort();
  upstream = createServer((request, response) => {
    seen.push(String(request.headers.authorization));
    const allowed = request.headers.authorization === `Bearer ${SECRET}`;
    response.writeHead(allowed ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ sky: 'clear' }));
  });
  await new Promise<void>((done) => upstream.listen(port, '127.0.0.1', done));
  appliance = await startAppliance({
    services: `
  weather:
    title: Weather
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { env: WEATHER_TOKEN }
    actions: { "weather:forecast:read": [ "GET /today" ] }`,
    agents: `
  forecaster: { services: { weather: [ "weather:forecast:read" ] } }`,
    env: { WEATHER_TOKEN: SECRET },
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

/** Agents JS and Claude Code show only one of the two to the model, so both must say the same. */
function agreed(result: Json | undefined): Json {
  assert.ok(result, 'a result was expected');
  const content = result['content'] as { type: string; text: string }[];
  assert.deepEqual(JSON.parse(content[0]?.text ?? ''), result['structuredContent']);
  return result['structuredContent'] as Json;
}

describe('the official v1 client', () => {
  it('initializes, lists the tools in their fixed order and calls one', async () => {
    const headers = { authorization: `Bearer ${appliance.apiKey}`, ...AS_AGENT };
    const transport = new StreamableHTTPClientTransport(new URL(appliance.mcpUrl), {
      requestInit: { headers },
    });
    const client = new Client({ name: 'scenario', version: '1.0.0' });
    await client.connect(transport as unknown as Transport);
    try {
      assert.equal(transport.protocolVersion, '2025-11-25');
      assert.equal(transport.sessionId, undefined, 'the endpoint is stateless');
      const names = (await client.listTools()).tools.map((tool) => tool.name);
      assert.deepEqual(
        names.filter((name) => FIRST_TOOLS.includes(name)),
        FIRST_TOOLS,
      );
      assert.ok(!names.includes('stack_get_credential'));
      const answer = agreed((await client.callTool(CALL)) as Json);
      assert.equal(answer['status'], 200);
      assert.deepEqual(answer['body'], { sky: 'clear' });
      assert.equal(seen.at(-1), `Bearer ${SECRET}`);
      const denied = { ...CALL, arguments: { ...CALL.arguments, path: '/other' } };
      const refused = (await client.callTool(denied)) as Json;
      assert.equal(refused['isError'], true, 'a client that knows the output schema shows the refusal');
      assert.equal((agreed(refused)['error'] as Json)['code'], 'ACTION_DENIED');
    } finally {
      await client.close();
    }
  });

  it('gets a tool error that names the unknown argument instead of a silent strip', async () => {
    const answer = await rpc(appliance, {
      method: 'tools/call',
      params: { ...CALL, arguments: { ...CALL.arguments, verb: 'GET' } },
      headers: { 'mcp-protocol-version': '2025-11-25', ...AS_AGENT },
    });
    const said = answer.error ? answer.error.message : JSON.stringify(answer.result);
    assert.ok(answer.error !== undefined || answer.result?.['isError'] === true, answer.text);
    assert.match(said, /verb/);
  });
});

describe('revision 2025-06-18', () => {
  it('is negotiated when the client asks for it, and no session is minted', async () => {
    const params = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'old', version: '1' },
    };
    const answer = await rpc(appliance, { method: 'initialize', params });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.result?.['protocolVersion'], '2025-06-18');
    assert.equal(answer.headers.get('mcp-session-id'), null);
  });

  it('calls a tool without any initialize before it', async () => {
    const headers = { 'mcp-protocol-version': '2025-06-18', ...AS_AGENT };
    const answer = await rpc(appliance, { method: 'tools/call', params: CALL, headers });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(agreed(answer.result)['status'], 200);
  });

  it('is served to a client that sends no Accept, and at the address with a trailing slash', async () => {
    for (const url of [appliance.mcpUrl, `${appliance.mcpUrl}/`]) {
      const response = await fetch(url, {
        method: 'POST',
        redirect: 'manual',
        headers: { authorization: `Bearer ${appliance.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }),
      });
      assert.equal(response.status, 200, `${url}: ${await response.text()}`);
    }
  });
});

describe('revision 2026-07-28', () => {
  it('answers server/discover', async () => {
    const answer = await rpcModern(appliance, { method: 'server/discover' });
    assert.equal(answer.status, 200, answer.text);
    assert.ok(JSON.stringify(answer.result).includes('2026-07-28'), answer.text);
    assert.ok(answer.result?.['resultType'], answer.text);
    assert.equal(answer.headers.get('mcp-session-id'), null);
  });

  it('lists tools with a time to live, twice the same', async () => {
    const one = await rpcModern(appliance, { method: 'tools/list' });
    const two = await rpcModern(appliance, { method: 'tools/list' });
    assert.equal(one.status, 200, one.text);
    assert.deepEqual(one.result, two.result);
    assert.equal(typeof one.result?.['ttlMs'], 'number');
    assert.ok(one.result?.['cacheScope']);
  });

  it('calls a tool', async () => {
    const answer = await rpcModern(appliance, { method: 'tools/call', params: CALL, headers: AS_AGENT });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(agreed(answer.result)['status'], 200);
    assert.ok(!answer.text.includes(SECRET));
  });

  it('refuses a header that does not match the body, an unknown version and an unknown method', async () => {
    const before = seen.length;
    const headers = { ...AS_AGENT, 'mcp-name': 'stack_list_services' };
    const mismatch = await rpcModern(appliance, { method: 'tools/call', params: CALL, headers });
    assert.deepEqual([mismatch.status, mismatch.error?.code], [400, -32020], mismatch.text);
    const version = await rpcModern(appliance, { method: 'tools/list', version: '2031-01-01' });
    assert.deepEqual([version.status, version.error?.code], [400, -32022], version.text);
    const method = await rpcModern(appliance, { method: 'tools/abolish' });
    assert.deepEqual([method.status, method.error?.code], [404, -32601], method.text);
    assert.equal(seen.length, before, 'the upstream saw a refused call');
  });
});

describe('the MCP endpoint', () => {
  it('invariant 12: answers 401 with a challenge before any 405', async () => {
    for (const method of ['POST', 'GET', 'DELETE']) {
      const bare = await fetch(appliance.mcpUrl, { method });
      assert.equal(bare.status, 401, method);
      assert.match(bare.headers.get('www-authenticate') ?? '', /^Bearer/);
    }
    for (const method of ['GET', 'DELETE']) {
      const headers = { authorization: `Bearer ${appliance.apiKey}` };
      assert.equal((await fetch(appliance.mcpUrl, { method, headers })).status, 405, method);
    }
  });

  it('answers 403 to a foreign origin', async () => {
    const headers = { origin: 'http://evil.example', 'mcp-protocol-version': '2025-11-25' };
    const answer = await rpc(appliance, { method: 'tools/list', headers });
    assert.equal(answer.status, 403, answer.text);
  });
});
