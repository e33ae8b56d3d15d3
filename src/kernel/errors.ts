// Every refusal there is: code, HTTP status, public sentence, next step. Invariant 10: no refusal without a row here.
// `detail` is for the operator's record only; callers see the row and the metadata, never the detail.

type Row = { readonly status: number; readonly message: string; readonly next: string };

export const REFUSALS = {
  INVALID_REQUEST: {
    status: 400,
    message: 'The request does not have the documented shape.',
    next: 'Correct the fields named in metadata.issues and send the request again.',
  },
  ACCOUNTABILITY_REQUIRED: {
    status: 400,
    message: 'This agent must declare an intent before it gets a passport.',
    next: 'Send intent {summary, services} with the issue request.',
  },
  SCOPE_ESCALATION: {
    status: 400,
    message: 'More was asked for than the agent is granted.',
    next: 'Ask only for scopes that the agent has; GET /v1/agents/:id lists them.',
  },
  DELEGATION_DEPTH_EXCEEDED: {
    status: 400,
    message: 'A passport may be delegated four times in a row, and this one was.',
    next: 'Delegate from a passport nearer to the first of the mission, or do the work with this one.',
  },
  DELEGATION_ACCOUNTABILITY_VIOLATION: {
    status: 400,
    message: 'The other agent is held less strictly than the passport that would be delegated.',
    next: 'Delegate to an agent whose accountability_mode is at least as strict, or make that agent stricter.',
  },
  UNAUTHORIZED: {
    status: 401,
    message: 'No usable credential was presented.',
    next: 'Send Authorization: Bearer with an API key or a passport.',
  },
  INVALID_API_KEY: {
    status: 401,
    message: 'The API key is unknown, revoked or expired.',
    next: 'Ask the operator for a live key; `stack keys create` makes one.',
  },
  AGENT_UNIDENTIFIED: {
    status: 401,
    message: 'The call does not say which agent makes it.',
    next: 'Send a passport as X-Passport-Token or Bearer, or X-Stack-Agent: NAME beside the key, or the passport argument.',
  },
  PASSPORT_INVALID: {
    status: 401,
    message: 'The passport is not one that this appliance issued.',
    next: 'Issue a passport with stack_issue_passport and send it unchanged.',
  },
  PASSPORT_EXPIRED: {
    status: 401,
    message: 'The passport has expired.',
    next: 'Refresh it with stack_refresh_passport and the key that minted it, or issue a new one with stack_issue_passport.',
  },
  PASSPORT_REVOKED: {
    status: 401,
    message: 'The passport has been revoked.',
    next: 'Stop this mission. A new one needs a passport issued with a declared intent.',
  },
  FORBIDDEN: {
    status: 403,
    message: 'This caller may not do that.',
    next: 'Use a caller that may; the reference lists who may call what.',
  },
  PASSPORT_BLOCKED: {
    status: 403,
    message: 'This agent is blocked and gets no passport.',
    next: 'A person must unblock the agent.',
  },
  ACTION_DENIED: {
    status: 403,
    message: 'No granted action covers this method and path.',
    next: 'Use a call that the passport covers; stack_list_services shows the actions.',
  },
  CONSTRAINT_FAILED: {
    status: 403,
    message: 'The call breaks a constraint of its grant.',
    next: 'Change the argument named in metadata.constraint so that it fits.',
  },
  URL_DENIED: {
    status: 403,
    message: 'The URL is not a canonical URL of this service.',
    next: 'Send a plain absolute URL under the base_url that stack_list_services shows, or use path.',
  },
  ADDRESS_DENIED: {
    status: 403,
    message: 'The service name resolves to an address that this service may not use.',
    next: 'The operator must set the network of this service or correct its DNS.',
  },
  HEADER_DENIED: {
    status: 403,
    message: 'A header of the call is not allowed.',
    next: 'Leave out the header named in metadata.header, or ask the operator to list it under headers.allow.',
  },
  APPROVAL_GATE_DENIED: {
    status: 403,
    message: 'A person must approve this call first.',
    next: 'metadata.gate_reason says what is missing; stack_submit_intent asks a person.',
  },
  HOST_DENIED: {
    status: 403,
    message: 'The Host header names a host that this appliance does not serve.',
    next: 'Use the public URL, or ask the operator to list the host under server.hosts.',
  },
  ORIGIN_DENIED: {
    status: 403,
    message: 'Requests from this web origin are not accepted.',
    next: 'Call the appliance from a program, not from a web page of another origin.',
  },
  TLS_REQUIRED: {
    status: 403,
    message: 'The request came to the reverse proxy without TLS.',
    next: 'Use the https URL. If a key or passport was sent, replace it: it crossed the network in clear text.',
  },
  NOT_FOUND: {
    status: 404,
    message: 'There is no such thing, or it belongs to another.',
    next: 'Check the id or name; the list routes show what exists.',
  },
  CHECKPOINT_NOT_AVAILABLE: {
    status: 404,
    message: 'A passport of an agent in standard mode has no checkpoints and no checkout.',
    next: 'Go on without: the passport ends by its time. Missions need an agent in enforced or logged mode.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    message: 'This route does not take this method.',
    next: 'Use the method listed in the Allow header.',
  },
  CONFLICT: {
    status: 409,
    message: 'The request does not fit the present state.',
    next: 'Read the present state and decide again.',
  },
  PAYLOAD_TOO_LARGE: {
    status: 413,
    message: 'The body is larger than this route takes.',
    next: 'Send a smaller body.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    message: 'This route takes application/json only.',
    next: 'Send the body as JSON with Content-Type: application/json.',
  },
  CREDENTIAL_MISSING: {
    status: 424,
    message: 'The service has no usable credential, so the call was not sent.',
    next: 'The operator must set the credential of this service.',
  },
  RATE_LIMITED: {
    status: 429,
    message: 'Too many requests at once, or more than this agent may make in this time.',
    next: 'Wait as long as Retry-After says, then try again.',
  },
  INTERNAL: {
    status: 500,
    message: 'Something failed inside the appliance.',
    next: 'Give the operator the trace_id from metadata; the log has the cause.',
  },
  UPSTREAM_UNREACHABLE: {
    status: 502,
    message: 'The service could not be reached.',
    next: 'Check that the service is up; see metadata.sent before you repeat a call that changes something.',
  },
  RESPONSE_WITHHELD: {
    status: 502,
    message: 'The service answered, but the answer could not be checked and is withheld.',
    next: 'The call was made. Check its effect at the service; do not simply repeat it.',
  },
  AUDIT_UNAVAILABLE: {
    status: 503,
    message: 'State and log cannot be read or written now, so nothing was done.',
    next: 'The operator must look at /readyz and the disk; try again afterwards.',
  },
  VAULT_SEALED: {
    status: 503,
    message: 'The vault cannot open this credential, so the call was not sent.',
    next: 'The operator must check the key file and bind the credential again.',
  },
  UPSTREAM_TIMEOUT: {
    status: 504,
    message: 'The service did not answer in time.',
    next: 'Check at the service whether the call took effect before you repeat it.',
  },
} as const satisfies Record<string, Row>;

