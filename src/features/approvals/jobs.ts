// What time and the end of a passport have ended is written down, each with an entry of its own; what is long over is deleted.
import type { Job } from '#kernel/job.ts';
import {
  APPROVAL_EXPIRE_EVERY_MS,
  APPROVAL_EXPIRE_ROWS_MAX,
  APPROVAL_KEPT_MS,
  APPROVAL_PRUNE_EVERY_MS,
  APPROVAL_PRUNE_ROWS_MAX,
} from '#kernel/limits.ts';
import type { Statement } from '#kernel/unit.ts';
import { type JobDeps, prune } from '#platform/storage/jobs.ts';
import type { Ended } from './model.ts';
import {
  deleteApprovals,
  dueApprovals,
  endApprovals,
  type Over,
  oldApprovals,
  openOf,
  openPassports,
} from './store.ts';

type Deps = JobDeps & {
  /** Whether the mission of this passport is over. */
  readonly over: (jti: string) => boolean;
  readonly ended: () => void;
  readonly announce: (event: 'approval.expired', row: Over) => readonly Statement[];
};

/** At the gate both have ended already: this is for the log, and for whoever waits. */
export const expireApprovals = (deps: Deps): Job => ({
  name: 'end approvals',
  everyMs: APPROVAL_EXPIRE_EVERY_MS,
  run: async () => {
    const { reader, host } = deps;
    await end(deps, 'time', (limit) => dueApprovals(reader, { nowMs: host.nowMs(), limit }));
    const jtis = (await openPassports(reader)).filter(deps.over);
    if (jtis.length > 0) await end(deps, 'passport_revoked', (limit) => openOf(reader, { jtis, limit }));
  },
});

type Find = (limit: number) => Promise<readonly Over[]>;

const end = ({ commit, draft, host, announce, ended: tell }: Deps, ended: Ended, find: Find): Promise<void> =>
  prune(commit, {
    rowsMax: APPROVAL_EXPIRE_ROWS_MAX,
    old: find,
    unit: (rows) => ({
      statements: [
        endApprovals(
          rows.map(({ id }) => id),
          { ended, nowMs: host.nowMs() },
        ),
        ...rows.flatMap((row) => announce('approval.expired', row)),
      ],
      entries: rows.map((row) =>
        draft({
          action: 'approval.expire',
          ...{ approval_id: row.id, agent_id: row.agent_id, session_id: row.session_id },
          ...{ passport_jti: row.passport_jti, service: row.service, service_action: row.action },
          detail: { ended, was: row.status },
        }),
      ),
    }),
    pruned: async () => tell(),
  });

export const pruneApprovals = ({ reader, commit, draft, host }: JobDeps): Job => ({
  name: 'prune approvals',
  everyMs: APPROVAL_PRUNE_EVERY_MS,
  run: () => {
    const beforeMs = host.nowMs() - APPROVAL_KEPT_MS;
    return prune(commit, {
      rowsMax: APPROVAL_PRUNE_ROWS_MAX,
      old: (limit) => oldApprovals(reader, { beforeMs, limit }),
      unit: (ids) => ({
        statements: deleteApprovals(ids),
        entries: [
          draft({ action: 'approval.prune', detail: { approvals: ids.length, ended_before_ms: beforeMs } }),
        ],
      }),
    });
  },
});
