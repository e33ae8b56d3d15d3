// Step 12: the outcome entry. The answer does not wait for its fsync; after a crash the recovery writes "unknown".
import { type Fault, stackOf } from '#kernel/errors.ts';
import type { EntryDraft, Statement } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Log } from '#platform/log/log.ts';
import type { Committer } from './commit.ts';
import type { Delivered } from './deliver.ts';
import type { Intended } from './intend.ts';
import { type CallEnd, endOf, type Meter } from './measure.ts';

type Deps = {
  readonly committer: Committer;
  readonly host: Host;
  readonly log: Log;
  readonly measure: Pick<Meter, 'call'>;
};

export type Settle = {
  readonly success: <T>(delivered: Delivered<T>, intended: Intended) => T;
  /** The call ended without an answer that could be shown whole. */
  readonly failure: (intended: Intended, fault: Fault) => void;
};

export function createSettle(deps: Deps): Settle {
  return {
    success: ({ from, answer, kept }, intended) => {
      const durationMs = Math.round(deps.host.monotonicMs() - intended.startedMs);
      const { status, tally } = from.from;
      const outcome = status < 400 ? 'success' : 'failure';
      const given = answer({ entryId: intended.intent.entry_id, durationMs });
      const { ticket } = intended.from.from;
      const closing = [
        ...(intended.claim?.finished(status, kept(given)) ?? []),
        ...(ticket?.finished(intended.intent.entry_id, outcome) ?? []),
      ];
      const detail = {
        // The service was not heard to its end: what the entry counts is what was taken.
        ...(tally.cut ? { reason: 'the answer was cut at the limit' } : {}),
        // A caller that guesses at secrets, or a service that shows them, is seen here.
        ...(tally.redacted === 0 ? {} : { secrets_redacted: tally.redacted }),
      };
      write(deps, intended, {
        fields: { outcome, status, bytes_in: tally.bytes, duration_ms: durationMs, detail },
        closing,
      });
      count(deps, intended, { end: endOf(status), durationMs });
      return given;
    },
    failure: (intended, fault) => {
      if (fault.code === 'INTERNAL')
        deps.log.error('unexpected error on the traffic line', { error: stackOf(fault.cause ?? fault) });
      const durationMs = Math.round(deps.host.monotonicMs() - intended.startedMs);
      const status = fault.metadata['upstream_status'];
      count(deps, intended, { end: fault.metadata['sent'] === true ? 'unknown' : 'failed', durationMs });
      write(deps, intended, {
        fields: {
          outcome: fault.metadata['sent'] === true ? 'unknown' : 'failure',
          status: typeof status === 'number' ? status : null,
          error_code: fault.code,
          duration_ms: durationMs,
          detail: fault.detail === undefined ? {} : { reason: fault.detail },
        },
        closing: [
          ...(intended.claim?.failed(fault) ?? []),
          ...(intended.from.from.ticket?.failed(intended.intent.entry_id, fault) ?? []),
        ],
      });
    },
  };
}

type Ended = { readonly end: CallEnd; readonly durationMs: number };

function count({ measure }: Deps, { intent }: Intended, ended: Ended): void {
  measure.call({ service: intent.service, action: intent.service_action, ...ended });
}

type Ending = {
  readonly fields: Partial<EntryDraft>;
  /** What becomes of the idempotency key and of the approval's use, in the same unit. */
  readonly closing: readonly Statement[];
};

function write(
  { committer, host }: Deps,
  { intent, claim, upload, from }: Intended,
  { fields, closing }: Ending,
): void {
  const entry: EntryDraft = {
    ...intent,
    entry_id: host.id('aud'),
    timestamp: host.nowMs(),
    request_hash: null,
    salt: null,
    bytes_out: null,
    detail: {},
    refers_to: intent.entry_id,
    ...(upload === undefined ? fields : { ...upload.tally(), ...fields }),
  };
  const unit = { statements: closing, entries: [entry] };
  const { ticket } = from.from;
  if (claim === undefined && ticket === undefined) {
    committer.note(unit);
    return;
  }
  const decided = committer
    .commit(unit)
    .then((result) => (result.ok ? undefined : committer.keep(unit, result.fault)));
  claim?.settled(decided);
  ticket?.settled(decided);
}
