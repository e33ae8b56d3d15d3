// The yardstick: the least a Node program can do that stands between an agent and a service and puts a credential in. No
// checks, no log. undici's `dispatch`, since it is the fastest client there is. Arguments: port, origin, header, value.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Dispatcher, Pool } from 'undici';

const CONNECTIONS_MAX = 128;
const [port, origin = '', header = '', value = ''] = process.argv.slice(2);
const pool = new Pool(origin, { connections: CONNECTIONS_MAX, pipelining: 1 });

/** Between two neighbours only, RFC 9110 7.6.1; `host` is that of the service. */
const HOP_BY_HOP = new Set([
  'connection',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

function headersOf(request: IncomingMessage): string[] {
  const headers = [header, value];
  for (const [name, given] of Object.entries(request.headers)) {
    if (!HOP_BY_HOP.has(name) && typeof given === 'string') headers.push(name, given);
  }
  return headers;
}

function answerInto(response: ServerResponse): Dispatcher.DispatchHandler {
  return {
    onRequestStart: (controller) => {
      response.once('close', () => {
        if (!response.writableEnded) controller.abort(new Error('the caller went away'));
      });
    },
    onResponseStart: (_controller, status, headers) => {
      for (const name of HOP_BY_HOP) delete headers[name];
      response.writeHead(status, headers);
    },
    onResponseData: (controller, chunk) => {
      if (response.write(chunk)) return;
      controller.pause();
      response.once('drain', () => controller.resume());
    },
    onResponseEnd: () => void response.end(),
    onResponseError: () => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    },
  };
}

const server = createServer((request, response) => {
  const { method = 'GET', url = '/' } = request;
  const hasBody =
    request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
  const body = hasBody ? request : null;
  const headers = headersOf(request);
  pool.dispatch({ path: url, method: method as 'GET', headers, body }, answerInto(response));
});
server.listen(Number(port), '127.0.0.1', () => process.stdout.write('listening\n'));
