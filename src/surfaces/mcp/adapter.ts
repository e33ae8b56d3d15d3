// The only file that knows the MCP SDK. Stateless: a fresh server object per request, nothing shared between callers.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  createMcpHandler,
  isLegacyRequest,
  Server,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import type { CallTool, ToolCaller, ToolListing } from './tools.ts';

type Deps = {
  readonly version: string;
  readonly instructions: string;
  readonly tools: readonly ToolListing[];
  readonly call: CallTool;
  readonly onError: (error: Error) => void;
};

export type McpHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  body: unknown,
  from: ToolCaller,
) => Promise<void>;

/** Clients list the tools before every turn; the list changes only with a restart in this version. */
const LIST_TTL_MS = 60_000;

export function createMcpAdapter(deps: Deps): McpHandler {
  return async (request, response, body, from) => {
    // One handler per exchange: the caller travels by closure, never by shared state (CVE-2026-25536 class).
    const factory = () => serverFor(deps, from);
    const modern = createMcpHandler(factory, {
      legacy: 'reject',
      onerror: deps.onError,
    });
    const fetch = async (web: Request, options?: { parsedBody?: unknown }): Promise<Response> =>
      (await isLegacyRequest(web, options?.parsedBody))
        ? legacy(factory(), web, body)
        : modern.fetch(web, options);
    // The SDK's duck type leaves out `undefined`, which Node's own type allows.
    await toNodeHandler({ fetch }, { onerror: deps.onError })(request as never, response, body);
  };
}

/** 2025-era requests get plain JSON, which clients that accept no event stream can read, too. */
async function legacy(server: Server, web: Request, body: unknown): Promise<Response> {
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
  await server.connect(transport);
  return transport.handleRequest(web, { parsedBody: body });
}

function serverFor(deps: Deps, from: ToolCaller): Server {
  const server = new Server(
    { name: 'stack', version: deps.version },
    { capabilities: { tools: {} }, instructions: deps.instructions },
  );
  server.setRequestHandler('tools/list', () => ({
    tools: [...deps.tools] as never[],
    ttlMs: LIST_TTL_MS,
    cacheScope: 'private' as const,
  }));
  server.setRequestHandler('tools/call', async (message, context) => {
    const signal = AbortSignal.any([context.mcpReq.signal, from.signal]);
    const input = message.params.arguments ?? {};
    const result = await deps.call({ name: message.params.name, input }, { ...from, signal });
    return { ...result, content: [...result.content] };
  });
  return server;
}
