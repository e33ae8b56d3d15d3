// What the storage does, told to the metrics; its trouble, to the process log. Nobody is refused without the operator seeing
// why, and a disk that comes and goes does not fill the log: the same trouble is said once a minute, with its end.
import { createFold } from '#kernel/fold.ts';
import { LOG_FOLD_KEYS_MAX, LOG_FOLD_MS } from '#kernel/limits.ts';
import type { Host } from '#platform/host/host.ts';
import type { Log } from '#platform/log/log.ts';
import type { Meter } from './measure.ts';
import type { StorageWatch } from './storage.ts';

type Deps = {
  readonly host: Pick<Host, 'monotonicMs'>;
  readonly log: Pick<Log, 'info' | 'error'>;
  readonly measures: Pick<Meter, 'batch' | 'committed' | 'auditHead'>;
  readonly fatal: (reason: string) => void;
};

export function watchStorage({ host, log, measures, fatal }: Deps): StorageWatch {
  const fold = createFold({ windowMs: LOG_FOLD_MS, keysMax: LOG_FOLD_KEYS_MAX });
  let said = false;
  return {
    nowMs: host.monotonicMs,
    batch: measures.batch,
    committed: measures.committed,
    auditHead: measures.auditHead,
    outageBegan: (reason) => {
      said = fold.due(reason, host.monotonicMs());
      if (said) log.error('the log takes no entries; what needs one is refused', { reason });
    },
    outageEnded: ({ kept, lost }) => {
      if (said) log.info('the log takes entries again', { entries_kept: kept, entries_lost: lost });
    },
    unfit: ({ action, entry_id }, reason) =>
      log.error('an entry cannot be written', { action, entry_id, reason }),
    fatal,
  };
}
