// Finds many byte patterns in a stream, in linear time and across chunk borders (Aho and Corasick, 1975). Only bytes that
// may still become part of a pattern are held back, and never by a timer: what stops being a prefix goes out at once.

export type Matcher = {
  /** A new stream over the compiled patterns. */
  readonly open: (marker: Uint8Array) => MatchStream;
  /** Length of the shortest pattern; nothing shorter than this can hold one. Infinity without patterns. */
  readonly shortestBytes: number;
};

export type MatchStream = {
  /** What is decided by now: the text, with a marker for every run of overlapping occurrences. */
  readonly push: (chunk: Uint8Array) => Uint8Array;
  /** What was held back. A stream that is cut short must not ask for it: it may be the beginning of a secret. */
  readonly end: () => Uint8Array;
};

const BYTES = 256;
const EMPTY = new Uint8Array();

/**
 * The patterns as a trie in flat arrays, a node per prefix. About 21 bytes a node, where a table of transitions would take
 * a kilobyte; a private key alone has thousands of nodes. Indexes are always nodes or bytes, so a value is always there.
 */
class Trie {
  /** Children of the root, by byte. */
  readonly root = new Int32Array(BYTES);
  readonly child: Int32Array;
  /** Next child of the same parent; nearly every node is an only one. */
  readonly sibling: Int32Array;
  readonly byte: Uint8Array;
  /** The longest proper suffix that is a prefix of a pattern, too. */
  readonly fail: Int32Array;
  readonly depth: Int32Array;
  /** Length of the longest pattern that ends at this node; 0 for none. */
  readonly hit: Int32Array;

  constructor(patterns: readonly Uint8Array[]) {
    const nodesMax = 1 + patterns.reduce((sum, pattern) => sum + pattern.length, 0);
    this.child = new Int32Array(nodesMax);
    this.sibling = new Int32Array(nodesMax);
    this.byte = new Uint8Array(nodesMax);
    this.fail = new Int32Array(nodesMax);
    this.depth = new Int32Array(nodesMax);
    this.hit = new Int32Array(nodesMax);
    let nodes = 1;
    for (const pattern of patterns) nodes = this.#plant(pattern, nodes);
    this.#link();
  }

  /** Answers how many nodes there are now. */
  #plant(pattern: Uint8Array, from: number): number {
    let nodes = from;
    let node = 0;
    for (const byte of pattern) {
      let next = this.step(node, byte);
      if (next === 0) {
        next = nodes;
        nodes += 1;
        this.byte[next] = byte;
        this.depth[next] = (this.depth[node] as number) + 1;
        this.sibling[next] = this.child[node] as number;
        this.child[node] = next;
        if (node === 0) this.root[byte] = next;
      }
      node = next;
    }
    this.hit[node] = pattern.length;
    return nodes;
  }

  /** Breadth first, so that a node's suffix is known before the node is asked. */
  #link(): void {
    const queue: number[] = [0];
    for (const parent of queue) {
      for (let node = this.child[parent] as number; node !== 0; node = this.sibling[node] as number) {
        const suffix = this.fail[parent] as number;
        const fail = parent === 0 ? 0 : this.advance(suffix, this.byte[node] as number);
        this.fail[node] = fail;
        if (this.hit[node] === 0) this.hit[node] = this.hit[fail] as number;
        queue.push(node);
      }
    }
  }

  /** The child by that byte, or 0. */
  step(node: number, byte: number): number {
    if (node === 0) return this.root[byte] as number;
    let next = this.child[node] as number;
    while (next !== 0 && this.byte[next] !== byte) next = this.sibling[next] as number;
    return next;
  }

  /** The longest prefix of a pattern that the text ends with, one byte later. */
  advance(from: number, byte: number): number {
    let node = from;
    for (;;) {
      const next = this.step(node, byte);
      if (next !== 0 || node === 0) return next;
      node = this.fail[node] as number;
    }
  }
}

export function compileMatcher(patterns: readonly Uint8Array[]): Matcher {
  const whole = patterns.filter((pattern) => pattern.length > 0);
  const trie = new Trie(whole);
  return {
    open: (marker) => openStream(trie, marker),
    shortestBytes: Math.min(...whole.map((pattern) => pattern.length)),
  };
}

