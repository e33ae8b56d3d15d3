// The windows: every run of a pattern that is long enough to count as the secret. A text is probed at every few bytes only
// (Wu and Manber, 1994): no window fits between two probes. Linear time; the set counts as a secret itself.
import { NEVER } from './alphabet.ts';

/** A text to look for; of it, each run of `window` characters from each `step`-th on. Folded. */
export type Pattern = {
  readonly text: string;
  readonly window: number;
  readonly step: number;
  /** Index of the name that its marker shows. */
  readonly owner: number;
};

/** Told of each run of overlapping windows. */
export type Finds = { readonly found: (start: number, end: number) => void; owner: number };

/** Bytes of a probe. */
const GRAM = 4;
const GRAM_BITS_MIN = 12;
/** Bits of the filter for each byte of the patterns: about one probe in sixteen of a foreign text is a false alarm. */
const GRAM_SPREAD = 16;
const CONFIRMED_FROM = 3 * GRAM - 1;
const MIX = 0x9e3779b1;
const BASE = 0x01000193;

const bitsFor = (count: number): number => Math.max(GRAM_BITS_MIN, Math.ceil(Math.log2(count + 1)));

export class Windows {
  /** Length of the shortest window, and of what is hashed of each. Infinity without patterns. */
  readonly shortest: number;
  readonly longest: number;
  /** Whether a folded byte stands in any pattern. */
  readonly alphabet = new Uint8Array(256);
  readonly #store: Uint8Array;
  /** By rank in the order of their bytes: where a window lies, how long it is, whose it is. */
  readonly #at: Int32Array;
  readonly #length: Int32Array;
  readonly #owner: Int32Array;
  readonly #hash: Int32Array;
  readonly #slots: Int32Array;
  readonly #slotShift: number;
  readonly #grams: Uint8Array;
  readonly #gramShift: number;
  /** The factor of a byte that leaves the rolling hash. */
  readonly #leaving: number;

