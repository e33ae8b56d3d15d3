// `/mcp`: authenticate before the method, strict JSON before the message, our own error bodies. A plain call is
// answered here; everything else the SDK answers.
import type { ServerResponse } from 'node:http';
import type { Express, Request, Response } from 'express';
import { Fault } from '#kernel/errors.ts';
import { departure } from '#surfaces/http/departure.ts';
import {
  arrivalOf,
  type Exchange,
  isComing,
  readJson,
  type Serve,
  sendFault,
} from '#surfaces/http/exchange.ts';
import type { Surface } from '#surfaces/http/surface.ts';
import type { McpHandler } from './adapter.ts';
import { type PlainCall, plainAnswers, plainCall } from './plain.ts';
import { type CallTool, createTools, listTools, type ToolResult } from './tools.ts';

const INSTRUCTIONS =
  'STACK calls services for you and puts the credentials in. Start with stack_list_services. Register the agent once ' +
  '(stack_register_agent), issue a passport for what you intend (stack_issue_passport), then call stack_proxy_request ' +
  'with it. Never ask for, store or send raw credentials. Every refusal names a next step.';

export function createMcp(surface: Surface): Serve {
  let handler: Promise<McpHandler> | undefined;
  const call = createTools(surface);
  const answer = plainAnswers(surface.version);
  const handle: McpHandler = async (...exchange) => {
    handler ??= openHandler(surface, call);
    await (await handler)(...exchange);
  };
  return (exchange) => serve(surface, { call, answer, handle }, exchange);
}

export function mountMcp(app: Express, mcp: Serve): void {
  app.all('/mcp', (request: Request, response: Response, next: (error?: unknown) => void) => {
    mcp({ request, response }).catch(next);
  });
}

/** With the first message: the SDK and the schemas of the tools are a good part of the time to start. */
async function openHandler({ registry, log, version }: Surface, call: CallTool): Promise<McpHandler> {
  const { createMcpAdapter } = await import('./adapter.ts');
  return createMcpAdapter({
    version,
    instructions: INSTRUCTIONS,
    tools: listTools(registry),
    call,
    onError: (error) => log.warn('mcp request refused', { reason: error.message }),
  });
}

type Ways = {
  readonly call: CallTool;
  readonly answer: (plain: PlainCall, result: ToolResult) => string;
  readonly handle: McpHandler;
};

async function serve(surface: Surface, { call, answer, handle }: Ways, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  const arrival = arrivalOf(exchange, 'network', surface);
  const caller = await surface.line.authenticate(arrival);
  if (!caller.ok) return sendFault(response, caller.fault);
  // Auth comes before the method: clients probe with GET and want 401 (protocol.md 2.2).
  if (caller.value.kind === 'anonymous') return sendFault(response, new Fault('UNAUTHORIZED'));
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST');
    return sendFault(response, new Fault('METHOD_NOT_ALLOWED', { next: 'Send MCP messages by POST.' }));
  }
  const late = isComing(request);
  const body = await readJson(request);
  if (!body.ok) return sendFault(response, body.fault);
  if (typeof body.value !== 'object' || body.value === null || Array.isArray(body.value)) {
    const issues = [{ path: '', message: 'one JSON-RPC message per request; batches are not taken' }];
    return sendFault(response, new Fault('INVALID_REQUEST', { metadata: { issues } }));
  }
  const still = late ? await surface.line.authenticate(arrival) : caller;
  if (!still.ok) return sendFault(response, still.fault);
  const from = { ...arrival, caller: still.value };
  const plain = plainCall(request.headers, body.value);
  if (plain !== undefined) {
    const result = await call(plain.call, from);
    await departure();
    return sendMessage(response, answer(plain, result));
  }
  // The SDK wants both media types named; callers that take plain JSON are served, too.
  request.headers.accept = 'application/json, text/event-stream';
  await handle(request, response, body.value, from);
}

/** In one write; with the headers that the SDK gives, too. */
function sendMessage(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
