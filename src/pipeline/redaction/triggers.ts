// Where a text must be unescaped to be searched: at bytes that begin an escape of a printable character, at zero bytes
// between letters, and at line ends, each only where a pattern may go across it. Everything else is searched as it is.
import {
  AMPERSAND,
  BACKSLASH,
  BLANK,
  CARRIAGE_RETURN,
  EQUALS,
  FOLD,
  foldOf,
  HASH,
  HEX,
  isPrintable,
  LINE_FEED,
  LOWER_N,
  LOWER_R,
  LOWER_U,
  LOWER_X,
  OPENING,
  PERCENT,
  printableOf,
  SEMICOLON,
  SPECIAL,
  TAB,
  UPPER_U,
  ZERO,
} from './alphabet.ts';
import { isNamedStart } from './unescape.ts';
import type { Windows } from './windows.ts';

const BYTES = 256;
const GRAM = 4;
const INDENT_MAX = 64;
const ENTITY_BYTES_MAX = 14;

/** An escape of a character, a sign of quoted-printable, a line end. */
type Kind = 0 | 1 | 2;
const PLAIN: Kind = 0;
const QUOTED: Kind = 1;
const LINE_END: Kind = 2;
type Escape = { readonly at: number; readonly after: number };
type InList = { readonly index: number; readonly last: number };
const NONE = -1;

export class Triggers {
  /** Folded bytes of the text that was scanned last. */
  readonly folded: Uint8Array;
  /** Positions that ask for plain unescaping, and those that ask for lines joined and quoted-printable read as well. */
  readonly escapes: Int32Array;
  readonly lines: Int32Array;
  escapesLength = 0;
  linesLength = 0;
  readonly #windows: Windows;
  /** By two bytes, whether the first begins something that counts. */
  readonly #pairs: Uint8Array;
  /** Of a window that goes across one character, so much at least is on one side of it. */
  readonly #half: number;
  /** Of each escape seen, where it ends and what it is. */
  readonly #after: Int32Array;
  readonly #kind: Uint8Array;

