// Drafts of audit entries: the id and the time are given here and nowhere else; refusals are recorded with their reason.

import { draftEntry } from '#features/audit/entry.ts';
import type { Fault } from '#kernel/errors.ts';
import { createFold } from '#kernel/fold.ts';
import { DENIAL_FOLD_KEYS_MAX, DENIAL_FOLD_MS } from '#kernel/limits.ts';
import type { Caller, Trace } from '#kernel/operation.ts';
import type { AuditLayer, EntryDraft } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Log } from '#platform/log/log.ts';
import { placeOfPeer } from '#platform/net/address.ts';
import type { Committer } from './commit.ts';
import type { Meter } from './measure.ts';

/** A call to the world, in the log. */
const CALL = 'credential.proxy';

/** A whole draft with a fresh id and the present time; fields not given are null. */
export type DraftEntry = (fields: Partial<EntryDraft>) => EntryDraft;

export function createDraft(host: Host): DraftEntry {
  return (fields) => draftEntry({ ...fields, entry_id: host.id('aud'), timestamp: host.nowMs() });
}

const VAULT_ACTION = /^(?:passport|credential|secret)\./;
/** The product logs passports and credentials under layer `vault`. */
export const layerOf = (action: string): AuditLayer => (VAULT_ACTION.test(action) ? 'vault' : 'system');

export type Denial = {
  readonly action: string;
  readonly caller: Caller;
  readonly fault: Fault;
  readonly trace: Trace;
  readonly fields?: Partial<EntryDraft>;
};

export type Recorder = {
  /** An authenticated caller was refused: always one entry. */
  readonly denial: (denial: Denial) => Promise<void>;
  /** A credential was refused: one entry per source and reason and minute (contract 7). */
  readonly refusedCredential: (source: string, fault: Fault) => Promise<void>;
};

type Deps = {
  readonly committer: Committer;
  readonly draft: DraftEntry;
  readonly host: Host;
  readonly log: Log;
  readonly measure: Pick<Meter, 'call'>;
};

export function createRecorder({ committer, draft, host, log, measure }: Deps): Recorder {
  const fold = createFold({ windowMs: DENIAL_FOLD_MS, keysMax: DENIAL_FOLD_KEYS_MAX });
  const commit = async (entry: EntryDraft): Promise<void> => {
    const result = await committer.commit({ statements: [], entries: [entry] });
    if (!result.ok) log.error('denial not committed', { action: entry.action, code: result.fault.code });
  };
  return {
    denial: ({ action, caller, fault, trace, fields }) => {
      if (action === CALL)
        measure.call({
          service: fields?.service ?? null,
          action: fields?.service_action ?? null,
          end: 'refused',
        });
      log.debug('refused', { action, code: fault.code, caller: caller.id, trace_id: trace.traceId });
      return commit(
        draft({
          layer: layerOf(action),
          action,
          outcome: 'blocked',
          actor: { kind: caller.kind, id: caller.id },
          agent_id: caller.acting?.agentId ?? null,
          session_id: caller.acting?.sessionId ?? null,
          passport_jti: caller.acting?.passportJti ?? null,
          trace_id: trace.traceId,
          span_id: trace.spanId,
          ...fields,
          error_code: fault.code,
          detail: fault.detail === undefined ? {} : { reason: fault.detail },
        }),
      );
    },
    refusedCredential: async (source, fault) => {
      if (!fold.due(`${placeOfPeer(source)} ${fault.code}`, host.monotonicMs())) return;
      log.warn('credential refused', { source, code: fault.code });
      const detail = { source, reason: fault.detail ?? fault.code };
      const actor = { kind: 'anonymous', id: source };
      await commit(
        draft({
          layer: 'system',
          action: 'auth.refuse',
          outcome: 'blocked',
          actor,
          error_code: fault.code,
          detail,
        }),
      );
    },
  };
}
