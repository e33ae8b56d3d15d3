// A call put before a person, and a call tried without effect. Both go the traffic line's first steps with the live config; what
// is submitted is stored as it would leave, sealed and durable before the answer, and nothing is held open.
import { z } from 'zod';
import type { ApprovalBook } from '#features/approvals/book.ts';
import { APPROVAL_EXAMPLE, showSubmitted, submittedShape } from '#features/approvals/shape.ts';
import { approvalRule } from '#features/policy/decide.ts';
import { Fault } from '#kernel/errors.ts';
import { REASON_CHARS_MAX } from '#kernel/limits.ts';
import { type Caller, type Operation, operation, type Trace } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { holdsOwnToken } from '#platform/net/own-token.ts';
import type { Authenticator } from './authenticate.ts';
import type { Authorize, Authorized } from './authorize.ts';
import { type Call, callOf, callShape } from './call.ts';
import { headerValue } from './request.ts';
import { structuredBody } from './shape.ts';
import type { Submission } from './submission.ts';

export type Judging = {
  readonly authenticator: Pick<Authenticator, 'agent'>;
  readonly authorize: Authorize;
};
type Deps = Judging & { readonly book: ApprovalBook; readonly submission: Submission };

const { approval_id: _approved, ...candidate } = callShape;
const NO_PART = 'Taken, so that a call can be submitted as it is; no part of what is approved.';
const candidateShape = {
  ...candidate,
  idempotency_key: candidate.idempotency_key.describe(NO_PART),
  max_body_chars: candidate.max_body_chars.describe(NO_PART),
};
const submitInput = z.strictObject({
  ...candidateShape,
  reason: z
    .string()
    .max(REASON_CHARS_MAX)
    .refine((text) => !holdsOwnToken(text), 'holds a key or a passport, which belongs in no text')
    .optional()
    .describe('What it is for, for the person who decides; at most 500 characters.'),
});
const simulateInput = z.strictObject(candidateShape);
type Candidate = z.infer<typeof simulateInput>;

export function intentOperations(deps: Deps): readonly Operation[] {
  return [simulating(deps), submitting(deps)];
}

type Asking = { readonly caller: Caller; readonly trace: Trace };
type Asked = { readonly call: Call; readonly structured: boolean };

/** The call as it would be stored: a JSON value in its canonical form. */
function askedOf({ idempotency_key: _key, ...input }: Candidate): Result<Asked> {
  const call = callOf(input);
  const headers = Object.entries(input.headers ?? {}).map(([name, value]) => [name, String(value)] as const);
  const body = structuredBody(input.body, headerValue(headers, 'content-type'));
  if (body === undefined) return ok({ call, structured: false });
  if ('problem' in body)
    return refuse(
      new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: 'body', message: body.problem }] } }),
    );
  const typed = headerValue(headers, 'content-type') !== undefined;
  return ok({
    call: {
      ...call,
      ...(typed ? {} : { headers: [...call.headers, ['content-type', 'application/json'] as const] }),
      body: undefined,
      bytes: body.bytes,
    },
    structured: true,
  });
}

/** Steps 1 and 2 of the traffic line. */
async function judge(
  deps: Deps,
  { call }: Asked,
  { caller, trace }: Asking,
): Promise<Result<ReturnType<Authorize>>> {
  const known = await deps.authenticator.agent(caller, call.passport, trace);
  return known.ok ? ok(deps.authorize(known.value, call)) : known;
}

const denialShape = z.strictObject({
  code: z.string().describe('What would refuse the call, for programs.'),
  message: z.string().describe('The same, for people.'),
  next: z.string().describe('A step that works.'),
});

function simulating(deps: Deps): Operation {
  return operation({
    name: 'stack_simulate_intent',
    action: 'approval.simulate',
    summary:
      'Say whether a call would be let through, without making it and without asking anybody: which action it is, ' +
      'whether a person must approve it, and what would refuse it.',
    effect: 'read',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'proxy:use',
    input: simulateInput,
    output: z.strictObject({
      allowed: z.boolean().describe('Nothing would refuse it; a person may still have to approve it first.'),
      needs_approval: z.boolean().describe('A person must approve it: stack_submit_intent asks.'),
      action: z.string().nullable().describe('Action of the service that the call is, where one covers it.'),
      denials: z.array(denialShape).describe('What would refuse it, each with its next step.'),
    }),
    example: {
      input: { service: 'billing', method: 'POST', path: '/refunds', body: { amount: 120, invoice: 'in_7' } },
      output: { allowed: true, needs_approval: true, action: 'billing:refunds:create', denials: [] },
    },
    errors: ['AGENT_UNIDENTIFIED', 'FORBIDDEN'],
    route: { method: 'POST', path: '/v1/intents/simulate' },
    toolset: 'default',
    line: 'operations',
    run: async ({ caller, input, trace }) => {
      const asked = askedOf(input);
      if (!asked.ok) return asked;
      const judged = await judge(deps, asked.value, { caller, trace });
      if (!judged.ok) return judged;
      const verdict = judged.value;
      if (!verdict.ok) {
        const { code, message, next } = verdict.fault;
        const action = verdict.asked.service_action ?? null;
        const output = { allowed: false, needs_approval: false, action, denials: [{ code, message, next }] };
        return ok({ output, changes: [] });
      }
      const { service, view, action } = readWhole(verdict);
      const needs_approval = approvalRule(service, view) !== undefined;
      return ok({ output: { allowed: true, needs_approval, action, denials: [] }, changes: [] });
    },
  });
}

/** A body in an envelope is there. */
function readWhole(verdict: Exclude<ReturnType<Authorize>, { readonly ok: false }>): Authorized {
  if ('unread' in verdict) throw new Error('the body of an envelope is never on its way');
  return verdict.value;
}

function submitting(deps: Deps): Operation {
  return operation({
    name: 'stack_submit_intent',
    action: 'approval.submit',
    summary:
      'Ask a person to approve one exact call: the fields of stack_proxy_request, and reason. Answers at once with an ' +
      'approval_id; poll stack_get_intent_approval with it, then call stack_proxy_request with approval_id.',
    effect: 'write',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'proxy:use',
    input: submitInput,
    output: submittedShape,
    example: {
      input: {
        service: 'billing',
        method: 'POST',
        path: '/refunds',
        body: { amount: 120, invoice: 'in_7' },
        reason: APPROVAL_EXAMPLE.reason,
      },
      output: { ...APPROVAL_EXAMPLE, approve_url: null, poll_after_ms: 1_000 },
    },
    errors: [
      'AGENT_UNIDENTIFIED',
      'FORBIDDEN',
      'URL_DENIED',
      'HEADER_DENIED',
      'PAYLOAD_TOO_LARGE',
      'ACTION_DENIED',
      'CONSTRAINT_FAILED',
      'CREDENTIAL_MISSING',
    ],
    statuses: [201],
    route: { method: 'POST', path: '/v1/intents' },
    toolset: 'default',
    line: 'operations',
    run: async ({ caller, input: { reason = '', ...input }, trace, nowMs }) => {
      const asked = askedOf(input);
      if (!asked.ok) return asked;
      const judged = await judge(deps, asked.value, { caller, trace });
      if (!judged.ok) return judged;
      if (!judged.value.ok) return judged.value;
      const call = readWhole(judged.value);
      const submitted = await deps.submission({ ...asked.value, call, reason, nowMs });
      if (!submitted.ok) return submitted;
      const { row, changes, entry } = submitted.value;
      return ok({ output: showSubmitted(deps.book.show(row)), status: 201, changes, entry });
    },
  });
}
