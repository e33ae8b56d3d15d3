// One request on a connection of the pool and what comes back: head, then pieces as they arrive, under a deadline. It is
// known at every moment whether the first byte may have left, and every end that is not the whole answer is a Fault.
import type { Dispatcher } from 'undici';
import { asFault, Fault } from '#kernel/errors.ts';
import {
  INTERIM_ANSWERS_MAX,
  RESPONSE_HEADERS_MAX,
  UPLOAD_PIECE_BYTES,
  UPSTREAM_HELD_BYTES_MAX,
} from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';

type Header = readonly [name: string, value: string];

export type UpstreamResponse = {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: readonly Header[];
  readonly body: Pieces;
  /** Closes the connection of a body that nobody is going to read. */
  readonly discard: () => void;
};

/** Something that waits, and may be ended from outside. */
export type Waiting = { readonly cut: (fault: Fault) => void };
/** Through which an exchange is ended at once: it stands here for as long as it goes on. */
export type Handle = { readonly fault: Fault | undefined; waiting: Waiting | undefined };

/** A body in pieces, taken as they come. Iterating it does the same; who leaves the loop early discards the rest. */
export type Pieces = AsyncIterable<Uint8Array> & {
  /** What is there by now, or `undefined`. */
  readonly take: () => Uint8Array | undefined;
  /** All of it was there, and was taken. */
  readonly finished: () => boolean;
  /** Resolves when there is more to take or nothing more will come; rejects with a Fault where it broke off. */
  readonly more: () => Promise<void>;
};

export type Sending = {
  readonly method: string;
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** Until the head of the answer is there; also the longest pause within its body. */
  readonly timeoutMs: number;
  /** How long a body may go on after its head; `undefined`: `timeoutMs` is for the whole of the call. */
  readonly streamMs?: number | undefined;
  readonly handle?: Handle | undefined;
};

type Pool = Pick<Dispatcher, 'dispatch'>;

/** Never rejects. `signal` fires when nobody waits for the answer any more. */
export function exchange(
  pool: Pool,
  sending: Sending,
  signal: AbortSignal,
): Promise<Result<UpstreamResponse>> {
  return new Promise((settle) => {
    const answer = new Answer(sending, signal, settle);
    const { method, path, timeoutMs } = sending;
    const options = {
      method: method as 'GET',
      path,
      ...framed(sending),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    };
    if (answer.isOpen()) pool.dispatch(options, answer);
  });
}

/**
 * undici takes any iterable and writes it piece by piece; its types name only Node's streams. A long body goes in pieces,
 * too: undici closes a connection whose answer is there before the last piece has left, and would hand on one whose socket
 * still holds the rest of a buffer, for the next call to wait behind.
 */
function framed({ headers, body }: Sending): { headers: string[]; body: Uint8Array | null } {
  if (!(body instanceof Uint8Array) || body.length <= UPLOAD_PIECE_BYTES)
    return { headers, body: (body ?? null) as Uint8Array | null };
  const length = ['content-length', String(body.length)];
  return { headers: [...headers, ...length], body: slices(body) as unknown as Uint8Array };
}

async function* slices(body: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += UPLOAD_PIECE_BYTES)
    yield body.subarray(at, at + UPLOAD_PIECE_BYTES);
}

/** RFC 9110 15: three digits, the first one of five. */
const STATUS_MAX = 599;

type Settle = (result: Result<UpstreamResponse>) => void;
type Controller = Dispatcher.DispatchController;

/** Its own body, so that a call costs one object here. */
class Answer implements Dispatcher.DispatchHandler, UpstreamResponse, Pieces, Waiting {
  status = 0;
  headers: readonly Header[] = [];
  readonly #streamMs: number | undefined;
  readonly #signal: AbortSignal;
  readonly #handle: Handle | undefined;
  /** Told of the head or of why there is none; once. */
  #settle: Settle | undefined;
  #controller: Controller | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Whether the first byte may have left. */
  #departed = false;
  #interim = 0;
  #queue: Uint8Array[] = [];
  #held = 0;
  #ended = false;
  #fault: Fault | undefined;
  #wake: (() => void) | undefined;

