// The upstream that nginx cannot be: an answer after 10 ms and a stream of events; and the ordinary answer where there is no
// nginx. Argument: port. Like nginx it refuses whoever does not carry the credential.
import { createServer, type ServerResponse } from 'node:http';
import { monotonicUs } from './event-streams.ts';
import { CREDENTIAL, CREDENTIAL_HEADER, ITEM } from './upstream.ts';

const SLOW_MS = 10;
const EVENT_EVERY_MS = 20;
const LISTENER_BACKLOG = 1024;

const [port] = process.argv.slice(2);

function answerItem(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': ITEM.length }).end(ITEM);
}

/** Each event carries the moment it was sent, by the clock that all processes of one machine share. */
function sendEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const timer = setInterval(() => {
    response.write(`data: ${monotonicUs()}\n\n`);
  }, EVENT_EVERY_MS);
  response.on('close', () => clearInterval(timer));
}

const server = createServer((request, response) => {
  request.resume();
  if (request.headers[CREDENTIAL_HEADER] !== CREDENTIAL) response.writeHead(401).end();
  else if (request.url === '/v1/slow') setTimeout(() => answerItem(response), SLOW_MS);
  else if (request.url === '/v1/events') sendEvents(response);
  else answerItem(response);
});
server.keepAliveTimeout = 0;
server.listen(Number(port), '127.0.0.1', LISTENER_BACKLOG, () => process.stdout.write('listening\n'));
