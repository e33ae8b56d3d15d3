// Step 9: removes live secrets from headers and, while it passes, from the body; what cannot be read is withheld.
import { asFault, Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { type Codings, codingsOf, decodeBody, guardPacked } from '#platform/net/decoding.ts';
import { type Pieces, piecesOf, type UpstreamResponse } from '#platform/net/exchange.ts';
import { contentEncoding, contentLength, filterResponseHeaders } from '#platform/net/response-headers.ts';
import type { Forwarded } from './forward.ts';
import type { Redactor } from './redact.ts';
import { type HeaderList, headerValue } from './request.ts';

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
  /** Bytes of the body without its content codings, up to the limit. */
  bytes: number;
  /** The body went on past the limit. */
  cut: boolean;
  /** Secrets that were taken out, of headers and body. */
  redacted: number;
};

type Deps = { readonly redactor: () => Redactor; readonly bytesMax: () => number };
export type Scrub = (from: Forwarded) => Result<Scrubbed>;

export function createScrub({ redactor, bytesMax }: Deps): Scrub {
  return (from) => {
    const { response } = from;
    const encoding = contentEncoding(response.headers);
    const codings = encoding === undefined ? [] : codingsOf(encoding);
    // The reason goes to the caller and into the log: it holds no text of the service, which may be the secret.
    if (codings === undefined) return withheld(response, 'a content-encoding that cannot be undone');
    const rules = redactor();
    const limit = bytesMax();
    const tally: Tally = { bytes: 0, cut: false, redacted: 0 };
    const headers = cleanHeaders(filterResponseHeaders(response.headers), { rules, tally });
    const length = codings.length === 0 ? contentLength(response.headers) : undefined;
    const source = codings.length === 0 ? response.body : unpacked(response, codings);
    const parts = {
      from,
      redactor: rules,
      status: response.status,
      headers,
      lengthBytes: length !== undefined && length < rules.shortestBytes ? length : undefined,
      bytesMax: limit,
      body: cleaned(response, { source, rules, limit, tally }),
      tally,
      discard: () => response.discard(),
    };
    return ok(parts as unknown as Scrubbed);
  };
}

/** Unpacked while it comes: one piece is asked for at a time. */
function unpacked(response: UpstreamResponse, codings: Codings): Pieces {
  const pieces = decodeBody(response.body, codings)[Symbol.asyncIterator]();
  let ready: Uint8Array | undefined;
  let over = false;
  const take = (): Uint8Array | undefined => {
    const piece = ready;
    ready = undefined;
    return piece;
  };
  const more = async (): Promise<void> => {
    if (ready !== undefined || over) return;
    const next = await pieces.next();
    over = next.done === true;
    if (next.done !== true) ready = next.value;
  };
  return piecesOf({ take, finished: () => over && ready === undefined, more }, () => response.discard());
}

type Counting = { readonly rules: Redactor; readonly tally: Tally };

/** A secret in a name drops the header; in a value it is replaced. */
function cleanHeaders(headers: HeaderList, { rules, tally }: Counting): HeaderList {
  if (rules.clean(headers)) return headers;
  const kept = headers.filter(([name]) => rules.clean([[name, '']]));
  const clean = kept.map(([name, value]) => [name, rules.value(value)] as const);
  tally.redacted +=
    headers.length - kept.length + clean.filter(([, value], at) => value !== kept[at]?.[1]).length;
  return clean;
}

export function withheld(
  response: Pick<UpstreamResponse, 'status' | 'discard'>,
  reason: string,
): Result<never> {
  response.discard();
  const metadata = { sent: true, upstream_status: response.status, reason };
  return refuse(new Fault('RESPONSE_WITHHELD', { detail: reason, metadata }));
}

type Cleaning = Counting & { readonly source: Pieces; readonly limit: number };

function cleaned(response: UpstreamResponse, { source, rules, limit, tally }: Cleaning): Pieces {
  const stream = rules.open();
  const guard = guardPacked(headerValue(response.headers, 'content-type'));
  const before = tally.redacted;
  let over = false;
  const clean = (piece: Uint8Array): Uint8Array => {
    const shown = stream.push(piece);
    tally.redacted = before + stream.markers();
    return shown;
  };
  const ended = (): Uint8Array => {
    const last = guarded(() => guard.end());
    return last.length === 0 ? stream.end() : Buffer.concat([clean(last), stream.end()]);
  };
  const next = (): Uint8Array | undefined => {
    const chunk = source.take();
    if (chunk === undefined) {
      over = source.finished();
      return over ? ended() : undefined;
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
    return clean(guarded(() => guard.push(part)));
  };
  const guarded = (judge: () => Uint8Array): Uint8Array => {
    try {
      return judge();
    } catch (thrown) {
      over = true;
      response.discard();
      throw broken(thrown, response.status);
    }
  };
  const take = (): Uint8Array | undefined => {
    let piece = over ? undefined : next();
    // All of a piece may be held back; then there may be another.
    while (piece !== undefined && piece.length === 0) piece = over ? undefined : next();
    return piece;
  };
  const more = (): Promise<void> =>
    source.more().catch((thrown: unknown) => {
      response.discard();
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
