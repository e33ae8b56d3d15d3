// The MCP server behind the gateways: one tool that answers with the item, written by hand, so that it costs next to nothing.
// Arguments: `stdio`, or `http` and a port; over HTTP it demands the credential.
import { createServer, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { CREDENTIAL, CREDENTIAL_HEADER, ITEM } from './upstream.ts';

type Message = { readonly id?: number | string; readonly method?: string; readonly params?: Params };
type Params = { readonly protocolVersion?: string };

const TOOL = { name: 'item', description: 'One item.', inputSchema: { type: 'object', properties: {} } };
const LISTENER_BACKLOG = 1024;

function resultOf({ method, params }: Message): unknown {
  if (method === 'tools/call') return { content: [{ type: 'text', text: ITEM }] };
  if (method === 'tools/list') return { tools: [TOOL] };
  if (method !== 'initialize') return {};
  return {
    protocolVersion: params?.protocolVersion ?? '2025-06-18',
    capabilities: { tools: {} },
    serverInfo: { name: 'item', version: '1.0.0' },
  };
}

/** Nothing for a notification. */
function answerTo(text: string): string | undefined {
  const message = JSON.parse(text) as Message;
  if (message.id === undefined) return undefined;
  return JSON.stringify({ jsonrpc: '2.0', id: message.id, result: resultOf(message) });
}

function serveLines(): void {
  createInterface({ input: process.stdin }).on('line', (line) => {
    const answer = answerTo(line);
    if (answer !== undefined) process.stdout.write(`${answer}\n`);
  });
}

async function textOf(request: IncomingMessage): Promise<string> {
  request.setEncoding('utf8');
  let text = '';
  for await (const part of request) text += String(part);
  return text;
}

function serveHttp(port: number): void {
  const server = createServer(async (request, response) => {
    const text = await textOf(request);
    if (request.headers[CREDENTIAL_HEADER] !== CREDENTIAL) return void response.writeHead(401).end();
    const answer = answerTo(text);
    if (answer === undefined) return void response.writeHead(202).end();
    const framing = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) };
    response.writeHead(200, framing).end(answer);
  });
  server.keepAliveTimeout = 0;
  server.listen(port, '127.0.0.1', LISTENER_BACKLOG, () => process.stdout.write('listening\n'));
}

const [transport, port] = process.argv.slice(2);
if (transport === 'stdio') serveLines();
else serveHttp(Number(port));
