// A person decides: approve for once, for some uses, for a time or with fields left free; reject; withdraw. No key, passport or
// agent key gets here (invariant 5). Each decision is signed.
import { z } from 'zod';
import { Fault } from '#kernel/errors.ts';
import {
  APPROVAL_FREE_FIELDS_MAX,
  APPROVAL_SECONDS_MAX,
  APPROVAL_USES_MAX,
  ID_CHARS_MAX,
  REASON_CHARS_MAX,
  SCOPE_CHARS_MAX,
} from '#kernel/limits.ts';
import { type Caller, type Operation, operation, type Trace } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { EntryDraft, Statement } from '#kernel/unit.ts';
import type { SigningKey } from '#platform/crypto/signing.ts';
import type { ApprovalBook } from './book.ts';
import { FREE_FIELD } from './model.ts';
import { approvalOf, entryOf } from './operations.ts';
import { type Decided, receiptOf } from './receipt.ts';
import { approvalShape, DECIDED_EXAMPLE, decidedShape, rejectedShape } from './shape.ts';
import { type ApprovalRow, type Decision, decideApproval, type Shown, withdrawApproval } from './store.ts';

export type Order = {
  readonly caller: Caller;
  readonly trace: Trace;
  /** The decision and what the log says of it. */
  readonly changes: readonly Statement[];
  readonly entry: Partial<EntryDraft>;
};

export type DecidingDeps = {
  readonly book: ApprovalBook;
  /** Tells whoever is to be told, in the unit of the decision. */
  readonly announce: (
    event: `approval.${'approved' | 'rejected' | 'withdrawn'}`,
    row: Shown,
  ) => readonly Statement[];
  readonly receiptKey: () => SigningKey;
  readonly issuer: () => string;
  readonly settings: () => { readonly localSocket: boolean; readonly useMs: number };
  /** Ends the passport that a rejected call was asked for under, and all that descends from it, with the decision in one unit. */
  readonly revoke: (row: ApprovalRow, order: Order) => Promise<Result<readonly string[]>>;
  /** No approval outlives the mission it was asked for in; undefined where that has no end of its own. */
  readonly missionEndMs: (row: ApprovalRow) => number | undefined;
  /** The passport lives as long as its approval. */
  readonly extend: (row: ApprovalRow, untilMs: number) => readonly Statement[];
  /** Rolls the unit back where the passport was revoked meanwhile. */
  readonly guard: (row: ApprovalRow) => Statement;
};

const MS_PER_SECOND = 1_000;
const id = z.string().max(ID_CHARS_MAX).describe('Id of the approval, apr_….');
const note = z.string().max(REASON_CHARS_MAX).optional().describe('For the agent, and for the log.');

export function approvalDeciding(deps: DecidingDeps): readonly Operation[] {
  return [approving(deps), rejecting(deps), withdrawing(deps)];
}

/** Decisions over the local socket can be switched off: whoever has the appliance's own user could be an agent. */
function mayDecide({ settings }: DecidingDeps, caller: Caller): Fault | undefined {
  if (caller.id !== 'local' || settings().localSocket) return undefined;
  return new Fault('FORBIDDEN', {
    detail: 'approvals.local_socket is off',
    next: 'Decisions over the local socket are switched off (approvals.local_socket). Another way for persons to sign in is not in this version.',
  });
}

/** The row, while nobody has decided and nothing has ended it. */
type Which = { readonly caller: Caller; readonly id: string };

async function waitingRow(deps: DecidingDeps, { caller, id: approvalId }: Which): Promise<Result<Shown>> {
  const barred = mayDecide(deps, caller);
  if (barred !== undefined) return refuse(barred);
  const row = await approvalOf(deps.book, { caller, id: approvalId });
  if (!row.ok) return row;
  const { status, ended } = deps.book.state(row.value);
  return status === 'pending' ? row : refuse(undecidable(status, ended));
}

const undecidable = (status: string, ended: string | undefined): Fault =>
  new Fault('CONFLICT', {
    detail: `the approval is ${status}${ended === undefined ? '' : ` (${ended})`}`,
    metadata: { status, ...(ended === undefined ? {} : { ended }) },
    next: 'Nobody waits for this decision any more; metadata.status says how it stands.',
  });

