// GET /openapi.json and GET /reference: public, made once when first asked for, the same for everyone until a restart.
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Express } from 'express';
import type { Surface } from '#surfaces/http/surface.ts';

type Document = {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
};

export function mountDocuments(app: Express, { registry, version }: Surface): void {
  // Late: what makes them costs every start some milliseconds, and few starts are asked for them.
  const contents = once(async () => (await import('./document.ts')).contentsOf(registry, version));
  const openApi = once(async () => {
    const { openApiOf } = await import('./document.ts');
    return documentOf(JSON.stringify(openApiOf(await contents())), {
      'content-type': 'application/json; charset=utf-8',
    });
  });
  const reference = once(async () => {
    const { PAGE_POLICY, pageOf } = await import('./page.ts');
    return documentOf(pageOf(await contents()), {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': PAGE_POLICY,
      'referrer-policy': 'no-referrer',
    });
  });
  app.get('/openapi.json', async (request, response) => send(await openApi(), request, response));
  app.get('/reference', async (request, response) => send(await reference(), request, response));
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function documentOf(text: string, headers: Readonly<Record<string, string>>): Document {
  const bytes = Buffer.from(text);
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"`, headers };
}

/** May be kept, and is asked for again each time: a new version must show at once. */
function send({ bytes, etag, headers }: Document, request: IncomingMessage, response: ServerResponse): void {
  const same = { etag, 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' };
  if (names(request.headers['if-none-match'] ?? '', etag)) {
    response.writeHead(304, same).end();
    return;
  }
  response.writeHead(200, { ...same, ...headers, 'content-length': bytes.length });
  response.end(bytes);
}

/** RFC 9110 13.1.2: a list, compared weakly. */
const names = (given: string, etag: string): boolean =>
  given.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag);
