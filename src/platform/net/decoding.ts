// Undoes content codings while a body passes (RFC 9110 8.4), under limits of size and ratio: a secret may be inside. What does
// not decode, ends early, grows like a bomb or is packed without saying so is withheld.
// Whole: an older Node has no zstd, and must come as far as the sentence that refuses it.
import zlib from 'node:zlib';
import { Fault } from '#kernel/errors.ts';
import { DECODED_GROWTH_FROM_BYTES, DECODED_GROWTH_MAX, DECODED_LAYERS_MAX } from '#kernel/limits.ts';

type Body = AsyncIterable<Uint8Array>;
/** `bytesWritten` is what it has read so far, without what waits before it. */
type Decoder = ReturnType<
  typeof zlib.createGunzip | typeof zlib.createBrotliDecompress | typeof zlib.createZstdDecompress
>;
type Coding = 'gzip' | 'deflate' | 'br' | 'zstd';

export type Codings = readonly Coding[];

const CODINGS: Readonly<Record<string, Coding>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'br',
  zstd: 'zstd',
};

/** The codings in the order they were applied, or undefined where one is unknown or there are too many. */
export function codingsOf(encoding: string): readonly Coding[] | undefined {
  const names = encoding
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity');
  const codings = names.map((name) => CODINGS[name]);
  return names.length > DECODED_LAYERS_MAX || codings.includes(undefined) ? undefined : (codings as Coding[]);
}

export function decodeBody(body: Body, codings: readonly Coding[]): Body {
  return codings.toReversed().reduce<Body>((inner, coding) => decodeOne(inner, coding), body);
}

async function* decodeOne(body: Body, coding: Coding): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    const first = await begunWith(pieces);
    if (first.length > 0) yield* unpack(pieces, { first, decoder: decoderOf(coding, first) });
  } finally {
    // Not waited for: a source that hangs has its own clock.
    void pieces.return?.();
  }
}

/** The first bytes: as many as tell the two forms of deflate apart. */
async function begunWith(pieces: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let first: Uint8Array = new Uint8Array();
  while (first.length < ZLIB_HEAD_BYTES) {
    const next = await pieces.next();
    if (next.done === true) break;
    first = first.length === 0 ? next.value : Buffer.concat([first, next.value]);
  }
  return first;
}

type Packed = { readonly first: Uint8Array; readonly decoder: Decoder };

/** The source's own faults pass as they are; those of the decoder are ours. */
async function* unpack(
  pieces: AsyncIterator<Uint8Array>,
  { first, decoder }: Packed,
): AsyncGenerator<Uint8Array> {
  let plainBytes = 0;
  let broken: unknown;
  const feed = async (): Promise<void> => {
    for (let piece: Uint8Array | undefined = first; piece !== undefined; ) {
      if (!decoder.write(piece)) await drained(decoder);
      if (decoder.destroyed) return;
      const next = await pieces.next();
      piece = next.done === true ? undefined : next.value;
    }
    decoder.end();
  };
  const feeding = feed().catch((thrown: unknown) => {
    broken = thrown;
    decoder.destroy(new Error('the body broke off'));
  });
  try {
    for await (const plain of decoder as AsyncIterable<Uint8Array>) {
      plainBytes += plain.length;
      const bound = Math.max(DECODED_GROWTH_FROM_BYTES, DECODED_GROWTH_MAX * decoder.bytesWritten);
      if (plainBytes > bound) throw unreadable('the packed body grows without measure');
      yield plain;
    }
    await feeding;
  } catch (thrown) {
    if (broken !== undefined) throw broken;
    throw thrown instanceof Fault ? thrown : unreadable('the packed body does not unpack', thrown);
  } finally {
    decoder.destroy();
  }
}

const drained = (decoder: Decoder): Promise<void> =>
  new Promise((resolve) => {
    const go = (): void => {
      decoder.off('drain', go).off('close', go);
      resolve();
    };
    decoder.on('drain', go).on('close', go);
  });

