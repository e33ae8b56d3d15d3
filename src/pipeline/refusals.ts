// Which refusals a verb can give: those of authenticate, those of its line, and its own. The steps that give them stand
// beside; the scenarios hold every answer against this list (test/support/documented.ts), so a missing one is found.
import type { FaultCode } from '#kernel/errors.ts';
import type { Operation } from '#kernel/operation.ts';

export type Refusals = {
  readonly own: readonly FaultCode[];
  readonly line: readonly FaultCode[];
  readonly authenticate: readonly FaultCode[];
};

/** Step 1: a credential that is presented is judged, also where none is needed. */
export const AUTHENTICATE: readonly FaultCode[] = [
  'UNAUTHORIZED',
  'INVALID_API_KEY',
  'PASSPORT_INVALID',
  'PASSPORT_EXPIRED',
  'PASSPORT_REVOKED',
  'PASSPORT_BLOCKED',
  // X-Stack-Agent that contradicts the passport, or names nobody.
  'FORBIDDEN',
  'NOT_FOUND',
];

/**
 * RATE_LIMITED: the caller's other requests have taken its places, or a call is over a limit of its agent. AUDIT_UNAVAILABLE:
 * every verb reads state, and a disk that cannot be read is the same trouble as a log that takes no entry.
 */
const OPERATIONS: readonly FaultCode[] = ['INVALID_REQUEST', 'RATE_LIMITED', 'AUDIT_UNAVAILABLE', 'INTERNAL'];
/** The commit: a row count that does not fit. */
const COMMIT: readonly FaultCode[] = ['CONFLICT'];

/** In the order of the steps. */
const TRAFFIC: readonly FaultCode[] = [
  'AGENT_UNIDENTIFIED',
  'URL_DENIED',
  'HEADER_DENIED',
  'PAYLOAD_TOO_LARGE',
  'ACTION_DENIED',
  'CONSTRAINT_FAILED',
  'CREDENTIAL_MISSING',
  'APPROVAL_GATE_DENIED',
  'VAULT_SEALED',
  'ADDRESS_DENIED',
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_TIMEOUT',
  'RESPONSE_WITHHELD',
];

/** A code stands once, at the place that says most about it. */
export function refusalsOf({ line, effect, errors }: Operation): Refusals {
  const steps = [...OPERATIONS, ...(line === 'traffic' ? TRAFFIC : []), ...(effect === 'read' ? [] : COMMIT)];
  const ofLine = steps.filter((code) => !errors.includes(code));
  const ofCaller = AUTHENTICATE.filter((code) => !errors.includes(code) && !ofLine.includes(code));
  return { own: errors, line: ofLine, authenticate: ofCaller };
}
