// What the process keeps in memory follows what was committed. A disk that cannot be read just then must not leave it behind:
// the change is durable and its caller has been told so, and what was missed is made up for as soon as it can be.
import type { Job } from '#kernel/job.ts';
import { STORAGE_LOOK_EVERY_MS } from '#kernel/limits.ts';

export type Follower = {
  /** After a commit of this action. Never rejects. */
  readonly committed: (action: string) => Promise<void>;
  readonly job: Job;
};

export function createFollower(follow: (action: string) => Promise<void>): Follower {
  const missed = new Set<string>();
  const attempt = async (action: string): Promise<void> => {
    try {
      await follow(action);
      missed.delete(action);
    } catch {
      // The reader has told of its disk; see storage.ts.
      missed.add(action);
    }
  };
  return {
    committed: attempt,
    job: {
      name: 'follow what was committed',
      everyMs: STORAGE_LOOK_EVERY_MS,
      run: async () => {
        for (const action of [...missed]) await attempt(action);
      },
    },
  };
}