export type FaultCode = keyof typeof REFUSALS;
export type FaultMetadata = Readonly<Record<string, unknown>>;

type FaultOptions = {
  /** Exact reason, for the operator's record and the process log. Never shown to the caller. */
  readonly detail?: string;
  /** Shown to the caller, at both places of the envelope. Holds no secret. */
  readonly metadata?: FaultMetadata;
  /** Replaces the row's next step where a better one is known. */
  readonly next?: string;
  readonly cause?: unknown;
};

export class Fault extends Error {
  readonly code: FaultCode;
  readonly detail: string | undefined;
  readonly metadata: FaultMetadata;
  readonly next: string;

  constructor(code: FaultCode, options: FaultOptions = {}) {
    super(REFUSALS[code].message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'Fault';
    this.code = code;
    this.detail = options.detail;
    this.metadata = options.metadata ?? {};
    this.next = options.next ?? REFUSALS[code].next;
  }

  get status(): number {
    return REFUSALS[this.code].status;
  }
}

export type ErrorEnvelope = {
  readonly error: {
    readonly code: FaultCode;
    readonly message: string;
    readonly next: string;
    readonly metadata: FaultMetadata;
  };
  readonly metadata: FaultMetadata;
};

/** The one shape of an error outside (contract 3); metadata stands at both places. */
export function envelope(fault: Fault): ErrorEnvelope {
  const { code, message, next, metadata } = fault;
  return { error: { code, message, next, metadata }, metadata };
}

/** Whatever was thrown becomes a Fault; an unknown error shows nothing of itself. */
export function asFault(thrown: unknown): Fault {
  return thrown instanceof Fault ? thrown : new Fault('INTERNAL', { cause: thrown, detail: String(thrown) });
}

/** The whole of what was thrown, for the process log. */
export const stackOf = (thrown: unknown): string =>
  thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
