// Ends passports with all that descends from them, one entry each, in one unit: no child outlives its parent, whatever is
// delegated meanwhile. What is open under them is cut when the unit is durable, before whoever asked is answered (invariant 6).
import type { Fault } from '#kernel/errors.ts';
import {
  PASSPORT_REFRESH_GRACE_MS,
  REVOKE_EXACT_TRIES,
  REVOKE_UNITS_MAX,
  REVOKED_PER_UNIT_MAX,
} from '#kernel/limits.ts';
import type { Trace } from '#kernel/operation.ts';
import { ok, type Result } from '#kernel/result.ts';
import type { Committed, EntryDraft, Unit } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import {
  newestRow,
  type Revocable,
  releaseListed,
  revocable,
  revokeListed,
  type Selection,
} from './ends-store.ts';

/** Calls that were under way and have been cut. */
export type Cut = { readonly requests: number; readonly streams: number; readonly calls: number };

export type RevocationOrder = {
  readonly selection: Selection;
  /** Why, in a word: for programs that read the log. */
  readonly kind: 'single' | 'agent' | 'session' | 'all' | 'agent_ended' | 'key_ended' | 'service_removed';
  /** Why, for people. */
  readonly reason: string;
  readonly actor: EntryDraft['actor'];
  readonly trace: Trace | undefined;
  /** Becomes durable with the first passports, or alone where there are none. */
  readonly beside: Unit | undefined;
  /** Called in the step in which that is durable. */
  readonly first?: () => void;
  /** X-Stack-Agent is not barred: what has ended is not the agent's fault. */
  readonly reopens?: true;
};

export type Revoked = {
  readonly jtis: readonly string[];
  /** How many of them only descend from what was named. */
  readonly cascaded: number;
  readonly cut: Cut;
};

export type Revoker = { readonly revoke: (order: RevocationOrder) => Promise<Result<Revoked>> };

type Deps = {
  readonly reader: Reader;
  readonly commit: (unit: Unit) => Promise<Result<Committed>>;
  readonly draft: (fields: Partial<EntryDraft>) => EntryDraft;
  readonly host: Pick<Host, 'nowMs'>;
  /** What was cut when these entries became durable. */
  readonly cutBy: (entries: readonly EntryDraft[]) => Cut;
};

const NOTHING: Revoked = { jtis: [], cascaded: 0, cut: { requests: 0, streams: 0, calls: 0 } };

export function createRevoker(deps: Deps): Revoker {
  return {
    revoke: async (order) => {
      let revoked = NOTHING;
      let conflicts = 0;
      let { beside } = order;
      const rowMax = await newestRow(deps.reader);
      for (let units = 0; units < REVOKE_UNITS_MAX; units += 1) {
        const found = await reached(deps, { selection: order.selection, rowMax });
        // Looked at again after each unit: what was delegated while it was under way is found now, and its parents are dead.
        if (found.length === 0 && beside === undefined) break;
        const exactly = conflicts < REVOKE_EXACT_TRIES;
        const unit = unitOf(deps, order, { found, exactly, beside });
        const committed = await deps.commit(unit);
        if (committed.ok) {
          if (units === conflicts) order.first?.();
          revoked = add(revoked, found, deps.cutBy(unit.entries));
          beside = undefined;
        } else if (exactly && isConflict(committed.fault)) conflicts += 1;
        else return committed;
      }
      return ok(revoked);
    },
  };
}

const isConflict = ({ code }: Fault): boolean => code === 'CONFLICT';

const reached = (
  { reader, host }: Deps,
  { selection, rowMax }: { readonly selection: Selection; readonly rowMax: number },
): Promise<readonly Revocable[]> =>
  revocable(reader, selection, {
    aliveAfterMs: host.nowMs() - PASSPORT_REFRESH_GRACE_MS,
    limit: REVOKED_PER_UNIT_MAX,
    rowMax,
  });

type Step = {
  readonly found: readonly Revocable[];
  /** Whether another number of live passports than was read is a conflict; one that never ends would be a way out. */
  readonly exactly: boolean;
  readonly beside: Unit | undefined;
};

function unitOf(
  { draft, host }: Deps,
  { kind, reason, actor, trace, reopens }: RevocationOrder,
  step: Step,
): Unit {
  const { found, exactly, beside = { statements: [], entries: [] } } = step;
  const traced = trace === undefined ? {} : { trace_id: trace.traceId, span_id: trace.spanId };
  const entries = found.map(({ jti, agent_id, session_id, parent_jti, named }) =>
    draft({
      ...traced,
      layer: 'vault',
      action: named === 1 ? 'passport.revoke' : 'passport.revoke_cascade',
      outcome: 'success',
      actor,
      agent_id,
      session_id,
      passport_jti: jti,
      detail: named === 1 ? { kind, reason } : { kind, parent: parent_jti },
    }),
  );
  const jtis = found.map(({ jti }) => jti);
  const ending = { nowMs: host.nowMs(), reason };
  const revoking = [
    revokeListed(jtis, ending, { exactly }),
    ...(reopens === true ? [releaseListed(jtis)] : []),
  ];
  return {
    // First what goes with it: it may have to find the passport alive.
    statements: [...beside.statements, ...(jtis.length === 0 ? [] : revoking)],
    entries: [...beside.entries, ...entries],
  };
}

const add = (before: Revoked, found: readonly Revocable[], cut: Cut): Revoked => ({
  jtis: [...before.jtis, ...found.map(({ jti }) => jti)],
  cascaded: before.cascaded + found.filter(({ named }) => named === 0).length,
  cut: {
    requests: before.cut.requests + cut.requests,
    streams: before.cut.streams + cut.streams,
    calls: before.cut.calls + cut.calls,
  },
});
