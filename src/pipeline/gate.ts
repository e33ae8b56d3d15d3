// Step 3: must a person approve this exact call, and has one? A given approval is always checked, rule or not (contract 5), and
// what is then sent is the stored call, whatever was repeated (invariant 5). The answer is a ticket, which `intend` redeems.
import type { ApprovalBook } from '#features/approvals/book.ts';
import {
  APPROVAL_ID,
  type Card,
  definitionHash,
  type GateReason,
  isFree,
} from '#features/approvals/model.ts';
import { receiptHolds } from '#features/approvals/receipt.ts';
import type { Shown } from '#features/approvals/store.ts';
import type { Waiting } from '#features/approvals/waiting.ts';
import { approvalRule } from '#features/policy/decide.ts';
import { Fault, type FaultMetadata } from '#kernel/errors.ts';
import { APPROVAL_POLL_AFTER_MS } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { SigningKey } from '#platform/crypto/signing.ts';
import type { Host } from '#platform/host/host.ts';
import type { Authenticated } from './authenticate.ts';
import type { Authorize, Authorized } from './authorize.ts';
import type { Call } from './call.ts';
import type { OnTheSpot } from './on-the-spot.ts';
import { hashOf, mismatches } from './shape.ts';
import { type Ticket, ticketOf } from './ticket.ts';

declare const gated: unique symbol;
/** No person has to agree, or one has. */
export type Gated = {
  readonly [gated]: true;
  readonly from: Authorized;
  /** The use of an approval that goes with this call. */
  readonly ticket: Ticket | undefined;
  /** No use is left; a call that was made under its idempotency key before has its answer all the same. */
  readonly spent: Fault | undefined;
};

export type Gate = {
  /** A call that gives an approval and nothing else, with what was stored in its place. */
  readonly recall: (from: Authenticated, call: Call) => Promise<Result<Call>>;
  readonly pass: (from: Authorized) => Result<Gated> | Promise<Result<Gated>>;
};

type Deps = {
  readonly book: ApprovalBook;
  readonly waiting: Pick<Waiting, 'settling'>;
  readonly authorize: Authorize;
  readonly onTheSpot: OnTheSpot;
  /** Verify what persons have signed. */
  readonly receiptKeys: () => readonly SigningKey[];
  readonly host: Pick<Host, 'nowMs'>;
};

export function createGate(deps: Deps): Gate {
  return {
    recall: async (from, call) => {
      const row = await ownRow(deps, { from, id: call.approval_id ?? '' });
      return row.ok ? ok(await storedCall(deps, row.value, call)) : row;
    },
    pass: (from) => {
      if (from.call.approval_id !== undefined) return present(deps, from);
      const rule = approvalRule(from.service, from.view);
      if (rule === undefined) return pass(from, undefined);
      if (rule.onCall === 'submit') return askFor(deps, from);
      return denied('approval_required', { action: from.action });
    },
  };
}

async function askFor({ onTheSpot }: Deps, from: Authorized): Promise<Result<Gated>> {
  const id = await onTheSpot(from);
  if (!id.ok) return id;
  const { fault } = denied('approval_required', {
    ...{ action: from.action, approval_id: id.value, poll_after_ms: APPROVAL_POLL_AFTER_MS },
  });
  const { code, detail = '', metadata } = fault;
  return refuse(new Fault(code, { detail, metadata, next: ASKED }));
}

const ASKED =
  'A person is asked already: poll stack_get_intent_approval with metadata.approval_id until it is decided, then call again with it.';

const pass = (from: Authorized, ticket: Ticket | undefined, spent?: Fault): Result<Gated> =>
  ok({ from, ticket, spent } as Gated);

type Presented = { readonly from: Authenticated; readonly id: string };

/** Unknown and another agent's are one refusal; another session of the same agent is told. */
async function ownRow({ book }: Deps, { from: { passport }, id }: Presented): Promise<Result<Shown>> {
  const row = APPROVAL_ID.test(id) ? await book.find(id) : undefined;
  if (row === undefined || row.agent_id !== passport.agentId) return denied('approval_not_found', {});
  if (row.session_id !== passport.sessionId) return denied('wrong_passport', { approval_id: id });
  return ok(row);
}

/** The call as it was stored; of what was repeated only the caller's own words about this try stay. */
async function storedCall({ book }: Deps, row: Shown, given: Call): Promise<Call> {
  const { url, headers } = book.card(row);
  const bytes = await book.body(row);
  const { approval_id, idempotency_key, passport } = given;
  return {
    form: 'envelope',
    service: row.service,
    // The row was written from a call that its schema had let pass.
    method: row.method as Call['method'],
    url,
    headers,
    ...(bytes === undefined ? {} : { bytes }),
    ...(approval_id === undefined ? {} : { approval_id }),
    ...(idempotency_key === undefined ? {} : { idempotency_key }),
    ...(passport === undefined ? {} : { passport }),
  };
}

