// What the caller sees of an answer: JSON where it is JSON, text where it is text, base64 else; cut where it is long.
import { decodeUtf8 } from '#kernel/bytes.ts';
import type { CallAnswer } from './call.ts';
import type { Inspected } from './inspect.ts';
import { headerValue } from './request.ts';

export type Shape = { readonly entryId: string; readonly durationMs: number };

/** An answer that was read to its end or to the limit. */
type Collected = {
  readonly from: Inspected;
  readonly body: Uint8Array;
  readonly truncated: boolean;
};

const JSON_TYPE = /^application\/(?:[a-z0-9.+-]*\+)?json\s*(?:;|$)/i;

export function answerOf(
  collected: Collected,
  shape: Shape & { readonly bodyCharsMax: number | undefined },
): CallAnswer {
  const { status, headers, tally } = collected.from.from;
  const body = bodyOf(collected, shape.bodyCharsMax);
  return {
    status,
    headers: joined(headers),
    ...body.fields,
    truncated: collected.truncated || body.cut,
    body_bytes: tally.bytes,
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

function bodyOf({ from: { from }, body: bytes, truncated }: Collected, charsMax: number | undefined): Body {
  if (bytes.length === 0) return { fields: {}, cut: false };
  const text = decodeUtf8(bytes);
  if (text === undefined) return cutText('body_base64', Buffer.from(bytes).toString('base64'), charsMax);
  const parsed = truncated ? undefined : parse(text, headerValue(from.headers, 'content-type'));
  if (parsed === undefined) return cutText('body_text', text, charsMax);
  // Parsing undoes escapes, so the values are searched once more. Without one, each is a piece of the text that was searched.
  const body = text.includes('\\') ? from.redactor.json(parsed.value) : parsed.value;
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
