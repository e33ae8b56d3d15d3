// Takes live secrets out of a stream. Searched are: the text as it is, the text without escapes near every escape, the text
// with lines joined near a line end inside a row, and hexadecimal digits without their separators. Only bytes that may still
// become part of a window are held back, and never by a timer. Linear time; memory is a slice and what is held.
import { SCRUB_HELD_BYTES_MAX, SCRUB_SLICE_BYTES } from '#kernel/limits.ts';
import { HexGroups } from './hex-groups.ts';
import { Triggers } from './triggers.ts';
import { Unescaper } from './unescape.ts';
import type { Finds, Windows } from './windows.ts';

export type RedactionStream = {
  /** What is decided by now: the text, with a marker for every run of windows. */
  readonly push: (chunk: Uint8Array) => Uint8Array;
  /** What was held back. A stream that is cut short must not ask for it: it may be the beginning of a secret. */
  readonly end: () => Uint8Array;
  /** Markers so far. */
  readonly markers: () => number;
};

const EMPTY = new Uint8Array();
const ROOM_BYTES = SCRUB_SLICE_BYTES + SCRUB_HELD_BYTES_MAX;
/** The longest escape, entity with zeros. */
const ESCAPE_BYTES_MAX = 14;
/** A line end at the end of what is there holds back only a row of so many characters of a pattern: lines go out at once. */
const LIVE_BEFORE_LINE_END_MIN = 8;

type Span = { readonly start: number; readonly end: number; readonly owner: number };

/** Room for one slice at a time; all streams of one set share it, since a push is never interrupted. */
export class Scanner {
  readonly windows: Windows;
  readonly markers: readonly Uint8Array[];
  readonly #triggers: Triggers;
  readonly #unescaper = new Unescaper(ROOM_BYTES);
  readonly #groups = new HexGroups(ROOM_BYTES);
  #spans: Span[] = [];
  #hold = 0;
  readonly #plain: Finds;
  readonly #unescaped: Finds;
  readonly #grouped: Finds;

  constructor(windows: Windows, markers: readonly Uint8Array[]) {
    this.windows = windows;
    this.markers = markers;
    this.#triggers = new Triggers(windows, ROOM_BYTES);
    const { first, end } = this.#unescaper;
    const digits = this.#groups.first;
    const add = (span: Span): void => void this.#spans.push(span);
    this.#plain = {
      owner: 0,
      found: (start, last) => add({ start, end: last, owner: this.#plain.owner }),
    };
    this.#unescaped = {
      owner: 0,
      found: (from, to) =>
        add({ start: first[from] as number, end: end[to - 1] as number, owner: this.#unescaped.owner }),
    };
    this.#grouped = {
      owner: 0,
      found: (from, to) =>
        add({
          start: digits[from] as number,
          end: (digits[to - 1] as number) + 1,
          owner: this.#grouped.owner,
        }),
    };
  }

  /** Every span of a slice by its start, and from where on it may be the beginning of one. */
  scan(bytes: Uint8Array): { readonly spans: readonly Span[]; readonly hold: number } {
    const { windows } = this;
    this.#spans = [];
    this.#triggers.scan(bytes);
    const { folded, escapes, escapesLength, lines, linesLength } = this.#triggers;
    this.#hold = bytes.length - windows.live(folded, bytes.length);
    windows.search(folded, bytes.length, this.#plain);
    if (escapesLength > 0) this.#unescape(bytes, { at: escapes.subarray(0, escapesLength), lines: false });
    if (linesLength > 0) this.#unescape(bytes, { at: lines.subarray(0, linesLength), lines: true });
    this.#groups.rows(bytes, () => windows.search(this.#groups.text, this.#groups.length, this.#grouped));
    this.#holdGroups(bytes);
    if (this.#spans.length > 1) this.#spans.sort((a, b) => a.start - b.start || b.end - a.end);
    return { spans: this.#spans, hold: Math.max(this.#hold, bytes.length - SCRUB_HELD_BYTES_MAX) };
  }

  /** The surroundings of each position, so wide that every window that holds it is inside; those that meet are one. */
  #unescape(bytes: Uint8Array, { at, lines }: { readonly at: Int32Array; readonly lines: boolean }): void {
    const around = this.windows.longest;
    for (let index = 0; index < at.length; ) {
      const from = Math.max(0, (at[index] as number) - around);
      let to = from;
      while (index < at.length && (at[index] as number) - around <= Math.max(to, from)) {
        to = (at[index] as number) + ESCAPE_BYTES_MAX + around;
        index += 1;
      }
      to = Math.min(to, bytes.length);
      this.#unescaper.read({ bytes, from, to, lines });
      this.windows.search(this.#unescaper.text, this.#unescaper.length, this.#unescaped);
      if (to === bytes.length) this.#holdUnescaped();
    }
  }

  #holdUnescaped(): void {
    const { text, first, ended } = this.#unescaper;
    let { length } = this.#unescaper;
    const live = this.windows.live(text, length);
    const least = ended === 'hard' ? LIVE_BEFORE_LINE_END_MIN : 1;
    if (live >= least) this.#holdFrom(first[length - live] as number);
    // An escape that is cut may stand in another one that is cut.
    for (let cut = this.#unescaper.pending(); cut >= 0; cut = this.#unescaper.pending(length)) {
      length = cut;
      this.#holdFrom(first[length - this.windows.live(text, length)] as number);
    }
  }

  #holdGroups(bytes: Uint8Array): void {
    this.#groups.tail(bytes);
    const { text, first } = this.#groups;
    for (let { length } = this.#groups, tries = 0; length > 0 && tries < 2; length -= 1, tries += 1) {
      const live = this.windows.live(text, length);
      if (live > 0) this.#holdFrom(first[length - live] as number);
      // A last zero may be the beginning of `0x`.
      if (text[length - 1] !== 0x30) break;
    }
  }

  #holdFrom(at: number): void {
    this.#hold = Math.min(this.#hold, at);
  }
}

export function openStream(scanner: Scanner): RedactionStream {
  const stream = new Stream(scanner);
  return { push: (chunk) => stream.push(chunk), end: () => stream.end(), markers: () => stream.markers };
}

class Stream {
  markers = 0;
  readonly #scanner: Scanner;
  /** What the next bytes are read together with: held back, and before it what was already decided. */
  #held: Uint8Array = EMPTY;
  /** In `held`, how far all is decided. */
  #decided = 0;
  /** What is decided ends with a marker, and more of the same run goes into it. */
  #inRun = false;

