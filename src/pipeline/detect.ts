// Steps 4 and 9: detectors look at the call before it leaves and at the answer before it is shown.
// A detector measures and may veto; the list is part of the composition root.
import type { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Gated } from './gate.ts';
import type { Scrubbed } from './scrub.ts';

export type Detector = {
  readonly name: string;
  readonly outgoing: (call: Gated) => Fault | undefined;
  readonly incoming: (answer: Scrubbed) => Fault | undefined;
};

declare const watched: unique symbol;
export type Watched = { readonly [watched]: true; readonly from: Gated };
declare const inspected: unique symbol;
export type Inspected = { readonly [inspected]: true; readonly from: Scrubbed };

export function detectOutgoing(detectors: readonly Detector[], from: Gated): Result<Watched> {
  for (const detector of detectors) {
    const veto = detector.outgoing(from);
    if (veto !== undefined) return refuse(veto);
  }
  return ok({ from } as Watched);
}

export function detectIncoming(detectors: readonly Detector[], from: Scrubbed): Result<Inspected> {
  for (const detector of detectors) {
    const veto = detector.incoming(from);
    if (veto !== undefined) return refuse(veto);
  }
  return ok({ from } as Inspected);
}