const unreadable = (detail: string, cause?: unknown): Fault =>
  new Fault('RESPONSE_WITHHELD', { detail, cause, metadata: { sent: true, reason: 'coding' } });

function decoderOf(coding: Coding, first: Uint8Array): Decoder {
  if (coding === 'gzip') return zlib.createGunzip();
  if (coding === 'br') return zlib.createBrotliDecompress();
  if (coding === 'zstd') return zlib.createZstdDecompress();
  // RFC 9110 8.4.1.2: some servers send it without the zlib wrapper.
  return isZlib(first) ? zlib.createInflate() : zlib.createInflateRaw();
}

/** RFC 1950 2.2: method 8, and a check of the first two bytes. */
const isZlib = ([method = 0, flags = 0]: Uint8Array): boolean =>
  (method & 0x0f) === 8 && (method * 256 + flags) % 31 === 0;

/** Types whose bodies are packed by their nature, or may be anything. */
const MAY_BE_PACKED =
  /^(?:image|audio|video|font|model)\/|^application\/(?:octet-stream|zip|x-zip|gzip|x-gzip|zstd|x-tar|x-gtar|x-compress|x-bzip|x-xz|x-7z|pdf|wasm|java-archive|vnd\.)/;
const TEXTUAL = /json|xml|text|html|yaml|csv|javascript/;
const ZLIB_HEAD_BYTES = 2;
/** Of zlib with a window of 32 kB, the usual one; also a letter. Of so few bytes as follow, text can still look packed. */
const ZLIB_FIRST = 0x78;
const ZLIB_TOLD_BYTES = 64;
const MAGIC_BYTES = 4;

export type PackedGuard = {
  /** The piece, or nothing while the first bytes do not tell yet. Throws a Fault where the body is packed. */
  readonly push: (piece: Uint8Array) => Uint8Array;
  readonly end: () => Uint8Array;
};

const NOTHING = new Uint8Array();

/** Withholds a body that is packed though its head says that it is plain text: a secret inside would pass unread. */
export function guardPacked(contentType: string | undefined): PackedGuard {
  const type = contentType?.trim().toLowerCase().split(';', 1)[0] ?? '';
  const free = MAY_BE_PACKED.test(type) && !TEXTUAL.test(type.replace('officedocument', ''));
  let begun: Uint8Array | undefined = free ? undefined : NOTHING;
  return {
    push: (piece) => {
      if (begun === undefined) return piece;
      const start: Uint8Array = begun.length === 0 ? piece : Buffer.concat([begun, piece]);
      const undecided =
        start.length < (start[0] === ZLIB_FIRST ? ZLIB_TOLD_BYTES : MAGIC_BYTES) && mayBePacked(start);
      begun = undecided ? start : undefined;
      if (undecided) return NOTHING;
      if (isPacked(start, zlib.constants.Z_SYNC_FLUSH)) throw undeclared();
      return start;
    },
    end: () => {
      if (begun !== undefined && isPacked(begun, zlib.constants.Z_FINISH)) throw undeclared();
      return begun ?? NOTHING;
    },
  };
}

const undeclared = (): Fault => unreadable('the body is packed, and its head does not say so');

const MAGICS: readonly (readonly number[])[] = [
  [0x1f, 0x8b, 8],
  [0x28, 0xb5, 0x2f, 0xfd],
];

const mayBePacked = (start: Uint8Array): boolean =>
  (start[0] === ZLIB_FIRST && (start.length < ZLIB_HEAD_BYTES || isZlib(start))) ||
  MAGICS.some((magic) => magic.slice(0, start.length).every((byte, at) => byte === start[at]));

function isPacked(start: Uint8Array, finishFlush: number): boolean {
  if (MAGICS.some((magic) => magic.every((byte, at) => byte === start[at]))) return true;
  if (!isZlib(start)) return false;
  // Text may begin like this, too (`x^2`), but does not unpack.
  try {
    return zlib.inflateSync(start, { finishFlush, maxOutputLength: DECODED_GROWTH_FROM_BYTES }).length > 0;
  } catch (thrown) {
    return (thrown as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
  }
}
