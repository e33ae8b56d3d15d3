// The door of the network listener: who is turned away is counted each time, and said once a minute per peer.
import { createFold } from '#kernel/fold.ts';
import { LOG_FOLD_KEYS_MAX, LOG_FOLD_MS } from '#kernel/limits.ts';
import type { Meter } from '#pipeline/measure.ts';
import type { Host } from '#platform/host/host.ts';
import type { Log } from '#platform/log/log.ts';
import type { Door } from './listener.ts';
import type { Peers } from './peers.ts';

const REASONS = {
  peer: 'not listed under server.behind_proxy',
  full: 'too many connections at once',
} as const;

type Deps = {
  readonly peers: Pick<Peers, 'admits'>;
  readonly host: Pick<Host, 'monotonicMs'>;
  readonly log: Pick<Log, 'warn'>;
  readonly measure: Pick<Meter, 'connectionRefused'>;
};

export function createDoor({ peers, host, log, measure }: Deps): Door {
  const fold = createFold({ windowMs: LOG_FOLD_MS, keysMax: LOG_FOLD_KEYS_MAX });
  return {
    admits: peers.admits,
    refused: (why, peer = 'unknown') => {
      measure.connectionRefused(why);
      if (!fold.due(`${why} ${peer}`, host.monotonicMs())) return;
      log.warn('connection refused', { peer, reason: REASONS[why] });
    },
  };
}
