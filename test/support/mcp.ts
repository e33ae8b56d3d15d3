// The smallest possible MCP client: one POST, the JSON-RPC answer out of a JSON or an SSE body. It shows what
// stands on the wire, without a client library that would mend it.
import type { Appliance } from './appliance.ts';
import { assertToolDocumented } from './documented.ts';
import type { Json } from './requests.ts';

export type RpcAnswer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly result: Json | undefined;
  readonly error: { readonly code: number; readonly message: string; readonly data?: Json } | undefined;
};

/** The last JSON-RPC message of the body; an SSE stream may open with comments and notifications. */
function message(text: string): Json {
  const data = text
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length).trim())
    .filter((line) => line !== '');
  const last = data.at(-1) ?? text;
  try {
    return JSON.parse(last) as Json;
  } catch {
    return {};
  }
}

export async function rpc(
  to: Pick<Appliance, 'mcpUrl' | 'apiKey'>,
  request: { method: string; params?: Json; headers?: Readonly<Record<string, string>> },
): Promise<RpcAnswer> {
  const response = await fetch(to.mcpUrl, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${to.apiKey}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...request.headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: request.method, params: request.params ?? {} }),
  });
  const text = await response.text();
  const body = message(text);
  if (request.method === 'tools/call')
    assertToolDocumented(String(request.params?.['name']), (body['result'] ?? {}) as Json);
  return {
    status: response.status,
    headers: response.headers,
    text,
    result: body['result'] as RpcAnswer['result'],
    error: body['error'] as RpcAnswer['error'],
  };
}

const MODERN = '2026-07-28';

/** A request as revision 2026-07-28 asks: headers that repeat the body, and `_meta` on every request. */
export function rpcModern(
  to: Appliance,
  request: { method: string; params?: Json; headers?: Readonly<Record<string, string>>; version?: string },
): Promise<RpcAnswer> {
  const version = request.version ?? MODERN;
  const meta = {
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientInfo': { name: 'scenario', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const name = request.params?.['name'];
  const headers: Record<string, string> = { 'mcp-protocol-version': version, 'mcp-method': request.method };
  if (typeof name === 'string') headers['mcp-name'] = name;
  return rpc(to, {
    method: request.method,
    params: { ...request.params, _meta: meta },
    headers: { ...headers, ...request.headers },
  });
}