/** Positions in the whole stream; `end` is exclusive. */
type Span = { start: number; end: number };

/** Where a stream stands: all bytes from `from` on are kept in `held`; `spans` are the occurrences among them. */
type State = { node: number; from: number; held: Uint8Array; readonly spans: Span[] };

/** Room behind what is held, so that a long prefix that comes byte by byte is not copied with every byte. */
const ROOM_BYTES_MIN = 256;

/** What was given out before lies in front of `held` and is never written again. */
function append(held: Uint8Array, chunk: Uint8Array): Uint8Array {
  const length = held.length + chunk.length;
  if (held.byteOffset + length <= held.buffer.byteLength) {
    const both = new Uint8Array(held.buffer, held.byteOffset, length);
    both.set(chunk, held.length);
    return both;
  }
  const room = new Uint8Array(Math.max(ROOM_BYTES_MIN, 2 * length));
  room.set(held);
  room.set(chunk, held.length);
  return room.subarray(0, length);
}

function openStream(trie: Trie, marker: Uint8Array): MatchStream {
  const state: State = { node: 0, from: 0, held: EMPTY, spans: [] };
  return {
    push: (chunk) => {
      const text = state.held.length === 0 ? chunk : append(state.held, chunk);
      scan(state, { trie, text, from: state.held.length });
      // No occurrence can begin before the live prefix any more.
      const safe = state.from + text.length - (trie.depth[state.node] as number);
      return release(state, { text, safe, marker, own: text !== chunk });
    },
    end: () => {
      state.node = 0;
      const { held, from } = state;
      return release(state, { text: held, safe: from + held.length, marker, own: true });
    },
  };
}

type Text = { readonly trie: Trie; readonly text: Uint8Array; readonly from: number };

function scan(state: State, { trie, text, from }: Text): void {
  const { root, child, byte: bytes, hit, fail } = trie;
  const { length } = text;
  let { node } = state;
  let index = from;
  while (index < length) {
    if (node === 0) {
      // Most of any text is here: not a single byte of a pattern.
      while (index < length && root[text[index] as number] === 0) index += 1;
      if (index === length) break;
    }
    const byte = text[index] as number;
    const first = child[node] as number;
    node = first !== 0 && bytes[first] === byte ? first : trie.advance(node, byte);
    index += 1;
    const found = hit[node] as number;
    if (found > 0) cover(state.spans, { start: state.from + index - found, end: state.from + index });
    // Nothing goes on from a leaf but what goes on from its suffix: the rest need not wait for the next byte.
    while (node !== 0 && child[node] === 0) node = fail[node] as number;
  }
  state.node = node;
}

/** Occurrences that overlap are one run: what is left of the other would be a piece of a secret. */
function cover(spans: Span[], found: Span): void {
  for (let last = spans.at(-1); last !== undefined && last.end > found.start; last = spans.at(-1)) {
    found.start = Math.min(found.start, last.start);
    spans.pop();
  }
  spans.push(found);
}

type Decided = {
  readonly text: Uint8Array;
  readonly safe: number;
  readonly marker: Uint8Array;
  /** The text lies in room of ours, not in the chunk of whoever gave it. */
  readonly own: boolean;
};

/** Gives out everything before `safe`; a run that may still grow stays. */
function release(state: State, { text, safe, marker, own }: Decided): Uint8Array {
  const base = state.from;
  const parts: Uint8Array[] = [];
  let at = base;
  while (state.spans[0] !== undefined && state.spans[0].end <= safe) {
    const { start, end } = state.spans.shift() as Span;
    if (start > at) parts.push(text.subarray(at - base, start - base));
    parts.push(marker);
    at = end;
  }
  const stop = Math.max(at, Math.min(safe, state.spans[0]?.start ?? safe));
  if (stop > at) parts.push(text.subarray(at - base, stop - base));
  state.from = stop;
  const left = text.subarray(stop - base);
  if (left.length === 0) state.held = EMPTY;
  else state.held = own ? left : append(EMPTY, left);
  return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
}
