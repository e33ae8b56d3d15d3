// One call to the world as the caller gives it (contract 5), and the answer it gets. Closed: unknown fields are refused.
import { z } from 'zod';
import {
  CALL_TEXT_CHARS_MAX,
  ID_CHARS_MAX,
  IDEMPOTENCY_KEY_CHARS_MAX,
  REQUEST_HEADERS_MAX,
  RESPONSE_BYTES_CONFIGURED_MAX,
  SERVICE_NAME_CHARS_MAX,
} from '#kernel/limits.ts';

export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

const service = z
  .string()
  .min(1)
  .max(SERVICE_NAME_CHARS_MAX)
  .describe('Name of the service, as stack_list_services shows it.');
const method = z.enum(METHODS).describe('HTTP method in capitals.');

/** The fields of a call; `stack_submit_intent` and `stack_simulate_intent` take the same. */
export const callShape = {
  service,
  method,
  url: z
    .string()
    .max(CALL_TEXT_CHARS_MAX)
    .optional()
    .describe('Absolute URL at the service. Give url or path.'),
  path: z
    .string()
    .max(CALL_TEXT_CHARS_MAX)
    .optional()
    .describe('Path below the base_url of the service, from /.'),
  headers: z
    .record(z.string(), z.unknown())
    .optional()
    .describe(
      `Further request headers, at most ${REQUEST_HEADERS_MAX}; the credential is put in by the appliance.`,
    ),
  query: z.record(z.string(), z.string()).optional().describe('Query parameters, appended to the URL.'),
  body: z
    .unknown()
    .optional()
    .describe('Object or array: sent as JSON, or as a form by Content-Type. Text: as it is.'),
  body_base64: z.string().optional().describe('Body bytes in base64, instead of body.'),
  approval_id: z.string().max(ID_CHARS_MAX).optional().describe('Approval of this exact call.'),
  idempotency_key: z
    .string()
    .max(IDEMPOTENCY_KEY_CHARS_MAX)
    .optional()
    .describe(
      'A name of your own for this one call: sent again under it, the same call is not made again, and its first answer comes back. For 24 hours.',
    ),
  passport: z
    .string()
    .max(CALL_TEXT_CHARS_MAX)
    .optional()
    .describe('Passport token, or its jti, where no header carries it.'),
  max_body_chars: z
    .number()
    .int()
    .min(0)
    .max(RESPONSE_BYTES_CONFIGURED_MAX)
    .optional()
    .describe('Cut the answer body after so many characters.'),
};

const APPROVED = 'Left out where approval_id alone is given: then the stored call is sent.';
const described = <T extends z.ZodType>(field: T): T =>
  field.describe(`${field.description ?? ''} ${APPROVED}`) as T;

export const callInput = z
  .strictObject({
    ...callShape,
    service: described(service).optional(),
    method: described(method).optional(),
  })
  .superRefine((call, context) => {
    if (isBare(call)) return;
    for (const name of ['service', 'method'] as const)
      if (call[name] === undefined)
        context.addIssue({ code: 'custom', path: [name], message: `${name} is missing` });
  });
export type CallInput = z.infer<typeof callInput>;

const REPEATED = ['service', 'method', 'url', 'path', 'headers', 'query', 'body', 'body_base64'] as const;

/** An approval and nothing of the call: what was stored is sent (contract 5). */
const isBare = (call: Readonly<Record<string, unknown>>): boolean =>
  call['approval_id'] !== undefined && REPEATED.every((name) => call[name] === undefined);

/** A body that its client is still sending. */
export type Upload = {
  /** Content-Length, where the client gave one. */
  readonly declaredBytes: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
};

/** One call as the line takes it, whichever form it came in. */
export type Call = Omit<CallInput, 'headers' | 'max_body_chars' | 'service' | 'method'> & {
  readonly form: 'envelope' | 'request';
  readonly service: string;
  readonly method: (typeof METHODS)[number];
  /** The approval alone is given; the gate puts the stored call in its place before any other step reads it. */
  readonly bare?: true;
  readonly headers: readonly (readonly [name: string, value: unknown])[];
  readonly upload?: Upload;
  /** The body in place of `upload`, once it was read whole. */
  readonly bytes?: Uint8Array;
};

export function callOf({ headers, max_body_chars: _shown, ...fields }: CallInput): Call {
  const { service = '', method = 'GET' } = fields;
  const call = {
    ...fields,
    service,
    method,
    form: 'envelope' as const,
    headers: Object.entries(headers ?? {}),
  };
  return isBare({ ...fields, headers }) ? { ...call, bare: true } : call;
}

export const callAnswer = z.strictObject({
  status: z.number().int().min(100).max(599).describe('HTTP status of the service.'),
  headers: z.record(z.string(), z.string()).describe('Response headers after the scrub.'),
  body: z.unknown().optional().describe('Parsed JSON body.'),
  body_text: z.string().optional().describe('Body as text, where it is not JSON or was cut.'),
  body_base64: z.string().optional().describe('Body bytes, where it is no text.'),
  truncated: z.boolean().describe('The body was longer than what is shown.'),
  body_bytes: z.number().int().min(0).describe('Bytes of the body that were read.'),
  duration_ms: z.number().int().min(0).describe('Milliseconds from intent to the last byte.'),
  entry_id: z.string().describe('Audit entry of the intent.'),
  replayed: z
    .boolean()
    .optional()
    .describe('True where this is the answer to an earlier call under the same idempotency key.'),
});
export type CallAnswer = z.infer<typeof callAnswer>;

export const CALL_EXAMPLE: {
  readonly input: z.input<typeof callInput>;
  readonly output: z.output<typeof callAnswer>;
} = {
  input: { service: 'billing', method: 'GET', path: '/invoices/in_7', query: { expand: 'lines' } },
  output: {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: { id: 'in_7', total: 120 },
    truncated: false,
    body_bytes: 25,
    duration_ms: 22,
    entry_id: 'aud_4097d043c1e84f0f9a5b6c7d8e9f0a1b',
  },
};