  constructor(patterns: readonly Pattern[]) {
    const cut = cutAll(patterns);
    const texts = [...cut.keys()].sort();
    this.#store = Buffer.from(patterns.map(({ text }) => text).join(''), 'latin1');
    for (const byte of this.#store) this.alphabet[byte] = 1;
    this.alphabet[NEVER] = 0;
    this.#at = Int32Array.from(texts, (text) => cut.get(text)?.at ?? 0);
    this.#length = Int32Array.from(texts, (text) => text.length);
    this.#owner = Int32Array.from(texts, (text) => cut.get(text)?.owner ?? 0);
    this.shortest = Math.min(...this.#length);
    this.longest = Math.max(0, ...this.#length);
    let leaving = 1;
    for (let count = 1; count < this.shortest && texts.length > 0; count += 1)
      leaving = Math.imul(leaving, BASE);
    this.#leaving = leaving;
    this.#gramShift = 32 - bitsFor(this.#store.length * GRAM_SPREAD);
    this.#grams = new Uint8Array(2 ** (32 - this.#gramShift));
    this.#hash = new Int32Array(texts.length);
    this.#slotShift = 32 - bitsFor(2 * texts.length);
    this.#slots = new Int32Array(2 ** (32 - this.#slotShift)).fill(-1);
    for (let rank = 0; rank < texts.length; rank += 1) this.#plant(rank);
  }

  #plant(rank: number): void {
    const [at, length] = [this.#at[rank] as number, this.#length[rank] as number];
    for (let from = at; from + GRAM <= at + length; from += 1) this.#grams[this.#gram(this.#store, from)] = 1;
    const hash = this.#hashOf(this.#store, at);
    this.#hash[rank] = hash;
    const mask = this.#slots.length - 1;
    let slot = Math.imul(hash, MIX) >>> this.#slotShift;
    while (this.#slots[slot] !== -1) slot = (slot + 1) & mask;
    this.#slots[slot] = rank;
  }

  #gram(text: Uint8Array, at: number): number {
    const word =
      (text[at] as number) |
      ((text[at + 1] as number) << 8) |
      ((text[at + 2] as number) << 16) |
      ((text[at + 3] as number) << 24);
    return Math.imul(word, MIX) >>> this.#gramShift;
  }

  #hashOf(text: Uint8Array, at: number): number {
    let hash = 0;
    for (let index = at; index < at + this.shortest; index += 1)
      hash = (Math.imul(hash, BASE) + (text[index] as number)) | 0;
    return hash;
  }

  /** Whether four bytes may stand in a pattern; where not, no window goes across them. */
  mayHold(text: Uint8Array, at: number): boolean {
    return this.#grams[this.#gram(text, at)] === 1;
  }

  /** Every run of overlapping windows in the first `length` bytes of a folded text. */
  search(text: Uint8Array, length: number, finds: Finds): void {
    const reach = this.shortest - GRAM;
    const stride = reach + 1;
    const last = length - GRAM;
    const grams = this.#grams;
    const shift = this.#gramShift;
    for (let probe = reach; probe <= last; ) {
      const word =
        (text[probe] as number) |
        ((text[probe + 1] as number) << 8) |
        ((text[probe + 2] as number) << 16) |
        ((text[probe + 3] as number) << 24);
      if (grams[Math.imul(word, MIX) >>> shift] === 0 || !this.#confirmed(text, probe)) {
        probe += stride;
        continue;
      }
      const next = this.#around(text, { from: probe - reach, to: probe + 1, length, finds });
      probe = next + reach;
    }
  }

  /** A window that holds the probe holds the four bytes before it, too, or the four behind it, if it is long enough. */
  #confirmed(text: Uint8Array, probe: number): boolean {
    if (this.shortest < CONFIRMED_FROM) return true;
    return this.mayHold(text, probe - GRAM) || this.mayHold(text, probe + GRAM);
  }

  /** Tries each start of a range, and those within what is found; answers the first start that was not tried. */
  #around(text: Uint8Array, { from, to, length, finds }: Range): number {
    const size = this.shortest;
    let [start, until, end, first] = [from, to, -1, -1];
    if (start + size > length) return to;
    let hash = this.#hashOf(text, start);
    while (start < until && start + size <= length) {
      const rank = this.#rankAt(text, { at: start, length, hash });
      if (rank >= 0) {
        if (end < 0) {
          first = start;
          finds.owner = this.#owner[rank] as number;
        }
        end = Math.max(end, start + (this.#length[rank] as number));
        until = Math.max(until, end);
      }
      hash =
        (Math.imul(hash - Math.imul(text[start] as number, this.#leaving), BASE) +
          (text[start + size] as number)) |
        0;
      start += 1;
      if (end >= 0 && (start >= end || start >= until)) {
        finds.found(first, end);
        end = -1;
      }
    }
    if (end >= 0) finds.found(first, end);
    return Math.max(start, to);
  }

  /** The longest window that begins here: where one secret begins with another, the rest of it must not stay. */
  #rankAt(text: Uint8Array, { at, length, hash }: Place): number {
    const mask = this.#slots.length - 1;
    let slot = Math.imul(hash, MIX) >>> this.#slotShift;
    let best = -1;
    let longest = 0;
    for (;;) {
      const rank = this.#slots[slot] as number;
      if (rank < 0) return best;
      const size = this.#length[rank] as number;
      if (this.#hash[rank] === hash && size > longest && at + size <= length) {
        if (this.#equal(rank, { text, start: at })) [best, longest] = [rank, size];
      }
      slot = (slot + 1) & mask;
    }
  }

  #equal(rank: number, { text, start }: { readonly text: Uint8Array; readonly start: number }): boolean {
    const store = this.#store;
    const from = this.#at[rank] as number;
    const length = this.#length[rank] as number;
    for (let index = 0; index < length; index += 1)
      if (store[from + index] !== text[start + index]) return false;
    return true;
  }

  /** How many of the last bytes before `end` are the beginning of a window: the longest such run. */
  live(text: Uint8Array, end: number): number {
    let start = end;
    const first = Math.max(0, end - this.longest + 1);
    while (start > first && this.alphabet[text[start - 1] as number] === 1) start -= 1;
    for (; start < end; start += 1) {
      const size = end - start;
      if (size >= GRAM && !this.mayHold(text, start)) continue;
      if (this.#begins(text.subarray(start, end))) return size;
    }
    return 0;
  }

  /** Whether a longer window begins so. */
  #begins(prefix: Uint8Array): boolean {
    let [low, high] = [0, this.#at.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(middle, prefix) < 0) low = middle + 1;
      else high = middle;
    }
    for (; low < this.#at.length && this.#compare(low, prefix) === 0; low += 1)
      if ((this.#length[low] as number) > prefix.length) return true;
    return false;
  }

  /** Negative where the window comes before everything that begins with the prefix; 0 where it begins with it. */
  #compare(rank: number, prefix: Uint8Array): number {
    const [at, length] = [this.#at[rank] as number, this.#length[rank] as number];
    for (let index = 0; index < prefix.length; index += 1) {
      if (index >= length) return -1;
      const difference = (this.#store[at + index] as number) - (prefix[index] as number);
      if (difference !== 0) return difference;
    }
    return 0;
  }
}

type Range = {
  readonly from: number;
  readonly to: number;
  readonly length: number;
  readonly finds: Finds;
};
type Place = { readonly at: number; readonly length: number; readonly hash: number };
type Cut = { readonly at: number; readonly owner: number };

/** Every window by its text: where it first lies in all patterns one after another. */
function cutAll(patterns: readonly Pattern[]): ReadonlyMap<string, Cut> {
  const cut = new Map<string, Cut>();
  let base = 0;
  for (const { text, window, step, owner } of patterns) {
    for (let at = 0; at + window <= text.length; at += step) {
      const piece = text.slice(at, at + window);
      if (!cut.has(piece)) cut.set(piece, { at: base + at, owner });
    }
    base += text.length;
  }
  return cut;
}
