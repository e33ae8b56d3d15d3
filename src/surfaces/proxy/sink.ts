// The client's side of a streamed answer: head, pieces under back-pressure, end. A client that has gone or takes nothing
// makes the next piece fail, which ends the call to the service.
import type { ServerResponse } from 'node:http';
import { STREAM_CLIENT_STALL_MS } from '#kernel/limits.ts';
import type { Head, Sink } from '#pipeline/deliver.ts';
import { departure } from '#surfaces/http/departure.ts';

/** An answer of an upstream opened in a browser is a page without rights, and is kept by no cache. */
const OURS: readonly string[] = [
  ...['content-security-policy', 'sandbox'],
  ...['x-content-type-options', 'nosniff'],
  ...['cache-control', 'no-store'],
];
const REPLACED = new Set(['cache-control', 'x-content-type-options']);
/** RFC 9110 15.3.5, 15.4.5: these have no body, and a length would only be about another answer. */
const BODILESS = new Set([204, 304]);

/** Up to here copying is cheaper than a write of two parts. */
const ONE_WRITE_BYTES_MAX = 16_384;
const latin1 = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString('latin1');

type Shown = (headers: Head['headers']) => Head['headers'];

export function createSink(response: ServerResponse, shown: Shown): Sink {
  return {
    whole: async (head, body) => {
      await departure();
      if (response.destroyed) throw new Error('the client has gone');
      response.writeHead(head.status, flat(head, shown));
      // Short ones as text of one byte a character, which Node writes together with the head in one go.
      if (body.length > ONE_WRITE_BYTES_MAX) response.end(body);
      else response.end(latin1(body), 'latin1');
      // Mostly the kernel has taken all of it by now.
      if (response.socket?.writableLength === 0) return;
      response.setTimeout(STREAM_CLIENT_STALL_MS, () => response.destroy());
      await next(response, 'finish');
    },
    start: (head) => {
      if (response.destroyed) throw new Error('the client has gone');
      // The socket's own clock: it runs only while nothing moves, and only waiting bytes are the client's fault.
      response.setTimeout(STREAM_CLIENT_STALL_MS, () => {
        if (response.writableNeedDrain) response.destroy();
      });
      response.writeHead(head.status, flat(head, shown));
      // Head and first piece leave in one packet where both are there; the head of a slow answer does not wait for it.
      setImmediate(() => response.flushHeaders());
    },
    write: (bytes) => {
      if (response.destroyed) return Promise.reject(new Error('the client has gone'));
      return response.write(bytes) ? undefined : next(response, 'drain');
    },
    cut: () => {
      if (!response.headersSent) return false;
      // Not closed but reset: what the kernel still holds for a client that reads slowly is dropped with it.
      response.socket?.resetAndDestroy();
      response.destroy();
      return true;
    },
    end: () => {
      const finished = next(response, 'finish');
      response.end();
      return finished;
    },
  };
}

function flat({ status, headers, lengthBytes, entryId, replayed }: Head, shown: Shown): string[] {
  const lines: string[] = [];
  for (const [name, value] of shown(headers)) if (!REPLACED.has(name)) lines.push(name, value);
  lines.push(...OURS, 'x-stack-entry', entryId);
  if (replayed === true) lines.push('x-stack-replayed', 'true');
  if (lengthBytes !== undefined && !BODILESS.has(status)) lines.push('content-length', String(lengthBytes));
  return lines;
}

function next(response: ServerResponse, event: 'drain' | 'finish'): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      response.off(event, settle).off('close', settle);
      if (event === 'finish' ? response.writableFinished : !response.destroyed) resolve();
      else reject(new Error('the client has gone'));
    };
    response.on(event, settle).on('close', settle);
  });
}
