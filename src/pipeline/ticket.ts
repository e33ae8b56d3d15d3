// The ticket of an approval: the right to one use, which is taken in the unit of the intent and ended in that of the outcome. It
// is given back only where no byte left (invariant 5).
import type { UseOutcome } from '#features/approvals/model.ts';
import { endUse, giveBackUse, spendUse } from '#features/approvals/store.ts';
import type { Waiting } from '#features/approvals/waiting.ts';
import { guardLive } from '#features/passports/store.ts';
import type { Fault } from '#kernel/errors.ts';
import type { Statement } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';

export type Ticket = {
  readonly approvalId: string;
  /** Fields in which the call differs from the approved one, by leave of the approver. */
  readonly differs: readonly string[];
  /** Belong into the unit of the intent, which is a CONFLICT where no use is left or the passport has ended. */
  readonly opening: (intent: string) => readonly Statement[];
  /** Belong into the unit of the outcome. */
  readonly finished: (intent: string, outcome: UseOutcome) => readonly Statement[];
  readonly failed: (intent: string, fault: Fault) => readonly Statement[];
  /** Ends when that unit is decided; whoever asks for the approval waits for it. */
  readonly settled: (decided: Promise<void>) => void;
};

type Deps = { readonly host: Pick<Host, 'nowMs'>; readonly waiting: Pick<Waiting, 'settling'> };
type Of = {
  readonly approvalId: string;
  readonly passportJti: string | null;
  readonly differs: readonly string[];
};

export function ticketOf({ host, waiting }: Deps, { approvalId, passportJti, differs }: Of): Ticket {
  return {
    approvalId,
    differs,
    opening: (intent) => [
      ...spendUse({ id: approvalId, intent, nowMs: host.nowMs() }),
      ...(passportJti === null ? [] : [guardLive(passportJti)]),
    ],
    finished: endUse,
    failed: (intent, fault) =>
      fault.metadata['sent'] === true ? endUse(intent, 'unknown') : giveBackUse(intent),
    settled: (decided) => waiting.settling(approvalId, decided),
  };
}
