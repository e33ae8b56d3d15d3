// A call put before a person, and a call tried without effect. Both go the traffic line's first steps with the live config; what
// is submitted is stored as it would leave, sealed and durable before the answer, and nothing is held open.
import { z } from 'zod';
import type { ApprovalBook } from '#features/approvals/book.ts';
import { type Card, type CardBinding, definitionHash, sha256 } from '#features/approvals/model.ts';
import { APPROVAL_EXAMPLE, showSubmitted, submittedShape } from '#features/approvals/shape.ts';
import { insertApproval, type Shown, type Waiting, waiting } from '#features/approvals/store.ts';
import type { Announce } from '#features/notifications/announce.ts';
import { approvalRule } from '#features/policy/decide.ts';
import { Fault } from '#kernel/errors.ts';
import {
  APPROVAL_PENDING_BYTES_PER_AGENT_MAX,
  APPROVALS_PENDING_MAX,
  APPROVALS_PENDING_PER_AGENT_MAX,
  REASON_CHARS_MAX,
  RETRY_AFTER_SECONDS,
} from '#kernel/limits.ts';
import { type Caller, type Operation, operation, type Trace } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Statement } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import { holdsOwnToken } from '#platform/net/own-token.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import type { Authenticator } from './authenticate.ts';
import type { Authorize, Authorized } from './authorize.ts';
import { type Call, callOf, callShape } from './call.ts';
import { headerValue } from './request.ts';
import { hashOf, structuredBody, urlOf } from './shape.ts';

export type Judging = {
  readonly authenticator: Pick<Authenticator, 'agent'>;
  readonly authorize: Authorize;
};
type Deps = Judging & {
  readonly book: ApprovalBook;
  readonly reader: Reader;
  readonly host: Pick<Host, 'id'>;
  readonly announce: Announce;
  readonly mintedBy: (jti: string) => string;
  readonly pendingMs: () => number;
  readonly missionEndMs: (row: Pick<Shown, 'passport_jti'>) => number | undefined;
  readonly extend: (row: Pick<Shown, 'passport_jti'>, untilMs: number) => readonly Statement[];
};

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
      const full = overLimit(await waiting(deps.reader, call.from.passport.agentId ?? ''), call);
      if (full !== undefined) return refuse(full);
      const { row, body } = newApproval(deps, { ...asked.value, call, reason, nowMs });
      const { target, action } = call;
      return ok({
        output: showSubmitted(deps.book.show(row)),
        status: 201,
        changes: [
          insertApproval({ ...withoutOutcome(row), body }),
          ...deps.extend(row, row.expires_at),
          ...deps.announce('approval.pending', row),
        ],
        entry: {
          ...{ approval_id: row.id, agent_id: row.agent_id, session_id: row.session_id },
          ...{ passport_jti: row.passport_jti, service: row.service, service_action: action },
          ...{ method: row.method, host: target.url.host, path: target.url.path },
        },
      });
    },
  });
}

const withoutOutcome = ({ outcome: _outcome, ...row }: Shown): Omit<Shown, 'outcome'> => row;

type Submitted = { readonly call: Authorized; readonly structured: boolean; readonly reason: string };

function newApproval(deps: Deps, submitted: Submitted & { readonly nowMs: number }) {
  const { call, nowMs } = submitted;
  const { passport } = call.from;
  const binding: CardBinding = {
    id: deps.host.id('apr'),
    agent_id: passport.agentId ?? '',
    session_id: passport.sessionId ?? '',
    service: call.call.service,
    method: call.call.method,
  };
  const sealed = deps.book.seal(binding, { card: cardOf(submitted), body: call.payload.body });
  const passport_jti = passport.jti ?? '';
  const missionEndMs = deps.missionEndMs({ passport_jti });
  const row: Shown = {
    ...binding,
    ...{ agent_name: passport.agentName ?? '', passport_jti, minted_by: deps.mintedBy(passport_jti) },
    ...{ action: call.action, status: 'pending', ended: null, ended_at: null, uses_left: 0, free: '[]' },
    created_at: nowMs,
    expires_at: Math.min(nowMs + deps.pendingMs(), missionEndMs ?? Number.POSITIVE_INFINITY),
    ...{ opened_at: null, decided_at: null, decided_by: null, note: null, receipt: null, outcome: null },
    body_bytes: call.payload.body?.length ?? 0,
    card: sealed.card,
  };
  return { row, body: sealed.body };
}

/** Headers as the caller gave them: what the service fixes is put in again when the call is made. */
function cardOf({ call, structured, reason }: Submitted): Card {
  const { service, payload } = call;
  const fixed = new Set(service.service.headersFixed.map(([name]) => name.toLowerCase()));
  const rule = approvalRule(service, call.view);
  return {
    url: urlOf(call),
    headers: payload.headers.filter(([name]) => !fixed.has(name.toLowerCase())),
    reason,
    structured,
    rule: rule ?? null,
    bodySha256: payload.body === undefined ? null : sha256(payload.body),
    definitionHash: definitionHash(service.service),
    callHash: hashOf(call, structured),
  };
}

function overLimit({ ofAgent, bytes, ofAll }: Waiting, { payload }: Authorized): Fault | undefined {
  const of = (limit: string, value: number): Fault =>
    new Fault('RATE_LIMITED', {
      detail: `${limit} of ${value}`,
      metadata: { limit, value, retry_after_seconds: RETRY_AFTER_SECONDS },
      next: 'So many calls wait for a person already. Poll those that were submitted before you submit another.',
    });
  if (ofAgent >= APPROVALS_PENDING_PER_AGENT_MAX)
    return of('approvals_pending', APPROVALS_PENDING_PER_AGENT_MAX);
  if (ofAll >= APPROVALS_PENDING_MAX) return of('approvals_pending_in_all', APPROVALS_PENDING_MAX);
  const size = bytes + (payload.body?.length ?? 0);
  return size > APPROVAL_PENDING_BYTES_PER_AGENT_MAX
    ? of('approvals_pending_bytes', APPROVAL_PENDING_BYTES_PER_AGENT_MAX)
    : undefined;
}
