// The door of the network listener: who is turned away is counted each time, and said once a minute per peer.

import { createFold } from '#kernel/fold.ts';
import { LOG_FOLD_KEYS_MAX, LOG_FOLD_MS } from '#kernel/limits.ts';
import { placeOfPeer } from '#platform/net/address.ts';
import type { Door } from './listener.ts';
import type { Surface } from './surface.ts';

const REASONS = {
  peer: 'not listed under server.behind_proxy',
  full: 'too many connections at once',
} as const;

type Deps = Pick<Surface, 'peers' | 'host' | 'log' | 'measure'>;

export function createDoor({ peers, host, log, measure }: Deps): Door {
  const fold = createFold({ windowMs: LOG_FOLD_MS, keysMax: LOG_FOLD_KEYS_MAX });
  return {
    admits: peers.admits,
    refused: (why, peer = 'unknown') => {
      measure.connectionRefused(why);
      if (!fold.due(`${why} ${placeOfPeer(peer)}`, host.monotonicMs())) return;
      log.warn('connection refused', { peer, reason: REASONS[why] });
    },
  };
}
