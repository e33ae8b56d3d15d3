// Step 4: detectors look at the call before it leaves. A detector measures and may veto; the list is part of the
// composition root.
import type { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Gated } from './gate.ts';

export type OutgoingDetector = {
  readonly name: string;
  /** Then no body is passed on before it was read whole. */
  readonly readsBody: boolean;
  /** A veto, or undefined. */
  readonly outgoing: (call: Gated) => Fault | undefined;
};

declare const watched: unique symbol;
export type Watched = { readonly [watched]: true; readonly from: Gated };

export function detectOutgoing(detectors: readonly OutgoingDetector[], from: Gated): Result<Watched> {
  for (const detector of detectors) {
    const veto = detector.outgoing(from);
    if (veto !== undefined) return refuse(veto);
  }
  return ok({ from } as Watched);
}
