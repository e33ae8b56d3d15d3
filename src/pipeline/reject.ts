// A rejection ends the passport that asked, with its renewals and all that was delegated from it, in the unit of the decision; what
// is open under them is cut before the person is answered (invariant 6).
import type { Order } from '#features/approvals/decide.ts';
import type { ApprovalRow } from '#features/approvals/store.ts';
import type { Revoker } from '#features/passports/revoke.ts';
import { ok, type Result } from '#kernel/result.ts';
import { traceOf } from './intend.ts';
import type { DraftEntry } from './record.ts';

type Deps = { readonly revoker: Revoker; readonly draft: DraftEntry; readonly wake: () => void };

export function createRejection({ revoker, draft, wake }: Deps) {
  return async (
    row: ApprovalRow,
    { caller, trace, changes, entry }: Order,
  ): Promise<Result<readonly string[]>> => {
    const actor = { kind: caller.kind, id: caller.id };
    const said = { action: 'approval.reject', outcome: 'success', actor } as const;
    const revoked = await revoker.revoke({
      selection: { by: 'jti', jti: row.passport_jti },
      kind: 'single',
      reason: `a person rejected ${row.id}`,
      actor,
      trace,
      beside: { statements: changes, entries: [draft({ ...said, ...traceOf(trace), ...entry })] },
    });
    wake();
    return revoked.ok ? ok(revoked.value.jtis) : revoked;
  };
}
