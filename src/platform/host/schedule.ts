// Runs jobs: at once, then each time its pause is over. A job never overlaps itself, and one that fails runs again.
import type { Job } from '#kernel/job.ts';

export type Schedule = {
  /** No run begins any more; resolves when those under way have ended. */
  readonly stop: () => Promise<void>;
};

export function startJobs(jobs: readonly Job[], failed: (name: string, thrown: unknown) => void): Schedule {
  const going = jobs.map((job) => repeat(job, failed));
  return {
    stop: async () => {
      await Promise.all(going.map(({ stop }) => stop()));
    },
  };
}

function repeat(job: Job, failed: (name: string, thrown: unknown) => void): Schedule {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let under: Promise<void> = Promise.resolve();
  const turn = (): void => {
    under = runOnce(job, failed).then(() => {
      // A pause keeps no process alive.
      if (!stopped) timer = setTimeout(turn, job.everyMs).unref();
    });
  };
  turn();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      return under;
    },
  };
}

async function runOnce(job: Job, failed: (name: string, thrown: unknown) => void): Promise<void> {
  try {
    await job.run();
  } catch (thrown) {
    failed(job.name, thrown);
  }
}
