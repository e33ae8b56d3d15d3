// Step 11: the scrubbed and inspected answer goes to the caller, collected into one object or as a stream. What was begun
// and cannot be finished is a fault here, so that a surface breaks its connection and no cut answer looks whole.
import type { Kept } from '#features/idempotency/model.ts';
import { utf8 } from '#kernel/bytes.ts';
import { asFault, Fault } from '#kernel/errors.ts';
import { KEPT_ANSWER_BYTES_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Pieces } from '#platform/net/exchange.ts';
import { contentLength } from '#platform/net/response-headers.ts';
import { answerOf, type Shape } from './answer.ts';
import type { CallAnswer } from './call.ts';
import type { Inspected } from './inspect.ts';
import type { HeaderList } from './request.ts';
import { withheld } from './scrub.ts';
import type { Passing } from './under-way.ts';

declare const delivered: unique symbol;
/** The caller has the whole answer, or has it once `answer` is given to it. */
export type Delivered<T> = {
  readonly [delivered]: true;
  readonly from: Inspected;
  readonly answer: (shape: Shape) => T;
  /** The answer as it is kept under an idempotency key; undefined where it is too long for that. */
  readonly kept: (answer: T) => Uint8Array | undefined;
};

export type Delivery<T> = {
  /** Whether the answer is passed on as it comes. */
  readonly streams: boolean;
  /** Who passes it on, where it has to be cut while it comes. */
  readonly passing?: Passing;
  readonly deliver: (from: Inspected, entryId: string) => Promise<Result<Delivered<T>>>;
  /** Gives the answer of an earlier call, that said how to keep it. */
  readonly replay: (kept: Kept) => Promise<Result<T>>;
};

export type Head = {
  readonly status: number;
  readonly headers: HeaderList;
  /** Length of the body, where it is known for certain. */
  readonly lengthBytes: number | undefined;
  /** Audit entry of the intent. */
  readonly entryId: string;
  /** Of an earlier call under the same idempotency key. */
  readonly replayed?: true;
};

/** Where a streamed answer goes. Each promise rejects when the client has gone; without one it has been taken. */
export type Sink = {
  /** Head and body of an answer that is there already. */
  readonly whole: (head: Head, body: Uint8Array) => Promise<void>;
  readonly start: (head: Head) => void;
  /** Resolves when more may be given: what the client does not take, the upstream is not asked for. */
  readonly write: (bytes: Uint8Array) => Promise<void> | undefined;
  readonly end: () => Promise<void>;
} & Passing;

type Given<T> = Pick<Delivered<T>, 'answer' | 'kept'>;
const done = <T>(from: Inspected, given: Given<T>): Result<Delivered<T>> =>
  ok({ from, ...given } as Delivered<T>);

/** The whole answer as one object; past the limit it is cut, and says so. */
export function collected(bodyCharsMax: number | undefined): Delivery<CallAnswer> {
  return {
    streams: false,
    deliver: async (from) => {
      const { body, bytesMax, tally, discard } = from.from;
      let whole: Uint8Array;
      try {
        whole = await allOf(body);
      } catch (thrown) {
        return refuse(asFault(thrown));
      } finally {
        // What is over the limit nobody reads.
        discard();
      }
      // Markers may be longer than what they stand for.
      const shown = whole.length > bytesMax ? whole.subarray(0, bytesMax) : whole;
      const truncated = tally.cut || shown.length < whole.length;
      const answer = (shape: Shape) => answerOf({ from, body: shown, truncated }, { ...shape, bodyCharsMax });
      return done(from, { answer, kept: textOf });
    },
    replay: async ({ answer }) => {
      const first = JSON.parse(Buffer.from(answer).toString('utf8')) as CallAnswer;
      return ok({ ...first, replayed: true });
    },
  };
}

function textOf(answer: CallAnswer): Uint8Array | undefined {
  const text = utf8(JSON.stringify(answer));
  return text.length <= KEPT_ANSWER_BYTES_MAX ? text : undefined;
}

/** Piece by piece into the sink; past the limit the stream is closed (contract 5). */
export function streamed(sink: Sink): Delivery<void> {
  return {
    streams: true,
    passing: sink,
    deliver: async (from, entryId) => {
      const { status, headers, lengthBytes, body, tally, bytesMax, discard } = from.from;
      const declared = contentLength(from.from.from.response.headers);
      if (declared !== undefined && declared > bytesMax)
        return withheld({ status, discard }, `answer of ${declared} bytes is over the limit`);
      try {
        const head = { status, headers, lengthBytes, entryId };
        const first = there(body);
        if (body.finished() && !tally.cut) {
          await sink.whole(first.length === 0 ? head : { ...head, lengthBytes: first.length }, first);
        } else {
          await pass(body, sink, { head, first });
          if (tally.cut) return tooLong(status, bytesMax);
          await sink.end();
        }
      } catch (thrown) {
        discard();
        return refuse(thrown instanceof Fault ? thrown : gone(status, thrown));
      }
      return done<void>(from, { answer: () => undefined, kept: () => undefined });
    },
    replay: async () => refuse(new Fault('INTERNAL', { detail: 'this answer was not kept' })),
  };
}

/** What has come by now: of most answers all of it, with the head. */
function there(body: Pieces): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let piece = body.take(); piece !== undefined; piece = body.take()) parts.push(piece);
  return joined(parts);
}

async function allOf(body: Pieces): Promise<Uint8Array> {
  const parts = [there(body)];
  if (!body.finished()) for await (const part of body) parts.push(part);
  return joined(parts);
}

/** One piece, as most answers are, is not copied. */
const joined = ([first, ...more]: readonly Uint8Array[]): Uint8Array =>
  first !== undefined && more.length === 0
    ? first
    : Buffer.concat(first === undefined ? [] : [first, ...more]);

type Beginning = { readonly head: Head; readonly first: Uint8Array };

async function pass(body: Pieces, sink: Sink, { head, first }: Beginning): Promise<void> {
  sink.start(head);
  if (first.length > 0) await sink.write(first);
  for (;;) {
    const piece = body.take();
    if (piece !== undefined) await sink.write(piece);
    else if (body.finished()) return;
    else await body.more();
  }
}

function tooLong(status: number, bytesMax: number): Result<never> {
  const detail = `the answer went on past ${bytesMax} bytes; its stream was closed`;
  const metadata = { sent: true, upstream_status: status, reason: 'too_long' };
  return refuse(new Fault('RESPONSE_WITHHELD', { detail, metadata }));
}

export function gone(status: number, cause: unknown): Fault {
  const metadata = { sent: true, upstream_status: status, reason: 'aborted' };
  return new Fault('UPSTREAM_UNREACHABLE', { detail: 'the caller went away', metadata, cause });
}