/** The ladder: once, some times, for a time, with fields left free. */
const approveInput = z.strictObject({
  id,
  note,
  uses: z
    .number()
    .int()
    .min(1)
    .max(APPROVAL_USES_MAX)
    .optional()
    .describe(`How many times; 1 if left out, ${APPROVAL_USES_MAX} with for_seconds.`),
  for_seconds: z
    .number()
    .int()
    .min(1)
    .max(APPROVAL_SECONDS_MAX)
    .optional()
    .describe('For how long, at most to the end of the mission; approvals.approved if left out.'),
  free: z
    .array(z.string().max(SCOPE_CHARS_MAX).regex(FREE_FIELD, 'is none of body, body.NAME, headers.NAME'))
    .max(APPROVAL_FREE_FIELDS_MAX)
    .optional()
    .describe('Fields that may differ in the call that is made: body.NAME, headers.NAME, or body.'),
});

function approving(deps: DecidingDeps): Operation {
  return operation({
    name: 'stack_approve_approval',
    action: 'approval.approve',
    summary:
      'Let a call go out: once; with --uses N times; with --for-seconds as often as needed for so long; with --free, ' +
      'with these fields differing.',
    effect: 'write',
    callers: ['person'],
    scope: 'agents:write',
    input: approveInput,
    output: decidedShape,
    example: {
      input: { id: DECIDED_EXAMPLE.approval_id, note: DECIDED_EXAMPLE.note },
      output: DECIDED_EXAMPLE,
    },
    errors: ['NOT_FOUND', 'FORBIDDEN'],
    route: { method: 'POST', path: '/v1/approvals/:id/approve' },
    toolset: null,
    line: 'operations',
    run: async ({ caller, input, nowMs }) => {
      const row = await waitingRow(deps, { caller, id: input.id });
      if (!row.ok) return row;
      const forMs =
        input.for_seconds === undefined ? deps.settings().useMs : input.for_seconds * MS_PER_SECOND;
      const missionEndMs = deps.missionEndMs(row.value) ?? Number.POSITIVE_INFINITY;
      const decision: Decision = {
        status: 'approved',
        nowMs,
        by: caller.id,
        note: input.note ?? null,
        usesLeft: input.uses ?? (input.for_seconds === undefined ? 1 : APPROVAL_USES_MAX),
        expiresAt: Math.min(nowMs + forMs, missionEndMs),
        free: input.free ?? [],
        receipt: '',
      };
      const { receipt, shown } = decided(deps, row.value, { caller, decision });
      const changes = [
        decideApproval(row.value.id, { ...decision, receipt }),
        deps.guard(row.value),
        ...deps.extend(row.value, decision.expiresAt),
        ...deps.announce('approval.approved', shown),
      ];
      const { usesLeft: uses, free } = decision;
      const detail = { uses, expires_at: new Date(decision.expiresAt).toISOString(), free };
      return ok({
        output: { ...deps.book.show(shown), receipt },
        changes,
        entry: { ...entryOf(row.value), detail },
      });
    },
  });
}

type Deciding = { readonly caller: Caller; readonly decision: Decision };

/** The receipt of a decision, and the row as it will stand. */
function decided(deps: DecidingDeps, row: Shown, { caller, decision }: Deciding) {
  const { nowMs, note: said, usesLeft, expiresAt, free, status } = decision;
  const facts: Decided = {
    decision: status,
    by: { kind: caller.kind, id: caller.id },
    ...{ nowMs, note: said, uses: usesLeft, expiresAtMs: expiresAt, free },
  };
  const signing = { key: deps.receiptKey(), issuer: deps.issuer() };
  const receipt = receiptOf({ row, card: deps.book.card(row) }, facts, signing);
  const shown: Shown = {
    ...row,
    ...{ status, decided_at: nowMs, decided_by: decision.by, note: said, receipt },
    ...{ uses_left: usesLeft, expires_at: expiresAt, free: JSON.stringify(free) },
  };
  return { receipt, shown };
}

