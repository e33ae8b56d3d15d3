// What `metadata` of each refusal may hold, with one example each. The codes, sentences and next steps are the table's.
import { type ErrorEnvelope, envelope, Fault, type FaultCode, type FaultMetadata } from '#kernel/errors.ts';

const ENTRY = { entry_id: 'aud_4097d043c1e84f0f9a5b6c7d8e9f0a1b' };

/** A code that is not here carries none. */
const METADATA: Partial<Record<FaultCode, FaultMetadata>> = {
  INVALID_REQUEST: { issues: [{ path: 'limit', message: 'Too big: expected number to be <=100' }] },
  SCOPE_ESCALATION: { reason: 'scope billing:refunds:create is not granted or not declared' },
  FORBIDDEN: { callers: ['person'] },
  ACTION_DENIED: { granted: ['billing:invoices:read'], needed: ['billing:invoices:delete'] },
  CONSTRAINT_FAILED: { constraint: { path: 'query.customer', op: 'eq', value: 'cus_42' } },
  URL_DENIED: { reason: 'host_not_bound' },
  ADDRESS_DENIED: { sent: false, reason: 'address_not_public', ...ENTRY },
  HEADER_DENIED: { header: 'authorization', reason: 'is set by the appliance' },
  APPROVAL_GATE_DENIED: { gate_reason: 'approval_required', action: 'billing:refunds:create' },
  RATE_LIMITED: { limit: 'calls_per_minute', value: 60, retry_after_seconds: 17 },
  INTERNAL: { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736' },
  UPSTREAM_UNREACHABLE: { sent: false, reason: 'resolve_failed', ...ENTRY },
  UPSTREAM_TIMEOUT: { sent: true, ...ENTRY },
  RESPONSE_WITHHELD: { sent: true, upstream_status: 200, reason: 'framing', ...ENTRY },
};

/** Every member that `metadata` may have, for the schema of an error. */
export const METADATA_MEMBERS: Readonly<Record<string, string>> = {
  issues: 'Every mistake of the request: its path in the input, and what is wrong there.',
  problems: 'Every mistake of the config file, with its place.',
  reason: 'Which rule it was, in a word or a sentence.',
  callers: 'Kinds of caller that may do it.',
  service: 'Service that was asked for.',
  passport_services: 'Services that the passport holds.',
  granted: 'Scopes that the passport holds for the service.',
  needed: 'Actions that would cover the call.',
  action: 'Action of the service that the call is.',
  constraint: 'Constraint that the call breaks.',
  header: 'Header that is meant.',
  gate_reason:
    'Why the gate is closed: approval_required, approval_pending, approval_rejected, approval_expired, approval_spent, approval_not_found, wrong_passport, call_mismatch or definition_changed.',
  approval_id: 'Approval that was given, or under which the call waits now.',
  poll_after_ms: 'Ask for the approval again after so many milliseconds.',
  mismatched: 'Fields in which the call differs from the approved one, such as body.amount.',
  status: 'How the approval stands.',
  ended: 'What ended the approval.',
  retry_after_seconds: 'How long to wait.',
  trace_id: 'Finds the cause in the process log.',
  sent: 'Whether anything was sent to the service. Where true, check there before you repeat a call.',
  upstream_status: 'HTTP status that the service answered.',
  entry_id: 'Audit entry of the call.',
  agents_max: 'How many agents the appliance holds.',
};

export const faultExample = (code: FaultCode): ErrorEnvelope =>
  envelope(new Fault(code, { metadata: METADATA[code] ?? {} }));
