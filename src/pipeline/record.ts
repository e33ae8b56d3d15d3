// Drafts of audit entries: the id and the time are given here and nowhere else; refusals are recorded with their reason.

import { draftEntry } from '#features/audit/entry.ts';
import type { Fault } from '#kernel/errors.ts';
import { createFold, createTally } from '#kernel/fold.ts';
import type { Job } from '#kernel/job.ts';
import { DENIAL_FOLD_KEYS_MAX, DENIAL_FOLD_MS, FLOOD_FOLD_KEYS_MAX } from '#kernel/limits.ts';
import type { Caller, Trace } from '#kernel/operation.ts';
import { ok, type Result } from '#kernel/result.ts';
import type { AuditLayer, EntryDraft } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Log } from '#platform/log/log.ts';
import { placeOfPeer } from '#platform/net/address.ts';
import { holdsOwnToken } from '#platform/net/own-token.ts';
import type { Committer } from './commit.ts';
import type { Meter } from './measure.ts';

/** HTTP statuses from here on are failures of the service or of the call. */
const FIRST_FAILURE = 400;

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

/** An answer that was given once more; `intent` is the entry of the call that it answered. */
export type Replay = {
  readonly caller: Caller;
  readonly trace: Trace;
  readonly fields: Partial<EntryDraft>;
  readonly intent: string;
};

export type Recorder = {
  /** Durable before the answer is given. */
  readonly replay: (replay: Replay) => Promise<Result<void>>;
  /** An authenticated caller was refused: one entry; where it was over a limit, one per agent, limit and minute, with a count. */
  readonly denial: (denial: Denial) => Promise<void>;
  /** A credential was refused: one entry per source and reason and minute (contract 7). */
  readonly refusedCredential: (source: string, fault: Fault) => Promise<void>;
  /** Writes the counts of minutes that are over, or all there are. Throws where the log does not take them. */
  readonly writeCounts: (all?: boolean) => Promise<void>;
};

type Deps = {
  readonly committer: Pick<Committer, 'commit' | 'keep'>;
  readonly draft: DraftEntry;
  readonly host: Host;
  readonly log: Log;
  readonly measure: Pick<Meter, 'call'>;
};

export function createRecorder({ committer, draft, host, log, measure }: Deps): Recorder {
  const fold = createFold({ windowMs: DENIAL_FOLD_MS, keysMax: DENIAL_FOLD_KEYS_MAX });
  const floods = createTally<Partial<EntryDraft>>({ windowMs: DENIAL_FOLD_MS, keysMax: FLOOD_FOLD_KEYS_MAX });
  /** What was refused has happened, whether the log takes it now or later. */
  const commit = async (entry: EntryDraft): Promise<void> => {
    const unit = { statements: [], entries: [entry] };
    const result = await committer.commit(unit);
    if (!result.ok) committer.keep(unit, result.fault);
  };
  return {
    denial: async (denial) => {
      const { action, caller, fault, trace, fields } = denial;
      if (action === CALL)
        measure.call({
          service: fields?.service ?? null,
          action: fields?.service_action ?? null,
          end: 'refused',
        });
      log.debug('refused', { action, code: fault.code, caller: caller.id, trace_id: trace.traceId });
      const entry = denialFields(denial);
      if (fault.code !== 'RATE_LIMITED') return commit(draft(entry));
      // A flood is what a limit is there for: its log must not be as long as the flood.
      const who = `${entry.agent_id ?? caller.id} ${action} ${String(fault.metadata['limit'])}`;
      const unsaid = floods.note(who, entry, host.monotonicMs());
      if (unsaid !== undefined) await commit(draft(withCount(entry, unsaid)));
    },
    replay: async ({ caller, trace, fields, intent }) => {
      const actor = { kind: caller.kind, id: caller.id };
      const outcome = (fields.status ?? 0) < FIRST_FAILURE ? 'success' : 'failure';
      const said = { layer: layerOf(CALL), action: CALL, outcome, actor, ...traceFields(trace) } as const;
      const entry = draft({ ...said, ...fields, detail: { replayed: intent } });
      const committed = await committer.commit({ statements: [], entries: [entry] });
      return committed.ok ? ok(undefined) : committed;
    },
    writeCounts: async (all) => {
      for (const { what, times } of floods.unsaid(host.monotonicMs(), all)) {
        const entry = draft(withCount(what, times - 1));
        const result = await committer.commit({ statements: [], entries: [entry] });
        if (!result.ok) throw result.fault;
      }
    },
    refusedCredential: async (source, fault) => {
      if (!fold.due(`${placeOfPeer(source)} ${fault.code}`, host.monotonicMs())) return;
      log.warn('credential refused', { source, code: fault.code });
      const detail = { source, reason: cleared(fault.detail ?? fault.code) };
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

const traceFields = ({ traceId, spanId }: Trace): Partial<EntryDraft> => ({
  trace_id: traceId,
  span_id: spanId,
});

function denialFields({ action, caller, fault, trace, fields }: Denial): Partial<EntryDraft> {
  return {
    layer: layerOf(action),
    action,
    outcome: 'blocked',
    actor: { kind: caller.kind, id: caller.id },
    agent_id: caller.acting?.agentId ?? null,
    session_id: caller.acting?.sessionId ?? null,
    passport_jti: caller.acting?.passportJti ?? null,
    ...traceFields(trace),
    ...withoutTokens(fields ?? {}),
    error_code: fault.code,
    detail: fault.detail === undefined ? {} : { reason: cleared(fault.detail) },
  };
}

/** The entry stands for itself and for so many more of the same since the one before. */
const withCount = (fields: Partial<EntryDraft>, times: number): Partial<EntryDraft> =>
  times === 0 ? fields : { ...fields, detail: { ...fields.detail, repeated: times } };

/** Counts of a flood that has ended are written when their minute is over. */
export const countJob = (recorder: Pick<Recorder, 'writeCounts'>): Job => ({
  name: 'write counts of refused calls',
  everyMs: DENIAL_FOLD_MS,
  run: () => recorder.writeCounts(),
});

/** What was written where a name belongs may be a key; an entry never goes away. */
const cleared = (text: string): string => (holdsOwnToken(text) ? '[redacted]' : text);

function withoutTokens(fields: Partial<EntryDraft>): Partial<EntryDraft> {
  const entries = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === 'string' ? cleared(value) : value,
  ]);
  return Object.fromEntries(entries) as Partial<EntryDraft>;
}
