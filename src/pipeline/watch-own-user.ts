// An agent that runs as the appliance's own user can open the local socket, and so approve for itself: what calls over loopback
// under that user is told once in the process log. Doctor names the program.
import type { Job } from '#kernel/job.ts';
import { OWN_USER_LOOK_EVERY_MS } from '#kernel/limits.ts';
import { clientUids } from '#platform/host/processes.ts';
import type { Log } from '#platform/log/log.ts';

type Deps = {
  readonly port: () => number;
  /** User of the appliance, by its data folder. */
  readonly ownUid: () => number | undefined;
  /** Whether a decision could be taken over the local socket, and any call needs one. */
  readonly matters: () => boolean;
  readonly log: Log;
};

export function watchOwnUser({ port, ownUid, matters, log }: Deps): Job {
  let told = false;
  return {
    name: 'look for callers of the own user',
    everyMs: OWN_USER_LOOK_EVERY_MS,
    run: async () => {
      const uid = ownUid();
      if (told || uid === undefined || !matters() || !clientUids(port()).includes(uid)) return;
      told = true;
      log.warn('a caller runs as the appliance’s own user and could approve its own calls', {
        uid,
        next: 'run agents as another user, or set approvals.local_socket: off; stack doctor names the program',
      });
    },
  };
}
