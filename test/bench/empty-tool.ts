// A tool that does nothing, on the MCP SDK that the appliance uses: what is left of a tools/call when everything of ours is
// taken away. The handler is made once and the body handed over parsed, as cheaply as the SDK allows. Argument: port.
import { createServer, type IncomingMessage } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, Server } from '@modelcontextprotocol/server';

const LISTENER_BACKLOG = 1024;
const [port] = process.argv.slice(2);

const answer = { content: [{ type: 'text' as const, text: '{}' }], structuredContent: { empty: true } };

/** A fresh one for each request, as the SDK asks; sharing one would mix up its callers. */
function emptyServer(): Server {
  const server = new Server({ name: 'empty', version: '1.0.0' }, { capabilities: { tools: {} } });
  server.setRequestHandler('tools/call', () => answer);
  return server;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
}

const handle = toNodeHandler(createMcpHandler(emptyServer));
const server = createServer(async (request, response) => {
  await handle(request as never, response, await bodyOf(request));
});
server.keepAliveTimeout = 0;
server.listen(Number(port), '127.0.0.1', LISTENER_BACKLOG, () => process.stdout.write('listening\n'));
