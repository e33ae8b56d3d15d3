// Bodies as rules may read them, and as they are sent. What does not parse as declared, or repeats a name, is `broken`.
import { decodeUtf8, utf8 } from '#kernel/bytes.ts';
import { FORM_FIELDS_MAX, JSON_DEPTH_MAX } from '#kernel/limits.ts';
import { parseStrictJson } from '#kernel/strict-json.ts';
import type { BodyView } from './model.ts';

const JSON_TYPE = /^application\/(?:[a-z0-9.+-]+\+)?json$/;
const FORM_TYPE = 'application/x-www-form-urlencoded';
const BYTE_ORDER_MARK = '\ufeff';
const FIELD_NAME = /^([^[\]]+)((?:\[[^[\]]*\])*)$/;

export function readBody(contentType: string | undefined, bytes: Uint8Array | undefined): BodyView {
  if (bytes === undefined || bytes.length === 0) return { kind: 'none' };
  const type = mediaType(contentType);
  if (type === undefined) return { kind: 'opaque' };
  const isJson = JSON_TYPE.test(type.name);
  if (!isJson && type.name !== FORM_TYPE)
    return type.name.startsWith('multipart/') ? { kind: 'opaque', holdsFields: true } : { kind: 'opaque' };
  if (!type.utf8) return broken('charset is not utf-8');
  const text = decodeUtf8(bytes);
  if (text === undefined || text.startsWith(BYTE_ORDER_MARK)) return broken('not plain UTF-8');
  if (!isJson) return readForm(text);
  const parsed = parseStrictJson(text);
  return parsed.ok ? { kind: 'json', value: parsed.value } : broken(parsed.reason);
}

const broken = (reason: string): BodyView => ({ kind: 'broken', reason });

type MediaType = { readonly name: string; readonly utf8: boolean };

function mediaType(text: string | undefined): MediaType | undefined {
  if (text === undefined) return undefined;
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  return { name, utf8: parameters.every((part) => part === 'charset=utf-8' || part === 'charset="utf-8"') };
}

type Branch = Map<string, Branch | string>;
class Conflict extends Error {}

function readForm(text: string): BodyView {
  const fields = text.split('&');
  if (fields.length > FORM_FIELDS_MAX) return broken('has too many fields');
  const root: Branch = new Map();
  try {
    for (const field of fields) {
      const cut = field.indexOf('=');
      const name = decodeField(cut < 0 ? field : field.slice(0, cut));
      place(root, pathOf(name), decodeField(cut < 0 ? '' : field.slice(cut + 1)));
    }
  } catch (thrown) {
    if (thrown instanceof Conflict) return broken(thrown.message);
    throw thrown;
  }
  // At the top never a list, whatever its fields are called: names are looked up in it.
  return { kind: 'form', value: record(root) };
}

function decodeField(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new Conflict('has a bad percent-encoding');
  }
}

/** `a[b][]` → a, b, ''. A name with loose brackets is refused: parsers read it differently. */
function pathOf(name: string): readonly string[] {
  const field = FIELD_NAME.exec(name);
  if (field === null) throw new Conflict('has a field name that parsers read differently');
  const [, head, rest] = field as unknown as readonly [name: string, head: string, rest: string];
  const path = [
    head,
    ...rest
      .split('[')
      .slice(1)
      .map((part) => part.slice(0, -1)),
  ];
  if (path.length > JSON_DEPTH_MAX) throw new Conflict('is nested too deep');
  return path;
}

function place(root: Branch, path: readonly string[], value: string): void {
  let branch = root;
  for (const [at, part] of path.entries()) {
    const key = part === '' ? String(branch.size) : part;
    const known = branch.get(key);
    if (at === path.length - 1) {
      if (known !== undefined) throw new Conflict('repeats a field');
      branch.set(key, value);
      return;
    }
    if (typeof known === 'string') throw new Conflict('gives a field two shapes');
    const next: Branch = known ?? new Map();
    branch.set(key, next);
    branch = next;
  }
}

/** Without a prototype: `__proto__` is a field like any other. */
function record(branch: Branch): unknown {
  const object = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of branch) object[key] = plain(value);
  return object;
}

function plain(value: Branch | string): unknown {
  if (typeof value === 'string') return value;
  const isList = [...value.keys()].every((key, at) => key === String(at));
  return isList ? [...value.values()].map(plain) : record(value);
}

export type EncodedBody = { readonly bytes: Uint8Array; readonly contentType: string };

/** An object or array goes as JSON, or as a form by its type; text goes as it is (contract 5). */
export function encodeBody(
  contentType: string | undefined,
  body: unknown,
): EncodedBody | { readonly problem: string } {
  if (typeof body === 'string')
    return { bytes: utf8(body), contentType: contentType ?? 'text/plain; charset=utf-8' };
  if (typeof body !== 'object' || body === null) return { problem: 'must be an object, an array or text' };
  const type = mediaType(contentType);
  if (type?.name === FORM_TYPE)
    return { bytes: utf8(encodeForm(body)), contentType: contentType ?? FORM_TYPE };
  if (type !== undefined && !JSON_TYPE.test(type.name))
    return { problem: `an object cannot be sent as ${type.name}` };
  return { bytes: utf8(JSON.stringify(body)), contentType: contentType ?? 'application/json' };
}

/** Bracket nesting, in insertion order. */
export function encodeForm(value: object): string {
  return [...pairs(value, '')].map(([name, text]) => `${encodeText(name)}=${encodeText(text)}`).join('&');
}

const encodeText = (text: string): string => encodeURIComponent(text.toWellFormed()).replaceAll('%20', '+');

function* pairs(value: unknown, name: string): Generator<readonly [string, string]> {
  if (value === null || value === undefined) return yield [name, ''] as const;
  if (typeof value !== 'object') return yield [name, String(value)] as const;
  for (const [key, member] of Object.entries(value))
    yield* pairs(member, name === '' ? key : `${name}[${key}]`);
}
