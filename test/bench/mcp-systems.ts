// MCP tools/call in all forms that are compared: ours, an empty tool on the same SDK, and what stands in front of one and the
// same MCP server: gateways from npm, the bare proxy, and ours again.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '#test/support/appliance.ts';
import type { Ours } from './ours.ts';
import { beside, onCoreUnderTest, type Spawned, start } from './spawned.ts';
import { ROOT } from './stage.ts';
import { requestBytes, type Sending, type System, startBareProxy, targetOf } from './systems.ts';
import { MARK, MCP_UPSTREAM } from './upstream.ts';

const MCP_PATH = '/mcp';
const MODERN = '2026-07-28';
const LEGACY = '2025-06-18';
const ACCEPT = { accept: 'application/json, text/event-stream' };

type Name = Pick<System, 'id' | 'title'>;
type Tool = { readonly name: string; readonly arguments: unknown };
type Era = 'modern' | 'legacy';

/** As a client of either era says it; the modern one repeats in headers what a gateway may want to know. */
function toolsCall(tool: Tool, era: Era, id = 1): Sending {
  const message = { jsonrpc: '2.0', id, method: 'tools/call' };
  if (era === 'legacy')
    return {
      method: 'POST',
      path: MCP_PATH,
      headers: { ...ACCEPT, 'mcp-protocol-version': LEGACY },
      body: { ...message, params: tool },
    };
  const meta = {
    'io.modelcontextprotocol/protocolVersion': MODERN,
    'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const headers = { 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': tool.name };
  return {
    method: 'POST',
    path: MCP_PATH,
    headers: { ...ACCEPT, ...headers },
    body: { ...message, params: { ...tool, _meta: meta } },
  };
}

const withHeaders = (sending: Sending, more: Readonly<Record<string, string>>): Sending => ({
  ...sending,
  headers: { ...sending.headers, ...more },
});

const ITEM_CALL: Tool = { name: 'item', arguments: {} };
const fixed = (name: Name, target: Awaited<ReturnType<System['target']>>, { pid }: Spawned): System => ({
  ...name,
  target: async () => target,
  pid: () => pid,
});

/** What ours is asked for: the item of the HTTP service, or the same tools/call that the gateways hand on. */
export function oursMcpSystems(ours: Ours): System[] {
  const { port, pid } = ours.appliance;
  const form = (name: Name, args: unknown, era: Era): System => ({
    ...name,
    target: async () => {
      const sending = toolsCall({ name: 'stack_proxy_request', arguments: args }, era);
      const key = { authorization: `Bearer ${await ours.passport()}` };
      return targetOf(port, withHeaders(sending, key));
    },
    pid,
    made: ours.made,
  });
  const item = { service: 'shop', method: 'GET', path: '/item' };
  const { body } = toolsCall(ITEM_CALL, 'legacy');
  const onward = { service: 'tools', method: 'POST', path: MCP_PATH, body };
  return [
    form({ id: 'mcp', title: 'ours, MCP tools/call' }, item, 'modern'),
    form({ id: 'mcp-2025', title: 'ours, MCP tools/call of 2025' }, item, 'legacy'),
    form({ id: 'mcp-mcp', title: 'ours, MCP before the MCP server' }, onward, 'legacy'),
  ];
}

/** Two systems on one server: clients of either era. */
export async function startEmptyTool(): Promise<System[]> {
  const port = await freePort();
  const program = join(import.meta.dirname, 'empty-tool.ts');
  const spawned = await start({ words: onCoreUnderTest([process.execPath, program, String(port)]) });
  const form = (name: Name, era: Era): System => {
    const call = toolsCall({ name: 'empty', arguments: {} }, era);
    return fixed(name, targetOf(port, call, '"empty":true'), spawned);
  };
  return [
    form({ id: 'empty', title: 'empty tool, same SDK' }, 'modern'),
    form({ id: 'empty-2025', title: 'empty tool, same SDK, of 2025' }, 'legacy'),
  ];
}

export async function startUndiciMcp(upstreamPort: number): Promise<System[]> {
  const { port, ...spawned } = await startBareProxy(upstreamPort);
  const target = targetOf(port, toolsCall(ITEM_CALL, 'legacy'));
  const name = { id: 'undici-mcp', title: 'bare undici before the MCP server' };
  return [fixed(name, target, spawned)];
}

/** The locked versions, below dist. Nothing of them runs when they are installed. */
function installGateways(): string {
  const folder = join(ROOT, 'dist/bench-gateways');
  mkdirSync(folder, { recursive: true });
  const isThere = existsSync(join(folder, 'node_modules/.package-lock.json'));
  cpSync(join(import.meta.dirname, 'gateways'), folder, { recursive: true });
  if (isThere) return folder;
  const args = ['ci', '--ignore-scripts', '--no-fund', '--no-audit'];
  const done = spawnSync('npm', args, { cwd: folder, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`npm ci of the gateways failed:\n${done.stderr}`);
  return folder;
}

type Gateway = Name & { readonly words: (port: number, server: readonly string[]) => string[] };

/** Each in the setting that is fastest for it. */
export const GATEWAYS: readonly Gateway[] = [
  {
    id: 'mcp-proxy',
    title: 'mcp-proxy (npm) before the MCP server',
    words: (port, server) => [
      'mcp-proxy/dist/bin/mcp-proxy.mjs',
      ...['--host', '127.0.0.1', '--port', String(port), '--server', 'stream', '--no-eventStore', '--'],
      ...server,
    ],
  },
  {
    id: 'supergateway',
    title: 'supergateway (npm) before the MCP server',
    words: (port, server) => [
      'supergateway/dist/index.js',
      ...['--stdio', server.join(' '), '--outputTransport', 'streamableHttp', '--stateful'],
      ...['--port', String(port), '--logLevel', 'none'],
    ],
  },
];

/** A session, as clients of 2025 open it. */
async function openSession(port: number): Promise<Record<string, string>> {
  const url = `http://127.0.0.1:${port}${MCP_PATH}`;
  const headers = { ...ACCEPT, 'content-type': 'application/json' };
  const clientInfo = { name: 'bench', version: '1.0.0' };
  const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo };
  const post = async (message: object, more: Record<string, string>): Promise<Response> => {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message });
    const response = await fetch(url, { method: 'POST', headers: { ...headers, ...more }, body });
    await response.text();
    return response;
  };
  const opened = await post({ id: 0, method: 'initialize', params }, {});
  const id = opened.headers.get('mcp-session-id');
  if (opened.status !== 200) throw new Error(`no session: ${opened.status}`);
  const session: Record<string, string> = id === null ? {} : { 'mcp-session-id': id };
  await post({ method: 'notifications/initialized' }, { ...session, 'mcp-protocol-version': LEGACY });
  return session;
}

export async function startGateway({ id, title, words }: Gateway): Promise<System[]> {
  const port = await freePort();
  const [program = '', ...args] = words(port, beside([process.execPath, MCP_UPSTREAM, 'stdio']));
  const file = join(installGateways(), 'node_modules', program);
  const isReady = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/`)).status > 0;
  const spawned = await start({ words: onCoreUnderTest([process.execPath, file, ...args]), isReady });
  const session = await openSession(port);
  // All connections are in one session, in which no two open calls may have the same id.
  const request = (connection: number): Buffer =>
    requestBytes(port, withHeaders(toolsCall(ITEM_CALL, 'legacy', connection + 1), session));
  return [fixed({ id, title }, { port, request, mark: MARK }, spawned)];
}
