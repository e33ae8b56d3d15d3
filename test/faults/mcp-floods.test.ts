// Many callers at once at the MCP endpoint and at the door: each gets its own answer, slow ones hold nobody up, and what
// came and went leaves nothing behind.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { readExposition } from '#test/support/exposition.ts';
import { many } from '#test/support/many.ts';
import { rpc } from '#test/support/mcp.ts';
import { ask, askLocally, type Json } from '#test/support/requests.ts';

const AGENTS = 50;
const CALLS = 1_000;
const AT_ONCE = 100;
const SLOW_CONNECTIONS = 1_000;
/** The corpus has 100,000; what one leaves behind shows in hundreds, too. */
const SESSIONS = 900;
const GROWTH_BYTES = 30_000_000;

let appliance: Appliance;
let upstream: Server;

before(async () => {
  upstream = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    // Answers overtake one another.
    setTimeout(() => response.end(JSON.stringify({ path: request.url })), Math.random() * 30);
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const { port } = upstream.address() as AddressInfo;
  const names = Array.from({ length: AGENTS }, (_, nth) => `agent-${nth}`);
  appliance = await startAppliance({
    services: `
  echo:
    base_url: http://127.0.0.1:${port}
    network: loopback
    actions: { "echo:all:read": [ "GET /**" ] }`,
    agents: names.map((name) => `  ${name}: { services: { echo: [ "echo:*" ] } }`).join('\n'),
    env: { NODE_OPTIONS: '--max-old-space-size=128 --max-semi-space-size=4' },
  });
});

after(async () => {
  await appliance?.dispose();
  upstream?.closeAllConnections();
  upstream?.close();
});

const call = (agent: string, path: string) =>
  rpc(appliance, {
    method: 'tools/call',
    params: { name: 'stack_proxy_request', arguments: { service: 'echo', method: 'GET', path } },
    headers: { 'x-stack-agent': agent },
  });
const pathOf = (result: Json | undefined): unknown =>
  ((result?.['structuredContent'] as Json | undefined)?.['body'] as Json | undefined)?.['path'];

async function memoryBytes(): Promise<number> {
  const { text } = await askLocally(appliance, '/metrics');
  return readExposition(text).value('process_resident_memory_bytes') ?? Number.NaN;
}

describe('many callers', () => {
  it('corpus M012: a thousand calls of fifty agents under one JSON-RPC id get each its own answer', async () => {
    await many(CALLS, AT_ONCE, async (nth) => {
      const agent = `agent-${nth % AGENTS}`;
      const path = `/${agent}/${nth}`;
      const { result, text } = await call(agent, path);
      assert.equal(pathOf(result), path, text);
    });
    const { body } = await askLocally(appliance, '/v1/audit?limit=100');
    const agents = new Map<unknown, unknown>();
    for (const entry of body['entries'] as Json[]) {
      const name = String(entry['path']).split('/')[1];
      assert.equal(agents.get(name) ?? entry['agent_id'], entry['agent_id'], 'in the log, too');
      agents.set(name, entry['agent_id']);
    }
  });

  it('corpus M038: a thousand connections that send a byte a second hold nobody up', {
    timeout: 60_000,
  }, async () => {
    const sockets: Socket[] = [];
    let closed = 0;
    for (let nth = 0; nth < SLOW_CONNECTIONS; nth += 1) {
      const socket = connect(appliance.port, '127.0.0.1').on('error', () => undefined);
      socket.on('close', () => (closed += 1)).resume();
      socket.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-A: ');
      sockets.push(socket);
    }
    const drip = setInterval(() => {
      for (const socket of sockets) if (!socket.destroyed) socket.write('a');
    }, 1_000);
    try {
      for (let nth = 0; nth < 20; nth += 1) {
        const began = performance.now();
        assert.equal(pathOf((await call('agent-1', `/slow/${nth}`)).result), `/slow/${nth}`);
        assert.ok(performance.now() - began < 2_000, 'a new caller waited');
      }
      const end = performance.now() + 20_000;
      while (closed < SLOW_CONNECTIONS && performance.now() < end)
        await new Promise((done) => setTimeout(done, 100));
      assert.equal(closed, SLOW_CONNECTIONS, 'the time for headers ends them all');
    } finally {
      clearInterval(drip);
      for (const socket of sockets) socket.destroy();
    }
  });

  it('corpus M040: sessions that are opened and dropped leave nothing behind', {
    timeout: 90_000,
  }, async () => {
    const params = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'flood', version: '1' },
    };
    const open = async (nth: number): Promise<void> => {
      const { status, headers } = await rpc(appliance, {
        method: 'initialize',
        params,
        headers: { 'mcp-session-id': `session-${nth}` },
      });
      assert.deepEqual([status, headers.get('mcp-session-id')], [200, null]);
    };
    await many(SESSIONS / 3, 16, open);
    const before = await memoryBytes();
    await many(SESSIONS, 16, open);
    const grown = (await memoryBytes()) - before;
    assert.ok(grown < GROWTH_BYTES, `grown by ${grown} bytes`);
    assert.equal((await ask(appliance, '/healthz')).status, 200);
    assert.doesNotMatch(appliance.logs(), /unexpected error|MaxListeners|Unhandled/);
  });
});
