// The service behind the endurance run, a program of its own. Argument: port. It remembers each call that reached it, refuses
// whoever comes without the very credential of the service that was called, shows it in its answer, and says how long it took itself.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { CREDENTIAL_HEADER, credentialOf, ECHO_HEADER, MARK_HEADER, RECEIVED_PATH } from './shop.ts';

/** A service does something; and so many calls are under way at once, as they are behind real ones. */
const OWN_MS = 10;
const BACKLOG = 1024;
const CALL = /^\/s(\d+)\/calls\/([\w-]+)$/;

const [port] = process.argv.slice(2);
const received: string[] = [];
let bare = 0;

function answer(response: ServerResponse, body: Record<string, unknown>): void {
  const text = JSON.stringify(body);
  response.setHeader('content-type', 'application/json');
  response.setHeader('content-length', Buffer.byteLength(text));
  response.end(text);
}

function said(text: string): unknown {
  try {
    return (JSON.parse(text) as { mark?: unknown }).mark;
  } catch {
    return undefined;
  }
}

function serveCall(request: IncomingMessage, response: ServerResponse): void {
  const beganMs = performance.now();
  const [, service = '', mark = ''] = CALL.exec(request.url ?? '') ?? [];
  const credential = request.headers[CREDENTIAL_HEADER];
  if (mark === '' || credential !== credentialOf(Number(service))) {
    bare += 1;
    request.resume();
    response.writeHead(401).end();
    return;
  }
  received.push(mark);
  let text = '';
  request.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  request.on('error', () => undefined);
  request.on('end', () =>
    setTimeout(() => {
      response.setHeader(MARK_HEADER, mark).setHeader(ECHO_HEADER, credential);
      const marks = { path_mark: mark, body_mark: said(text) };
      answer(response, { ...marks, echo: credential, own_ms: performance.now() - beganMs });
    }, OWN_MS),
  );
}

const server = createServer((request, response) => {
  response.on('error', () => undefined);
  if (request.url === RECEIVED_PATH) answer(response, { received, bare });
  else serveCall(request, response);
});
server.keepAliveTimeout = 0;
// Whoever started it has gone.
process.stdin.resume().on('end', () => process.exit());
server.listen(Number(port), '127.0.0.1', BACKLOG, () => process.stdout.write('listening\n'));
