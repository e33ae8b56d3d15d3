// Step 9: removes live secrets from headers and, while it passes, from the body; what cannot be read is withheld.
import { asFault, Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { type Pieces, piecesOf, type UpstreamResponse } from '#platform/net/exchange.ts';
import { contentEncoding, contentLength, filterResponseHeaders } from '#platform/net/response-headers.ts';
import type { Forwarded } from './forward.ts';
import type { Redactor } from './redact.ts';
import type { HeaderList } from './request.ts';

declare const scrubbed: unique symbol;
export type Scrubbed = {
  readonly [scrubbed]: true;
  readonly from: Forwarded;
  readonly redactor: Redactor;
  readonly status: number;
  readonly headers: HeaderList;
  /** Length of the body where the scrub cannot change it. */
  readonly lengthBytes: number | undefined;
  readonly bytesMax: number;
  /** Ends at the limit and then says so in the tally; throws a Fault where the upstream breaks off. Read once. */
  readonly body: Pieces;
  readonly tally: Readonly<Tally>;
  /** Closes the upstream's connection; nobody is going to read the body. */
  readonly discard: () => void;
};

type Tally = {
  /** Bytes of the body as it came, up to the limit. */
  bytes: number;
  /** The body went on past the limit. */
  cut: boolean;
};

type Deps = { readonly redactor: () => Redactor; readonly bytesMax: () => number };
export type Scrub = (from: Forwarded) => Result<Scrubbed>;

export function createScrub({ redactor, bytesMax }: Deps): Scrub {
  return (from) => {
    const { response } = from;
    // The reason goes to the caller and into the log: it holds no text of the service, which may be the secret.
    if (contentEncoding(response.headers) !== undefined)
      return withheld(response, 'a content-encoding that was not asked for');
    const rules = redactor();
    const headers = filterResponseHeaders(response.headers)
      .filter(([name]) => !rules.inName(name))
      .map(([name, value]) => [name, rules.text(value)] as const);
    const limit = bytesMax();
    const tally: Tally = { bytes: 0, cut: false };
    const length = contentLength(response.headers);
    const parts = {
      from,
      redactor: rules,
      status: response.status,
      headers,
      lengthBytes: length !== undefined && length < rules.shortestBytes ? length : undefined,
      bytesMax: limit,
      body: cleaned(response, { rules, limit, tally }),
      tally,
      discard: () => response.discard(),
    };
    return ok(parts as unknown as Scrubbed);
  };
}

export function withheld(
  response: Pick<UpstreamResponse, 'status' | 'discard'>,
  reason: string,
): Result<never> {
  response.discard();
  const metadata = { sent: true, upstream_status: response.status, reason };
  return refuse(new Fault('RESPONSE_WITHHELD', { detail: reason, metadata }));
}

type Cleaning = { readonly rules: Redactor; readonly limit: number; readonly tally: Tally };

function cleaned(response: UpstreamResponse, { rules, limit, tally }: Cleaning): Pieces {
  const stream = rules.open();
  const source = response.body;
  let over = false;
  const next = (): Uint8Array | undefined => {
    const chunk = source.take();
    if (chunk === undefined) {
      over = source.finished();
      return over ? stream.end() : undefined;
    }
    const room = limit - tally.bytes;
    const part = chunk.length > room ? chunk.subarray(0, room) : chunk;
    tally.bytes += part.length;
    if (part !== chunk) {
      // What is still held back may be the beginning of a secret: it stays.
      tally.cut = true;
      over = true;
      response.discard();
    }
    return stream.push(part);
  };
  const take = (): Uint8Array | undefined => {
    let piece = over ? undefined : next();
    // All of a piece may be held back; then there may be another.
    while (piece !== undefined && piece.length === 0) piece = over ? undefined : next();
    return piece;
  };
  const more = (): Promise<void> =>
    source.more().catch((thrown: unknown) => {
      throw broken(thrown, response.status);
    });
  return piecesOf({ take, finished: () => over, more }, () => response.discard());
}

/** The request left and a status came: the caller must know both before it thinks of repeating. */
function broken(thrown: unknown, status: number): Fault {
  const fault = asFault(thrown);
  const metadata = { ...fault.metadata, sent: true, upstream_status: status };
  const code = fault.code === 'INTERNAL' ? 'UPSTREAM_UNREACHABLE' : fault.code;
  return new Fault(code, { detail: fault.detail ?? 'body broke off', metadata, cause: thrown });
}