function rejecting(deps: DecidingDeps): Operation {
  return operation({
    name: 'stack_reject_approval',
    action: 'approval.reject',
    summary: 'Refuse a call. The passport that asked is revoked with it, unless --no-revoke says otherwise.',
    effect: 'destroy',
    callers: ['person'],
    scope: 'agents:write',
    input: z.strictObject({
      id,
      note,
      revoke: z
        .boolean()
        .optional()
        .describe('Whether the passport is revoked; as the rule says if left out, which is yes.'),
    }),
    output: rejectedShape,
    example: {
      input: { id: DECIDED_EXAMPLE.approval_id, note: 'not a double charge' },
      output: {
        ...DECIDED_EXAMPLE,
        status: 'rejected',
        note: 'not a double charge',
        uses_left: 0,
        revoked: [DECIDED_EXAMPLE.passport_jti],
      },
    },
    errors: ['NOT_FOUND', 'FORBIDDEN'],
    route: { method: 'POST', path: '/v1/approvals/:id/reject' },
    toolset: null,
    line: 'operations',
    run: async ({ caller, input, nowMs, trace }) => {
      const row = await waitingRow(deps, { caller, id: input.id });
      if (!row.ok) return row;
      const { expires_at: expiresAt } = row.value;
      const decision: Decision = {
        ...{ status: 'rejected', nowMs, by: caller.id, note: input.note ?? null },
        ...{ usesLeft: 0, expiresAt, free: [], receipt: '' },
      };
      const { receipt, shown } = decided(deps, row.value, { caller, decision });
      const changes = [
        decideApproval(row.value.id, { ...decision, receipt }),
        ...deps.announce('approval.rejected', shown),
      ];
      const output = { ...deps.book.show(shown), receipt };
      const entry = entryOf(row.value);
      if (!(input.revoke ?? deps.book.card(row.value).rule?.onReject !== 'deny'))
        return ok({ output: { ...output, revoked: [] }, changes, entry });
      const revoked = await deps.revoke(row.value, { caller, trace, changes, entry });
      return revoked.ok
        ? ok({ output: { ...output, revoked: revoked.value }, changes: [], committed: true })
        : revoked;
    },
  });
}

function withdrawing(deps: DecidingDeps): Operation {
  return operation({
    name: 'stack_withdraw_approval',
    action: 'approval.withdraw',
    summary: 'Take an approval back. No further call goes out under it; calls that are under way stay so.',
    effect: 'destroy',
    callers: ['person'],
    scope: 'agents:write',
    input: z.strictObject({ id }),
    output: approvalShape,
    example: {
      input: { id: DECIDED_EXAMPLE.approval_id },
      output: { ...withoutReceipt(DECIDED_EXAMPLE), status: 'expired', uses_left: 0, ended: 'withdrawn' },
    },
    errors: ['NOT_FOUND', 'FORBIDDEN'],
    route: { method: 'POST', path: '/v1/approvals/:id/withdraw' },
    toolset: null,
    line: 'operations',
    run: async ({ caller, input, nowMs }) => {
      const barred = mayDecide(deps, caller);
      if (barred !== undefined) return refuse(barred);
      const row = await approvalOf(deps.book, { caller, id: input.id });
      if (!row.ok) return row;
      const { status, usesLeft, ended } = deps.book.state(row.value);
      if (status !== 'approved' || usesLeft === 0) return refuse(nothingToWithdraw(status, ended));
      const output = deps.book.show({ ...row.value, ended: 'withdrawn', ended_at: nowMs });
      const changes = [
        withdrawApproval(row.value.id, nowMs),
        ...deps.announce('approval.withdrawn', row.value),
      ];
      return ok({ output, changes, entry: entryOf(row.value) });
    },
  });
}

function withoutReceipt({ receipt: _receipt, ...shown }: typeof DECIDED_EXAMPLE) {
  return shown;
}

const nothingToWithdraw = (status: string, ended: string | undefined): Fault =>
  new Fault('CONFLICT', {
    detail: `the approval is ${status} and cannot be used`,
    metadata: { status, ...(ended === undefined ? {} : { ended }) },
    next:
      status === 'pending'
        ? 'Nobody has decided yet: reject it instead.'
        : 'No call can go out under it any more.',
  });
