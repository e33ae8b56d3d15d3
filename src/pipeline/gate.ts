// Step 3: must a person approve this exact call? Approvals cannot be granted in this version, so such a call is refused.
import { approvalRule } from '#features/policy/decide.ts';
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Authorized } from './authorize.ts';

declare const gated: unique symbol;
/** No person has to agree. The ticket of an approval will travel here. */
export type Gated = { readonly [gated]: true; readonly from: Authorized };

export function gate(from: Authorized): Result<Gated> {
  // A given approval_id is always checked, rule or not (contract 5); none exists yet.
  if (from.call.approval_id !== undefined) return denied('approval_not_found', from);
  const rule = approvalRule(from.service, from.view);
  return rule === undefined ? ok({ from } as Gated) : denied('approval_required', from);
}

const denied = (gateReason: string, from: Authorized): Result<never> =>
  refuse(new Fault('APPROVAL_GATE_DENIED', { metadata: { gate_reason: gateReason, action: from.action } }));
