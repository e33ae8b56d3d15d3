// Hexadecimal digits in groups: `67:68`, `67 68`, `0x67, 0x68`, `6768 685f`. Reads them as one row of digits. Looks at every few
// bytes for one group between separators, since a row of groups is long.
import { foldOf, HEX, NEVER } from './alphabet.ts';

const SEPARATORS = new Set([...' :-,._;|'].map((char) => char.charCodeAt(0)));
const SEPARATOR = Uint8Array.from({ length: 256 }, (_, byte) => (SEPARATORS.has(byte) ? 1 : 0));
const SEPARATORS_BETWEEN_MAX = 4;
const PART = Uint8Array.from({ length: 256 }, (_, byte) =>
  (HEX[byte] as number) >= 0 || SEPARATORS.has(byte) || byte === 0x78 || byte === 0x58 ? 1 : 0,
);
const isX = (byte: number | undefined): boolean => byte === 0x78 || byte === 0x58;
const ZERO = 0x30;
/** Shorter than the shortest row that counts: eight pairs, each with a separator. */
const STRIDE = 16;
/** The longest period: `0x67, `. */
const PERIOD = 6;
/** Twelve pairs of the longest period, and one more. */
const TAIL_BYTES_MAX = 80;
const GROUPS = [2, 4, 8];
const DIGITS_MAX = 9;

type Row = { readonly from: number; readonly to: number };

export class HexGroups {
  readonly text: Uint8Array;
  readonly first: Int32Array;
  length = 0;
  #separators = 0;

  constructor(bytesMax: number) {
    this.text = new Uint8Array(bytesMax);
    this.first = new Int32Array(bytesMax);
  }

  /** Calls back with each row of groups read; `first` tells where its digits stand. */
  rows(bytes: Uint8Array, row: () => void): void {
    const { length } = bytes;
    let done = 0;
    for (let probe = 0; probe < length; probe += STRIDE) {
      if (probe < done || PART[bytes[probe] as number] === 0 || PART[bytes[probe + 1] as number] === 0)
        continue;
      if (!allParts(bytes, probe) || !this.#groupNear(bytes, probe)) continue;
      let from = probe;
      while (from > done && isPart(bytes[from - 1] as number)) from -= 1;
      let to = probe;
      while (to < length && isPart(bytes[to] as number)) to += 1;
      this.#read(bytes, { from, to });
      row();
      done = to;
    }
  }

  /** Reads the row that the text ends with; 0 digits where it ends with none or with an undivided one. */
  tail(bytes: Uint8Array): void {
    this.length = 0;
    let from = bytes.length;
    let divided = false;
    const lowest = Math.max(0, from - TAIL_BYTES_MAX);
    while (from > lowest && isPart(bytes[from - 1] as number)) {
      from -= 1;
      divided ||= (HEX[bytes[from] as number] as number) < 0;
    }
    if (divided) this.#read(bytes, { from, to: bytes.length });
  }

  #groupNear(bytes: Uint8Array, probe: number): boolean {
    const last = Math.min(probe + PERIOD, bytes.length - 2);
    for (let at = probe; at < last; at += 1) {
      if ((HEX[bytes[at] as number] as number) < 0) continue;
      const begins = at === 0 || (HEX[bytes[at - 1] as number] as number) < 0;
      if (!begins) continue;
      const size = sizeAt(bytes, at);
      if ((size === 2 || size === 4) && SEPARATOR[bytes[at + size] as number] === 1) return true;
      at += size;
    }
    return false;
  }

  #read(bytes: Uint8Array, { from, to }: Row): void {
    this.length = 0;
    this.#separators = SEPARATORS_BETWEEN_MAX + 1;
    for (let at = from; at < to; ) {
      if (bytes[at] === ZERO && isX(bytes[at + 1])) {
        at += 2;
        continue;
      }
      const size = sizeAt(bytes, at);
      if (size === 0) {
        this.#separate(bytes[at] as number, at);
        at += 1;
        continue;
      }
      const whole = GROUPS.includes(size) || at + size === bytes.length;
      if (!whole) this.#append(NEVER, at);
      else
        for (let digit = at; digit < at + size; digit += 1)
          this.#append(foldOf(bytes[digit] as number), digit);
      this.#separators = 0;
      at += size;
    }
  }

  #separate(byte: number, at: number): void {
    this.#separators += 1;
    if (this.#separators > SEPARATORS_BETWEEN_MAX || !isPart(byte)) this.#append(NEVER, at);
  }

  #append(byte: number, at: number): void {
    this.text[this.length] = byte;
    this.first[this.length] = at;
    this.length += 1;
  }
}

const isPart = (byte: number): boolean => PART[byte] === 1;

/** A row is longer than from one probe to the end of the next one's period. */
function allParts(bytes: Uint8Array, probe: number): boolean {
  const last = Math.min(probe + PERIOD, bytes.length);
  for (let at = probe; at < last; at += 1) if (PART[bytes[at] as number] === 0) return false;
  return true;
}

/** How many digits stand here; a longer row than any group is taken in pieces, and tells nothing. */
function sizeAt(bytes: Uint8Array, at: number): number {
  let size = 0;
  while (size < DIGITS_MAX && (HEX[bytes[at + size] as number] ?? -1) >= 0) size += 1;
  return size;
}
