// What the caller sees of an answer: JSON where it is JSON, text where it is text, base64 else; cut where it is long.
import { decodeUtf8 } from '#kernel/bytes.ts';
import type { CallAnswer } from './call.ts';
import type { Inspected } from './inspect.ts';
import { headerValue } from './request.ts';

export type Shape = {
  readonly entryId: string;
  readonly durationMs: number;
  readonly bodyCharsMax: number | undefined;
};

const JSON_TYPE = /^application\/(?:[a-z0-9.+-]*\+)?json\s*(?:;|$)/i;

export function answerOf(from: Inspected, shape: Shape): CallAnswer {
  const { status, headers, bodyBytes, truncated } = from.from;
  const body = bodyOf(from, shape.bodyCharsMax);
  return {
    status,
    headers: joined(headers),
    ...body.fields,
    truncated: truncated || body.cut,
    body_bytes: bodyBytes,
    duration_ms: shape.durationMs,
    entry_id: shape.entryId,
  };
}

/** RFC 9110 5.3: lines of one name are one list. */
function joined(headers: readonly (readonly [string, string])[]): Record<string, string> {
  const lines = new Map<string, string>();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    const before = lines.get(key);
    lines.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(lines);
}

type Body = {
  readonly fields: Partial<Pick<CallAnswer, 'body' | 'body_text' | 'body_base64'>>;
  readonly cut: boolean;
};

function bodyOf({ from }: Inspected, charsMax: number | undefined): Body {
  if (from.body.length === 0) return { fields: {}, cut: false };
  const text = decodeUtf8(from.body);
  if (text === undefined) return cutText('body_base64', Buffer.from(from.body).toString('base64'), charsMax);
  const parsed = from.truncated ? undefined : parse(text, headerValue(from.headers, 'content-type'));
  if (parsed === undefined) return cutText('body_text', text, charsMax);
  // Parsing undoes JSON escapes, so the values are searched once more.
  const body = from.redactor.json(parsed.value);
  const rendered = charsMax === undefined ? '' : JSON.stringify(body);
  if (charsMax !== undefined && rendered.length > charsMax) return cutText('body_text', rendered, charsMax);
  return { fields: { body }, cut: false };
}

function parse(text: string, contentType: string | undefined): { readonly value: unknown } | undefined {
  if (contentType === undefined || !JSON_TYPE.test(contentType)) return undefined;
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function cutText(field: 'body_text' | 'body_base64', text: string, charsMax: number | undefined): Body {
  if (charsMax === undefined || text.length <= charsMax) return { fields: { [field]: text }, cut: false };
  return { fields: { [field]: text.slice(0, charsMax).toWellFormed() }, cut: true };
}
