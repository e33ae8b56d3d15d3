// How many calls each agent has made in each mission, held against its budget. Counted like the other limits: in one step
// without an await, so that of any number at once exactly as many pass.
import { MISSIONS_COUNTED_MAX } from '#kernel/limits.ts';

export type Mission = {
  readonly agentId: string;
  readonly sessionId: string;
};

export type MissionBudgets = {
  /** The count must be read first: after a start, and of a mission that has long said nothing. */
  readonly lacks: (mission: Mission) => boolean;
  readonly read: (mission: Mission, calls: number) => void;
  /** Counts a call, or says that `budget` is used up. */
  readonly take: (mission: Mission, budget: number) => boolean;
  /** A call that was counted did not leave. */
  readonly undo: (mission: Mission) => void;
};

export function createMissionBudgets(): MissionBudgets {
  const counts = new Map<string, { calls: number }>();
  const idOf = ({ agentId, sessionId }: Mission): string => `${agentId} ${sessionId}`;
  return {
    lacks: (mission) => !counts.has(idOf(mission)),
    read: (mission, calls) => {
      const [oldest] = counts.keys();
      if (counts.size >= MISSIONS_COUNTED_MAX && oldest !== undefined) counts.delete(oldest);
      counts.set(idOf(mission), { calls });
    },
    take: (mission, budget) => {
      const count = counts.get(idOf(mission));
      if (count === undefined || count.calls >= budget) return false;
      count.calls += 1;
      return true;
    },
    undo: (mission) => {
      const count = counts.get(idOf(mission));
      if (count !== undefined) count.calls -= 1;
    },
  };
}
