// The audit entry as callers see it, field by field (contract 7). `entry.ts` seals it; this says what each field means.
import { z } from 'zod';

const text = (says: string) => z.string().describe(says);
const maybe = (says: string) => z.string().nullable().describe(says);
const count = (says: string) => z.number().int().min(0).nullable().describe(says);

export const entryShape = z.strictObject({
  v: z.literal(1).describe('Version of the entry format.'),
  seq: z.number().int().min(1).describe('Number in the chain, without gaps from 1.'),
  entry_id: text('Id of the entry, aud_….'),
  timestamp: z.number().int().min(0).describe('When, in unix ms.'),
  trace_id: maybe('Trace that the call belongs to (W3C trace context).'),
  span_id: maybe('Span of the call within the trace.'),
  parent_span_id: maybe('Span that the call came from.'),
  layer: z.enum(['vault', 'proxy', 'dropoff', 'skills', 'system']).describe('Part of the appliance.'),
  action: text('What was done, such as passport.issue or credential.proxy.'),
  outcome: z
    .enum(['pending', 'success', 'failure', 'blocked', 'unknown'])
    .describe(
      'pending: an intent, whose outcome follows. blocked: refused. unknown: the appliance ended in between.',
    ),
  actor: z
    .strictObject({
      kind: text('Kind of caller: key, passport, person, or system for the appliance itself.'),
      id: text('Id of the caller.'),
    })
    .describe('Who did it.'),
  agent_id: maybe('Agent that acted.'),
  session_id: maybe('Session (mission) of the agent.'),
  passport_jti: maybe('Passport that was used.'),
  service: maybe('Service that was called.'),
  service_action: maybe('Action of the service that granted the call, or was denied.'),
  method: maybe('HTTP method of the call.'),
  host: maybe('Host that was called.'),
  path: maybe('Path that was called; the query is only in request_hash.'),
  status: count('HTTP status that the service answered.'),
  request_hash: maybe('Salted SHA-256 of the request, hex.'),
  response_hash: maybe('Salted SHA-256 of the answer, hex.'),
  approval_id: maybe('Approval that let the call pass.'),
  duration_ms: count('Milliseconds that it took.'),
  bytes_in: count('Bytes of the answer.'),
  bytes_out: count('Bytes of the request body.'),
  error_code: maybe('Code of the refusal or failure, as in the table of errors.'),
  refers_to: maybe('Of an outcome: the entry_id of its intent.'),
  detail: z
    .record(z.string(), z.unknown())
    .describe('Further facts of the action, at most 4 kB. Holds no secret.'),
  prev_entry_hash: text('entry_hash of the entry before; 64 zeros in the first.'),
  entry_hash: text('SHA-256 of a zero byte and the canonical entry (RFC 6962 leaf), hex. Stands beside it.'),
});
export type Entry = z.infer<typeof entryShape>;

/** A refused call: the most that is asked about. */
export const ENTRY_EXAMPLE: Entry = {
  v: 1,
  seq: 41,
  entry_id: 'aud_4097d043c1e84f0f9a5b6c7d8e9f0a1b',
  timestamp: 1_795_512_600_000,
  trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  span_id: '00f067aa0ba902b7',
  parent_span_id: null,
  layer: 'proxy',
  action: 'credential.proxy',
  outcome: 'blocked',
  actor: { kind: 'key', id: 'key_0a1b2c3d4e5f60718293a4b5c6d7e8f9' },
  agent_id: 'agt_3f9a1c5e7b2d4860a1b2c3d4e5f60718',
  session_id: 'ses_6b1f2e3d4c5b6a798897a6b5c4d3e2f1',
  passport_jti: 'pp_9c8b7a6f5e4d3c2b1a0918273645546f',
  service: 'billing',
  service_action: null,
  method: 'DELETE',
  host: 'billing.internal:8443',
  path: '/v1/invoices/in_7',
  status: null,
  request_hash: null,
  response_hash: null,
  approval_id: null,
  duration_ms: null,
  bytes_in: null,
  bytes_out: null,
  error_code: 'ACTION_DENIED',
  refers_to: null,
  detail: {},
  prev_entry_hash: '5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9',
  entry_hash: '6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b',
};
