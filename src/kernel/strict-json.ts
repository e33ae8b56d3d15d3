// JSON that means one thing to every parser: no duplicate members, no trailing bytes, bounded depth (RFC 8259, I-JSON).
import { JSON_DEPTH_MAX } from './limits.ts';

export type StrictJson =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly reason: string };

type Cursor = {
  readonly text: string;
  at: number;
  /** Nothing in the text has to be looked for in each string: no control character, no lone surrogate. */
  readonly isClean: boolean;
};
class Refusal extends Error {}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const CONTROL = /\p{Cc}/u;
/** From here on V8 does not copy what is sliced. */
const WINDOW_CHARS = 13;
/** Codes of the four blanks. */
const [TAB, LINE_FEED, RETURN, SPACE] = [0x09, 0x0a, 0x0d, 0x20];
const LITERALS = { true: true, false: false, null: null } as const;

/** Shape: the whole text is one JSON value. The reason is for the operator and the caller alike; it quotes no value. */
export function parseStrictJson(text: string): StrictJson {
  const cursor: Cursor = { text, at: 0, isClean: text.isWellFormed() && !CONTROL.test(text) };
  try {
    skipBlank(cursor);
    const value = readValue(cursor, 0);
    skipBlank(cursor);
    if (cursor.at !== text.length) throw new Refusal('has text after the JSON value');
    return { ok: true, value };
  } catch (thrown) {
    if (thrown instanceof Refusal) return { ok: false, reason: thrown.message };
    throw thrown;
  }
}

function match(cursor: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text)?.[0];
  if (found !== undefined) cursor.at += found.length;
  return found;
}

function skipBlank(cursor: Cursor): void {
  let code = cursor.text.charCodeAt(cursor.at);
  while (code === SPACE || code === LINE_FEED || code === RETURN || code === TAB) {
    cursor.at += 1;
    code = cursor.text.charCodeAt(cursor.at);
  }
}

function readValue(cursor: Cursor, depth: number): unknown {
  if (depth > JSON_DEPTH_MAX) throw new Refusal(`is nested deeper than ${JSON_DEPTH_MAX} levels`);
  const char = cursor.text[cursor.at];
  if (char === '{') return readObject(cursor, depth);
  if (char === '[') return readArray(cursor, depth);
  if (char === '"') return readString(cursor);
  const number = match(cursor, NUMBER);
  if (number !== undefined && number !== '') return readNumber(number);
  return readLiteral(cursor);
}

function readNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new Refusal('holds a number out of range');
  return value;
}

function readLiteral(cursor: Cursor): unknown {
  for (const [word, value] of Object.entries(LITERALS)) {
    if (cursor.text.startsWith(word, cursor.at)) {
      cursor.at += word.length;
      return value;
    }
  }
  throw new Refusal('is not valid JSON');
}

/**
 * The end is looked for by hand: a pattern with a repeated choice keeps a way back per character, and the stack ends
 * before a body of 10 MB does. What may stand inside, `JSON.parse` judges as RFC 8259 7 does.
 */
function readString(cursor: Cursor): string {
  const { text, at } = cursor;
  const end = endOfString(cursor);
  cursor.at = end;
  const inside = text.slice(at + 1, end - 1);
  // Most strings mean what is written. A long one would be a window on the whole text, and hold it as long as itself is held.
  if (cursor.isClean && inside.length < WINDOW_CHARS && !inside.includes('\\')) return inside;
  let value: string;
  try {
    value = JSON.parse(text.slice(at, end)) as string;
  } catch {
    throw badString();
  }
  if (!value.isWellFormed()) throw new Refusal('holds a lone surrogate');
  return value;
}

const badString = (): Refusal => new Refusal('holds a string that does not end or has a bad escape');

/** Behind the first quote that an even number of backslashes precedes. */
function endOfString({ text, at }: Cursor): number {
  for (let quote = text.indexOf('"', at + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let before = quote;
    while (text[before - 1] === '\\') before -= 1;
    if ((quote - before) % 2 === 0) return quote + 1;
  }
  throw badString();
}

function expect(cursor: Cursor, char: string): void {
  if (cursor.text[cursor.at] !== char) throw new Refusal('is not valid JSON');
  cursor.at += 1;
}

/** After an item: true for one more, false at the end. */
function more(cursor: Cursor, end: string): boolean {
  skipBlank(cursor);
  if (cursor.text[cursor.at] === end) {
    cursor.at += 1;
    return false;
  }
  expect(cursor, ',');
  skipBlank(cursor);
  return true;
}

function readArray(cursor: Cursor, depth: number): unknown[] {
  cursor.at += 1;
  const items: unknown[] = [];
  skipBlank(cursor);
  if (cursor.text[cursor.at] === ']') {
    cursor.at += 1;
    return items;
  }
  do items.push(readValue(cursor, depth + 1));
  while (more(cursor, ']'));
  return items;
}

function readObject(cursor: Cursor, depth: number): Record<string, unknown> {
  cursor.at += 1;
  const object: Record<string, unknown> = {};
  skipBlank(cursor);
  if (cursor.text[cursor.at] === '}') {
    cursor.at += 1;
    return object;
  }
  do readMember(cursor, object, depth);
  while (more(cursor, '}'));
  return object;
}

function readMember(cursor: Cursor, object: Record<string, unknown>, depth: number): void {
  if (cursor.text[cursor.at] !== '"') throw new Refusal('is not valid JSON');
  const name = readString(cursor);
  if (Object.hasOwn(object, name)) throw new Refusal('repeats a member name');
  // Schemas pass it over without a word, and other readers take it for the object's prototype.
  if (name === '__proto__') throw new Refusal('has a member named __proto__');
  skipBlank(cursor);
  expect(cursor, ':');
  skipBlank(cursor);
  object[name] = readValue(cursor, depth + 1);
}