  constructor(scanner: Scanner) {
    this.#scanner = scanner;
  }

  push(chunk: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      const head = rest.subarray(0, SCRUB_SLICE_BYTES);
      const { length } = this.#held;
      const text = length === 0 ? head : Buffer.concat([this.#held, head]);
      const keep = this.#decide(text, parts);
      rest = rest.subarray(head.length);
      if (rest.length > 0 && keep >= length) {
        // The next slice begins with what is kept, without a copy.
        const back = head.length - (keep - length);
        rest = chunk.subarray(chunk.length - rest.length - back);
        this.#held = EMPTY;
        continue;
      }
      this.#held = keep === text.length ? EMPTY : text.slice(keep);
    }
    return joined(parts);
  }

  end(): Uint8Array {
    const rest = this.#held.subarray(this.#decided);
    this.#held = EMPTY;
    this.#decided = 0;
    return rest;
  }

  /** Gives out what is decided; answers from where on bytes are kept. */
  #decide(text: Uint8Array, parts: Uint8Array[]): number {
    const { spans, hold } = this.#scanner.scan(text);
    let at = this.#decided;
    for (const { start, end, owner } of spans) {
      if (end <= at) continue;
      if (start > hold) break;
      if (start >= at || !this.#inRun) {
        if (start > at) parts.push(text.subarray(at, start));
        parts.push(this.#markerAt(text, { start: Math.max(start, at), owner }));
      }
      at = end;
      this.#inRun = true;
    }
    if (hold > at) {
      parts.push(text.subarray(at, hold));
      at = hold;
      this.#inRun = false;
    }
    const keep = Math.min(hold, at);
    this.#decided = at - keep;
    return keep;
  }

  /** In a text of wide characters the marker is wide, too, so that what follows stays readable. */
  #markerAt(text: Uint8Array, { start, owner }: Pick<Span, 'start' | 'owner'>): Uint8Array {
    this.markers += 1;
    const marker = this.#scanner.markers[owner] ?? EMPTY;
    let zeros = 0;
    while (text[start + zeros + 1] === 0) zeros += 1;
    if (zeros === 0) return marker;
    const wide = new Uint8Array((marker.length - 1) * (zeros + 1) + 1);
    for (const [index, byte] of marker.entries()) wide[index * (zeros + 1)] = byte;
    return wide;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  return parts.length === 0 ? EMPTY : Buffer.concat(parts);
}