async function present(deps: Deps, given: Authorized): Promise<Result<Gated>> {
  const { approval_id: id = '' } = given.call;
  const row = await ownRow(deps, { from: given.from, id });
  if (!row.ok) return row;
  const { action } = given;
  const unfit = unusable(deps, row.value);
  if (unfit !== undefined) return denied(unfit, { approval_id: id, action });
  const compared = await compare(deps, given, row.value);
  if (!compared.ok) return compared;
  const { call, differs } = compared.value;
  if (deps.book.state(row.value).usesLeft === 0) {
    const spent = denied('approval_spent', { approval_id: id, action });
    return given.call.idempotency_key === undefined ? spent : pass(call, undefined, spent.fault);
  }
  const { jti: passportJti } = given.from.passport;
  return pass(call, ticketOf(deps, { approvalId: id, passportJti, differs }));
}

function unusable({ book }: Deps, row: Shown): GateReason | undefined {
  const { status } = book.state(row);
  if (status === 'pending') return 'approval_pending';
  if (status === 'rejected') return 'approval_rejected';
  return status === 'expired' ? 'approval_expired' : undefined;
}

type Compared = { readonly call: Authorized; readonly differs: readonly string[] };

/** What is sent: the stored call; or the given one, where it differs only in what the approver left free. */
async function compare(deps: Deps, given: Authorized, row: Shown): Promise<Result<Compared>> {
  const card = deps.book.card(row);
  if (!receiptHolds({ keys: deps.receiptKeys(), row, card })) throw changedRow(row.id);
  const stored = await readStored(deps, given, { row, card });
  if (!stored.ok) return stored;
  const names = mismatches(given, { stored: stored.value, structured: card.structured });
  if (names.length === 0) return ok({ call: stored.value, differs: [] });
  const free = JSON.parse(row.free) as readonly string[];
  if (names.every((name) => isFree(name, free))) return ok({ call: given, differs: names });
  const mismatched = names.filter((name) => !isFree(name, free));
  return denied('call_mismatch', { approval_id: row.id, action: given.action, mismatched });
}

const changedRow = (id: string): Fault =>
  new Fault('INTERNAL', {
    detail: `${id} stands as approved and no person has signed that: its row was changed`,
  });

type Of = { readonly row: Shown; readonly card: Card };

/** The stored call under what is in force now: definition, rule and credential are those it was approved under. */
async function readStored(deps: Deps, given: Authorized, { row, card }: Of): Promise<Result<Authorized>> {
  const changed = denied('definition_changed', { approval_id: row.id, action: given.action });
  const same = given.service.service.name === row.service;
  if (same && definitionHash(given.service.service) !== card.definitionHash) return changed;
  const stored = deps.authorize(given.from, await storedCall(deps, row, given.call));
  if (!stored.ok) return stored;
  if ('unread' in stored) throw new Error('a stored body is never on its way');
  return hashOf(stored.value, card.structured) === card.callHash ? stored : changed;
}

const NEXT: Readonly<Record<GateReason, string>> = {
  approval_required:
    'Send the same call with stack_submit_intent, poll stack_get_intent_approval until it is decided, then call again with the approval_id.',
  approval_pending: 'Poll stack_get_intent_approval until status is not pending, then call again.',
  approval_rejected: 'A person has refused this call. Stop; do not send it again.',
  approval_expired:
    'Nothing was sent. If it is still to be done, ask anew with stack_submit_intent; otherwise stop.',
  approval_spent:
    'The approval has been used; stack_get_intent_approval shows the outcome. Another call needs another approval.',
  approval_not_found: 'Give the approval_id that stack_submit_intent answered to this agent.',
  wrong_passport:
    'Use a passport of the session that asked, or ask anew with stack_submit_intent under this one.',
  call_mismatch:
    'Repeat the call as it was submitted, or give the approval_id alone. What differs stands in metadata.mismatched.',
  definition_changed: 'The service or its rules have changed since. Ask anew with stack_submit_intent.',
};

const denied = (gateReason: GateReason, metadata: FaultMetadata) =>
  refuse(
    new Fault('APPROVAL_GATE_DENIED', {
      detail: gateReason,
      metadata: { gate_reason: gateReason, ...metadata },
      next: NEXT[gateReason],
    }),
  );
