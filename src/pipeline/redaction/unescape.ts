// Undoes escapes until none is left: percent, JSON and YAML, HTML entities, quoted-printable, each inside each other. What
// was undone is looked at again, so one pass does for any number of layers. Every character knows the bytes it came from.
import {
  AMPERSAND,
  BACKSLASH,
  BLANK,
  CARRIAGE_RETURN,
  CLOSING,
  EQUALS,
  FOLD,
  HASH,
  HEX,
  isPrintable,
  LINE_FEED,
  LOWER_N,
  LOWER_R,
  LOWER_U,
  LOWER_X,
  NEVER,
  PERCENT,
  printableOf,
  SEMICOLON,
  SPECIAL,
  TAB,
  UPPER_U,
  ZERO,
} from './alphabet.ts';

/** A longer run of zero bytes is no wide text; UTF-32 has three between two letters. */
const ZEROS_MAX = 3;
/** `&#x` and seven more digits: leading zeros, but no endless row of them. */
const ENTITY_CHARS_MAX = 12;
const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  lowbar: '_',
  sol: '/',
  plus: '+',
  equals: '=',
};
const SELVES = new Set([...'\\/"\''].map((char) => char.charCodeAt(0)));
const PLAIN = 0;
const COMPLETES = 1;
const SIGNS = 2;
/** What a byte may do: stand for itself alone, complete an escape, or begin one or be none of the printable ones. */
const KIND = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (!isPrintable(byte) || '\\%&='.includes(String.fromCharCode(byte))) return SIGNS;
  return /[0-9a-f;}nr/"']/i.test(String.fromCharCode(byte)) ? COMPLETES : PLAIN;
});
/** An escape that the next bytes may complete, at the end of a text. */
const PENDING =
  /(?:\\(?:u\{?[0-9a-f]{0,6}|U[0-9a-f]{0,7}|x[0-9a-f]?)?|%[0-9a-f]?|&(?:[a-z]{0,6}|#x?[0-9a-f]{0,8}))$/i;
const PENDING_LINES = /=[0-9a-f]?$/i;
const PENDING_CHARS_MAX = 12;
const NOTHING = -1;

export type Passage = {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  /** Joins lines, too, and reads quoted-printable; apart, since `key=41…` is mostly no escape. */
  readonly lines: boolean;
};

export class Unescaper {
  /** Folded characters; `first` and `end` are the bytes that each came from. */
  readonly text: Uint8Array;
  readonly first: Int32Array;
  readonly end: Int32Array;
  length = 0;
  /** The text ends with a line that has ended; `soft`: by a sign that it goes on. */
  ended: 'no' | 'hard' | 'soft' = 'no';
  readonly #raw: Uint8Array;
  #lines = false;
  #endedBefore: 'no' | 'hard' | 'soft' = 'no';
  /** Where the byte stands that is being read. */
  #reading = 0;
  /** Zero bytes since the last character. */
  #zeros = 0;
  /** Line feeds since the last character. */
  #feeds = 0;
  /** What the escape stands for whose size was answered last. */
  #undone = 0;

  constructor(bytesMax: number) {
    this.text = new Uint8Array(bytesMax);
    this.#raw = new Uint8Array(bytesMax);
    this.first = new Int32Array(bytesMax);
    this.end = new Int32Array(bytesMax);
  }

  read({ bytes, from, to, lines }: Passage): void {
    this.length = 0;
    this.ended = 'no';
    this.#lines = lines;
    this.#zeros = 0;
    const raw = this.#raw;
    const { text, first, end } = this;
    /** Behind this length no sign of an escape is near enough to be completed. */
    let quietFrom = 0;
    let length = 0;
    for (let at = from; at < to; at += 1) {
      const byte = bytes[at] as number;
      const kind = KIND[byte] as number;
      if ((kind === PLAIN || (kind === COMPLETES && length > quietFrom)) && this.ended === 'no') {
        raw[length] = byte;
        text[length] = FOLD[byte] as number;
        first[length] = at;
        end[length] = at + 1;
        length += 1;
        this.#zeros = 0;
        this.#endedBefore = 'no';
        continue;
      }
      this.length = length;
      if (kind !== COMPLETES || !this.#percent(byte, at)) this.#take(byte, at);
      length = this.length;
      if (KIND[raw[length - 1] as number] === SIGNS) quietFrom = length + ENTITY_CHARS_MAX;
    }
    this.length = length;
  }

  /** The commonest escape, where what it stands for can be no part of another one. */
  #percent(low: number, at: number): boolean {
    const { length } = this;
    if (length < 2 || this.#raw[length - 2] !== PERCENT || this.ended !== 'no') return false;
    const value = printableOf(this.#raw[length - 1] as number, low);
    if (value < 0 || KIND[value] !== PLAIN) return false;
    this.#raw[length - 2] = value;
    this.text[length - 2] = FOLD[value] as number;
    this.end[length - 2] = at + 1;
    this.length = length - 1;
    this.#zeros = 0;
    this.#endedBefore = 'no';
    return true;
  }

  /** A byte that is more than a letter. */
  #take(byte: number, at: number): void {
    this.#reading = at;
    if (byte === 0) {
      this.#zeros += 1;
      if (this.#zeros > ZEROS_MAX) this.#append(NEVER, at);
      return;
    }
    this.#zeros = 0;
    if (this.#lines && (byte === LINE_FEED || byte === CARRIAGE_RETURN))
      this.#endLine(byte === LINE_FEED, at);
    else if (this.ended !== 'no' && (byte === BLANK || byte === TAB)) return;
    else if (isPrintable(byte)) this.#push(byte, at);
    else this.#append(NEVER, at);
  }

  /** Where an escape begins that the end of the text cuts, and how many characters stand before it; or nothing. */
  pending(length = this.length): number {
    const from = Math.max(0, length - PENDING_CHARS_MAX);
    const tail = String.fromCharCode(...this.#raw.subarray(from, length));
    const found = PENDING.exec(tail) ?? (this.#lines ? PENDING_LINES.exec(tail) : null);
    return found === null ? NOTHING : from + found.index;
  }

  /** An empty line ends a paragraph, an event, a message: nothing goes on behind it. */
  #endLine(feed: boolean, at: number): void {
    if (this.ended === 'no') {
      const soft = this.#back(1) === EQUALS;
      if (soft) this.length -= 1;
      this.ended = soft ? 'soft' : 'hard';
      this.#feeds = 0;
    }
    if (!feed) return;
    this.#feeds += 1;
    if (this.#feeds > 1) this.#append(NEVER, at);
  }

  /** One character, from `first` to the byte that is being read. */
  #append(byte: number, first: number): void {
    this.#raw[this.length] = byte;
    this.text[this.length] = (FOLD[byte] as number) & ~SPECIAL;
    this.first[this.length] = first;
    this.end[this.length] = this.#reading + 1;
    this.length += 1;
    this.#endedBefore = this.ended;
    this.ended = 'no';
  }

  #push(given: number, at: number): void {
    let byte = given;
    let first = at;
    for (;;) {
      const size = this.#sizeBefore(byte);
      if (size === 0) break;
      this.length -= size;
      // One character that came after a line end and was half of an escape: the line end is the last thing again.
      if (size === 1) this.ended = this.#endedBefore;
      first = this.first[this.length] as number;
      if (this.#undone === LINE_FEED || this.#undone === CARRIAGE_RETURN) {
        this.#endLine(this.#undone === LINE_FEED, first);
        return;
      }
      byte = this.#undone;
    }
    this.#append(byte, first);
  }

  /** Of the escape that this byte completes, how many characters stand before it; 0 for none. */
  #sizeBefore(byte: number): number {
    if ((HEX[byte] as number) >= 0) return this.#hexSize(byte);
    if (byte === SEMICOLON) return this.#entitySize();
    if (byte === CLOSING) return this.#bracedSize();
    if (this.#back(1) !== BACKSLASH) return 0;
    const broken = this.#lines && (byte === LOWER_N || byte === LOWER_R);
    if (!broken && !SELVES.has(byte)) return 0;
    if (broken) this.#undone = byte === LOWER_N ? LINE_FEED : CARRIAGE_RETURN;
    else this.#undone = byte;
    return 1;
  }

  #back(count: number): number {
    return this.length < count ? NEVER : (this.#raw[this.length - count] as number);
  }

  #hexSize(low: number): number {
    const high = this.#back(1);
    if ((HEX[high] as number) < 0) return 0;
    const value = printableOf(high, low);
    if (value < 0) return 0;
    const sign = this.#back(2);
    const size = sign === PERCENT || (this.#lines && sign === EQUALS) ? 2 : this.#letterSize();
    if (size > 0) this.#undone = value;
    return size;
  }

  /** `\xHH`, `\u00HH`, `\U000000HH`: before the last digit. */
  #letterSize(): number {
    const sign = this.#back(2);
    if (sign === LOWER_X && this.#back(3) === BACKSLASH) return 3;
    if (sign !== ZERO || this.#back(3) !== ZERO) return 0;
    if (this.#back(4) === LOWER_U && this.#back(5) === BACKSLASH) return 5;
    const long = [4, 5, 6, 7].every((count) => this.#back(count) === ZERO);
    return long && this.#back(8) === UPPER_U && this.#back(9) === BACKSLASH ? 9 : 0;
  }

  /** `\u{41}`. */
  #bracedSize(): number {
    if ((HEX[this.#back(1)] as number) < 0 || (HEX[this.#back(2)] as number) < 0) return 0;
    const text = this.#tail();
    const found = /\\u\{0*([2-7][0-9a-f])$/i.exec(text);
    if (found === null) return 0;
    return this.#stands(Number.parseInt(found[1] ?? '', 16), text.length - found.index);
  }

  #entitySize(): number {
    let size = 1;
    while (size < ENTITY_CHARS_MAX && this.#back(size) !== AMPERSAND) size += 1;
    if (this.#back(size) !== AMPERSAND) return 0;
    const name = this.#tail().slice(1 - size);
    const named = NAMED[name];
    if (named !== undefined) return this.#stands(named.charCodeAt(0), size);
    if (name.charCodeAt(0) !== HASH) return 0;
    const hex = /^#x([0-9a-f]{1,8})$/i.exec(name);
    if (hex !== null) return this.#stands(Number.parseInt(hex[1] ?? '', 16), size);
    const decimal = /^#([0-9]{1,8})$/.exec(name);
    return decimal === null ? 0 : this.#stands(Number(decimal[1]), size);
  }

  #stands(value: number, size: number): number {
    if (!isPrintable(value)) return 0;
    this.#undone = value;
    return size;
  }

  #tail(): string {
    return String.fromCharCode(
      ...this.#raw.subarray(Math.max(0, this.length - ENTITY_CHARS_MAX), this.length),
    );
  }
}

const NAMED_STARTS = new Set(Object.keys(NAMED).map((name) => name.charCodeAt(0)));
/** Whether a named entity begins with this letter. */
export const isNamedStart = (letter: number): boolean => NAMED_STARTS.has(letter);