  constructor(windows: Windows, bytesMax: number) {
    this.folded = new Uint8Array(bytesMax);
    this.escapes = new Int32Array(bytesMax);
    this.lines = new Int32Array(bytesMax);
    this.#after = new Int32Array(bytesMax);
    this.#kind = new Uint8Array(bytesMax);
    this.#windows = windows;
    this.#half = Math.max(GRAM, Math.ceil((windows.shortest - 1) / 2));
    this.#pairs = new Uint8Array(BYTES * BYTES);
    for (let pair = 0; pair < this.#pairs.length; pair += 1)
      if ((FOLD[pair >> 8] as number) >= SPECIAL && begins(pair, windows)) this.#pairs[pair] = 1;
  }

  scan(bytes: Uint8Array): void {
    const { folded, escapes } = this;
    const pairs = this.#pairs;
    const { length } = bytes;
    const last = length - 1;
    this.escapesLength = 0;
    this.linesLength = 0;
    let specials = 0;
    for (let at = 0; at < length; at += 1) {
      const byte = bytes[at] as number;
      const fold = FOLD[byte] as number;
      folded[at] = fold & ~SPECIAL;
      if (fold >= SPECIAL && (at === last || pairs[(byte << 8) | (bytes[at + 1] as number)] === 1)) {
        escapes[specials] = at;
        specials += 1;
      }
    }
    const escapesSeen = this.#escapesAt(bytes, specials);
    for (let index = 0; index < escapesSeen; index += 1) this.#judge(bytes, { index, last: escapesSeen - 1 });
  }

  /** Of the specials those that begin an escape, in place; answers how many. */
  #escapesAt(bytes: Uint8Array, specials: number): number {
    const { escapes } = this;
    let count = 0;
    for (let index = 0; index < specials; index += 1) {
      const at = escapes[index] as number;
      const kind = kindAt(bytes, at);
      const after = kind === PLAIN ? afterEscape(bytes, at) : afterLineEnd(bytes, at);
      const inside = kind === LINE_END && count > 0 && (this.#after[count - 1] as number) > at;
      if (after === NONE || inside) continue;
      escapes[count] = at;
      this.#after[count] = after;
      this.#kind[count] = kind;
      count += 1;
    }
    return count;
  }

  #judge(bytes: Uint8Array, place: InList): void {
    const at = this.escapes[place.index] as number;
    const kind = this.#kind[place.index] as Kind;
    if (!this.#goesAcross(bytes, place)) return;
    if (kind === PLAIN) {
      this.escapes[this.escapesLength] = at;
      this.escapesLength += 1;
      return;
    }
    this.lines[this.linesLength] = at;
    this.linesLength += 1;
  }

  /** Whether a window may go on from before the escape to behind it, by what stands there as it is. */
  #goesAcross(bytes: Uint8Array, { index, last }: InList): boolean {
    const half = this.#half;
    const after = this.#after[index] as number;
    const right = after + half;
    // Behind a line end that is the last there is, nothing waits unless the line before it is part of a pattern.
    const open = this.#kind[index] === LINE_END && after >= bytes.length;
    if (right > bytes.length && !open) return true;
    if (this.#meetsNext({ index, last }, right)) return true;
    const at = this.escapes[index] as number;
    const kind = this.#kind[index];
    if (kind === PLAIN && mayNest(bytes, { at, after })) return true;
    const left = kind === PLAIN ? backslashesFrom(bytes, at) : lineEndFrom(bytes, at);
    if (this.#meetsPrevious(index, left - half)) return true;
    if (left >= half && this.#mayHold(left - half, left)) return true;
    return right <= bytes.length && this.#mayHold(after, right);
  }

  /** What holds another escape shows itself only when that is undone. Plain unescaping ends at a line end. */
  #meetsNext({ index, last }: InList, right: number): boolean {
    const kind = this.#kind[index];
    for (let next = index + 1; next <= last && (this.escapes[next] as number) < right; next += 1)
      if (kind !== PLAIN || this.#kind[next] === PLAIN) return true;
    return false;
  }

  #meetsPrevious(index: number, left: number): boolean {
    const kind = this.#kind[index];
    for (let before = index - 1; before >= 0 && (this.#after[before] as number) > left; before -= 1)
      if (kind !== PLAIN || this.#kind[before] === PLAIN) return true;
    return false;
  }

  #mayHold(from: number, to: number): boolean {
    return this.#windows.mayHold(this.folded, from) && this.#windows.mayHold(this.folded, to - GRAM);
  }
}

function begins(pair: number, { alphabet }: Windows): boolean {
  const byte = pair >> 8;
  const next = pair & (BYTES - 1);
  const known = alphabet[foldOf(next)] === 1;
  const digit = HEX[next] as number;
  const high = digit >= 2 && digit <= 7;
  if (byte === PERCENT) return high;
  if (byte === BACKSLASH)
    return (
      'uUxnr'.includes(String.fromCharCode(next)) || ('\\/"\''.includes(String.fromCharCode(next)) && known)
    );
  if (byte === AMPERSAND) return next === HASH || isNamedStart(next);
  if (byte === EQUALS) return high || next === CARRIAGE_RETURN || next === LINE_FEED || next === BACKSLASH;
  if (byte === CARRIAGE_RETURN && next === LINE_FEED) return true;
  if (byte === LINE_FEED || byte === CARRIAGE_RETURN) return known || next === BLANK || next === TAB;
  return byte === 0 && isPrintable(next);
}

function kindAt(bytes: Uint8Array, at: number): Kind {
  const byte = bytes[at] as number;
  if (byte === EQUALS) return QUOTED;
  if (byte === LINE_FEED || byte === CARRIAGE_RETURN) return LINE_END;
  return byte === BACKSLASH && isLetter(bytes[at + 1]) ? LINE_END : PLAIN;
}

/** Where what begins here ends, or the text if that is earlier; nothing where no printable character is encoded. */
function afterEscape(bytes: Uint8Array, at: number): number {
  const byte = bytes[at] as number;
  if (byte === PERCENT) return encoded(bytes, at + 1);
  if (byte === AMPERSAND) return afterAmpersand(bytes, at);
  if (byte !== BACKSLASH) return isPrintable(bytes[at - 1] ?? 0) || at + 1 < bytes.length ? at + 1 : NONE;
  const next = bytes[at + 1];
  if (next === LOWER_X) return encoded(bytes, at + 2);
  if (next === LOWER_U) {
    const third = bytes[at + 2] ?? ZERO;
    if (third === OPENING) return at + 3;
    return third === ZERO && (bytes[at + 3] ?? ZERO) === ZERO ? encoded(bytes, at + 4) : NONE;
  }
  if (next === UPPER_U) return (bytes[at + 2] ?? ZERO) === ZERO ? at + 10 : NONE;
  return Math.min(at + 2, bytes.length);
}

/** Where a line end, with the indentation behind it, or a sign of quoted-printable ends. */
function afterLineEnd(bytes: Uint8Array, at: number): number {
  const byte = bytes[at] as number;
  if (byte === LINE_FEED || byte === CARRIAGE_RETURN) return afterGap(bytes, at + 1);
  if (byte === BACKSLASH) return afterGap(bytes, at + 2);
  const next = bytes[at + 1];
  if (next === CARRIAGE_RETURN || next === LINE_FEED) return afterGap(bytes, at + 1);
  if (next !== BACKSLASH) return encoded(bytes, at + 1);
  return isGap(bytes, at + 1) || at + 2 >= bytes.length ? afterGap(bytes, at + 1) : NONE;
}

/** `&#65;`, `&amp;`: to the semicolon. */
function afterAmpersand(bytes: Uint8Array, at: number): number {
  const last = at + ENTITY_BYTES_MAX;
  for (let index = at + 1; index < last; index += 1) {
    const byte = bytes[index];
    if (byte === undefined) return index;
    if (byte === SEMICOLON) return index + 1;
    // Another escape may hide what follows; a blank, a quote and the like end it.
    if (byte === BLANK || byte === EQUALS || byte === AMPERSAND) return NONE;
  }
  return NONE;
}

/** Behind two digits that stand for a printable character, or may once the text goes on. */
function encoded(bytes: Uint8Array, at: number): number {
  const [high, low] = [bytes[at], bytes[at + 1]];
  if (high === undefined || low === undefined) return bytes.length;
  const value = HEX[high] as number;
  return value >= 2 && value <= 7 && (HEX[low] as number) >= 0 ? at + 2 : NONE;
}

function afterGap(bytes: Uint8Array, at: number): number {
  let after = at;
  const last = Math.min(bytes.length, at + INDENT_MAX);
  while (after < last && isGap(bytes, after)) after += bytes[after] === BACKSLASH ? 2 : 1;
  return Math.min(after, bytes.length);
}

const isLetter = (byte: number | undefined): boolean => byte === LOWER_N || byte === LOWER_R;

/**
 * Whether what is encoded may be part of another escape, a sign or a letter of one: then what stands beside it as it is tells
 * nothing. Blanks, quotes, slashes and brackets, which ordinary encoders encode, are no part of any.
 */
function mayNest(bytes: Uint8Array, { at, after }: Escape): boolean {
  const first = bytes[at];
  if (first === AMPERSAND) return !PLAIN_ENTITY.test(latin1(bytes.subarray(at, after)));
  if (first === 0) return true;
  const low = bytes[after - 1] as number;
  const self = first === BACKSLASH && after === at + 2;
  return PARTS.has(self ? low : printableOf(bytes[after - 2] as number, low));
}
const PLAIN_ENTITY = /^&(?:lt|gt|quot|apos|nbsp|#0?3[2-49]|#4[0-47]|#x2[0-4789a-f]|#x3[ace]);$/i;
const PARTS = new Set([...'\\%&=#;{}0123456789'].map((char) => char.charCodeAt(0)));
for (let letter = 0x41; letter <= 0x5a; letter += 1) PARTS.add(letter).add(letter | BLANK);
PARTS.add(-1);
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

function backslashesFrom(bytes: Uint8Array, at: number): number {
  let from = at;
  while (from > 0 && bytes[from - 1] === BACKSLASH) from -= 1;
  return from;
}

function lineEndFrom(bytes: Uint8Array, at: number): number {
  let from = at;
  while (from > 0 && isLineEnd(bytes, from - 1)) from -= 1;
  return from;
}

/** The last byte of a line end, raw or escaped, or of the sign before it. */
function isLineEnd(bytes: Uint8Array, at: number): boolean {
  const byte = bytes[at] as number;
  if (byte === CARRIAGE_RETURN || byte === EQUALS) return true;
  if (isLetter(byte)) return bytes[at - 1] === BACKSLASH;
  return byte === BACKSLASH && isLetter(bytes[at + 1]);
}

function isGap(bytes: Uint8Array, at: number): boolean {
  const byte = bytes[at] as number;
  if (byte === BLANK || byte === TAB || byte === LINE_FEED || byte === CARRIAGE_RETURN) return true;
  return byte === BACKSLASH && isLetter(bytes[at + 1]);
}