  constructor({ timeoutMs, streamMs, handle }: Sending, signal: AbortSignal, settle: Settle) {
    this.#streamMs = streamMs;
    this.#signal = signal;
    this.#handle = handle;
    if (handle !== undefined) handle.waiting = this;
    this.#settle = settle;
    this.#timer = setTimeout(this.#late, timeoutMs);
    if (signal.aborted) this.#gone();
    else signal.addEventListener('abort', this.#gone, { once: true });
    if (handle?.fault !== undefined) this.cut(handle.fault);
  }

  isOpen(): boolean {
    return this.#fault === undefined;
  }

  /** What has come and was not taken yet is dropped, too. */
  cut({ code, detail = '' }: Fault): void {
    this.#queue = [];
    this.#fail(new Fault(code, { detail, metadata: { sent: this.#departed } }));
  }

  readonly #late = (): void =>
    this.#fail(
      new Fault('UPSTREAM_TIMEOUT', {
        detail: 'no whole answer in time',
        metadata: { sent: this.#departed },
      }),
    );

  readonly #gone = (): void => {
    const metadata = { sent: this.#departed, reason: 'aborted' };
    this.#fail(new Fault('UPSTREAM_UNREACHABLE', { detail: 'the caller went away', metadata }));
  };

  /** undici starts a request just before it writes it; until then the request waits for a dial or a free connection. */
  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    // Nobody waits for it any more: it does not leave.
    if (this.#fault !== undefined) controller.abort(this.#fault);
    else this.#departed = true;
  }

  onResponseStart(controller: Controller, status: number): void {
    if (status < 200) {
      this.#interim += 1;
      if (this.#interim > INTERIM_ANSWERS_MAX)
        this.#withhold(`more than ${INTERIM_ANSWERS_MAX} interim answers`);
      return;
    }
    const headers = pairs(controller.rawHeaders);
    if (status <= STATUS_MAX) this.status = status;
    const problem = status > STATUS_MAX ? `a status over ${STATUS_MAX}` : framingProblem(headers);
    if (problem !== undefined) {
      this.#withhold(problem);
      return;
    }
    this.headers = headers;
    if (this.#streamMs !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(this.#late, this.#streamMs);
    }
    this.#tell(ok(this));
  }

  onResponseData(controller: Controller, chunk: Uint8Array): void {
    this.#queue.push(chunk);
    this.#held += chunk.length;
    // What its reader does not take, the upstream is not asked for.
    if (this.#held > UPSTREAM_HELD_BYTES_MAX) controller.pause();
    this.#wake?.();
  }

  onResponseEnd(): void {
    this.#ended = true;
    this.#stop();
    this.#wake?.();
  }

  onResponseError(_controller: Controller, error: unknown): void {
    this.#fail(faultOf(error, this.#departed));
  }

  get body(): Pieces {
    return this;
  }

  take(): Uint8Array | undefined {
    const piece = this.#queue.shift();
    if (piece === undefined) return undefined;
    this.#held -= piece.length;
    if (this.#held <= UPSTREAM_HELD_BYTES_MAX) this.#controller?.resume();
    return piece;
  }

  finished(): boolean {
    return this.#ended && this.#queue.length === 0;
  }

  async more(): Promise<void> {
    while (this.#queue.length === 0 && !this.#ended) {
      if (this.#fault !== undefined) throw this.#fault;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  discard(): void {
    if (this.#ended) return;
    this.#fail(new Fault('UPSTREAM_UNREACHABLE', { detail: 'nobody reads the answer' }));
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return iterate(this, () => this.discard());
  }

  #withhold(detail: string): void {
    const metadata = { sent: true, reason: 'framing' };
    this.#fail(new Fault('RESPONSE_WITHHELD', { detail, metadata }));
  }

  /** Ends what has not ended; the connection is closed, since another request would read what is left of this one. */
  #fail(fault: Fault): void {
    if (this.#ended || this.#fault !== undefined) return;
    this.#fault = fault;
    this.#stop();
    this.#controller?.abort(fault);
    this.#tell(refuse(this.status === 0 ? fault : withStatus(fault, this.status)));
    this.#wake?.();
  }

  #tell(result: Result<UpstreamResponse>): void {
    this.#settle?.(result);
    this.#settle = undefined;
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#gone);
    if (this.#handle !== undefined) this.#handle.waiting = undefined;
  }
}

const withStatus = (fault: Fault, status: number): Fault =>
  new Fault(fault.code, {
    ...(fault.detail === undefined ? {} : { detail: fault.detail }),
    metadata: { ...fault.metadata, upstream_status: status },
    cause: fault.cause,
  });

type Taking = Pick<Pieces, 'take' | 'finished' | 'more'>;

export const piecesOf = (taking: Taking, discard: () => void): Pieces => ({
  ...taking,
  [Symbol.asyncIterator]: () => iterate(taking, discard),
});

async function* iterate(taking: Taking, discard: () => void): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const piece = taking.take();
      if (piece !== undefined) yield piece;
      else if (taking.finished()) return;
      else await taking.more();
    }
  } finally {
    discard();
  }
}

function pairs(raw: Controller['rawHeaders']): Header[] {
  const list: Header[] = [];
  for (let at = 0; Array.isArray(raw) && at + 1 < raw.length; at += 2)
    list.push([latin1(raw[at]).toLowerCase(), latin1(raw[at + 1])]);
  return list;
}

const latin1 = (value: Buffer | string | undefined): string =>
  typeof value === 'string' ? value : (value?.toString('latin1') ?? '');

/** Two readings of where the body ends are an attack or a fault; either way it is not shown. */
function framingProblem(headers: readonly Header[]): string | undefined {
  if (headers.length > RESPONSE_HEADERS_MAX) return `more than ${RESPONSE_HEADERS_MAX} headers`;
  let length: string | undefined;
  let coding: string | undefined;
  for (const [name, value] of headers) {
    if (name === 'content-length') {
      if (length !== undefined && length !== value) return 'two content-lengths';
      length = value;
    } else if (name === 'transfer-encoding') coding = coding === undefined ? value : `${coding},${value}`;
  }
  if (coding === undefined) return undefined;
  if (length !== undefined) return 'both transfer-encoding and content-length';
  // A compressed transfer would hide a secret from the scrubber.
  // Which one is the service's own text, and may be the secret: it goes into no reason.
  return coding.trim().toLowerCase() === 'chunked' ? undefined : 'a transfer-encoding other than chunked';
}

const WITHHELD = new Set(['UND_ERR_HEADERS_OVERFLOW', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH']);

/** A fault of the dial says that nothing was sent; anything later may have been. */
function faultOf(thrown: unknown, sent: boolean): Fault {
  if (thrown instanceof Fault) return thrown;
  const { name = '', message = '', code = '' } = thrown as { name?: string; message?: string; code?: string };
  const detail = `${code} ${message}`;
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT')
    return new Fault('UPSTREAM_TIMEOUT', { detail, metadata: { sent } });
  // The parser's errors carry no code.
  if (name === 'HTTPParserError' || WITHHELD.has(code))
    return new Fault('RESPONSE_WITHHELD', { detail, metadata: { sent, reason: 'framing' } });
  const { cause } = asFault(thrown);
  return new Fault('UPSTREAM_UNREACHABLE', { detail, metadata: { sent, reason: 'broken' }, cause });
}
