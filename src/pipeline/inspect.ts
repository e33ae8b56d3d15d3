// Step 10: detectors look at the scrubbed answer before it is shown. The list is part of the composition root.
import type { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Scrubbed } from './scrub.ts';

export type IncomingDetector = {
  readonly name: string;
  /** A veto, or undefined. */
  readonly incoming: (answer: Scrubbed) => Fault | undefined;
};

declare const inspected: unique symbol;
export type Inspected = { readonly [inspected]: true; readonly from: Scrubbed };

export function detectIncoming(detectors: readonly IncomingDetector[], from: Scrubbed): Result<Inspected> {
  for (const detector of detectors) {
    const veto = detector.incoming(from);
    if (veto === undefined) continue;
    from.discard();
    return refuse(veto);
  }
  return ok({ from } as Inspected);
}
