// A plain `tools/call`, in either era, answered as the SDK would and without it: the SDK takes longer over one than the
// rest of the call. Plain is what has nothing in it but name, arguments and words of the client; all else is the
// SDK's. No object is shared between callers here, since there is none. What the SDK makes of the same message, test/ holds it to.
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { ToolCall, ToolResult } from './tools.ts';

export const MODERN_VERSION = '2026-07-28';
/** Protocol revisions that are served without `_meta` and its headers. */
export const LEGACY_VERSIONS: readonly string[] = [
  '2025-11-25',
  '2025-06-18',
  '2025-03-26',
  '2024-11-05',
  '2024-10-07',
];

const META = 'io.modelcontextprotocol/';
const token = z.union([z.string(), z.int()]);
const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const nothing = z.strictObject({}).optional();

/** Clients add names of their own, such as of a trace; those of the protocol must be known here. */
const isOfOthers = (name: string): boolean => !name.startsWith(META);
const legacyMeta = z
  .looseObject({ progressToken: token.optional() })
  .refine((meta) => Object.keys(meta).every(isOfOthers))
  .optional();
/** What clients say of themselves. It changes nothing in an answer, but what is said wrongly is refused by the SDK. */
const ENVELOPE = {
  [`${META}protocolVersion`]: z.literal(MODERN_VERSION),
  [`${META}clientInfo`]: z
    .strictObject({ name: z.string(), version: z.string(), title: z.string().optional() })
    .optional(),
  [`${META}clientCapabilities`]: z.strictObject({
    elicitation: z.strictObject({ form: nothing, url: nothing }).optional(),
    roots: z.strictObject({ listChanged: z.boolean().optional() }).optional(),
    sampling: z.strictObject({ context: nothing, tools: nothing }).optional(),
  }),
};
const modernMeta = z
  .looseObject({ ...ENVELOPE, progressToken: token.optional() })
  .refine((meta) => Object.keys(meta).every((name) => Object.hasOwn(ENVELOPE, name) || isOfOthers(name)));

const message = (meta: z.ZodType) =>
  z.strictObject({
    jsonrpc: z.literal('2.0'),
    id: token,
    method: z.literal('tools/call'),
    params: z.strictObject({
      // A header repeats the name, and other letters would be encoded there.
      name: z.string().regex(/^[a-z0-9_]{1,64}$/),
      arguments: z.custom<object>(isObject).optional(),
      _meta: meta,
    }),
  });
const legacyMessage = message(legacyMeta);
const modernMessage = message(modernMeta);

export type PlainCall = {
  readonly id: string | number;
  readonly isModern: boolean;
  readonly call: ToolCall;
};

/** `undefined` for everything that the SDK has to look at. `body` is strict JSON. */
export function plainCall(headers: IncomingHttpHeaders, body: unknown): PlainCall | undefined {
  const version = headers['mcp-protocol-version'];
  const isModern = version === MODERN_VERSION;
  if (!isModern && version !== undefined && !LEGACY_VERSIONS.includes(String(version))) return undefined;
  const read = (isModern ? modernMessage : legacyMessage).safeParse(body);
  if (!read.success) return undefined;
  const { id, method, params } = read.data;
  // Revision 2026-07-28 repeats both in headers, and what differs is refused.
  if (isModern && (headers['mcp-method'] !== method || headers['mcp-name'] !== params.name)) return undefined;
  return { id, isModern, call: { name: params.name, input: params.arguments ?? {} } };
}

/** Makes the JSON-RPC message, in which the text of a result stands twice: as a string, and as what it says. */
export function plainAnswers(version: string): (plain: PlainCall, result: ToolResult) => string {
  const server = JSON.stringify({ name: 'stack', version });
  const modern = `,"resultType":"complete","_meta":{"${META}serverInfo":${server}}`;
  return ({ id, isModern }, { content: [{ text }], isError }) => {
    const content = `"content":[{"type":"text","text":${JSON.stringify(text)}}],"structuredContent":${text}`;
    const failed = isError === true ? ',"isError":true' : '';
    const result = `{${content}${failed}${isModern ? modern : ''}}`;
    return `{"result":${result},"jsonrpc":"2.0","id":${JSON.stringify(id)}}`;
  };
}
