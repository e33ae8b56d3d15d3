// What the storage does, told to the metrics; its trouble, to the process log. Nobody is refused without the operator seeing why.
import type { Host } from '#platform/host/host.ts';
import type { Log } from '#platform/log/log.ts';
import type { Meter } from './measure.ts';
import type { StorageWatch } from './storage.ts';

type Deps = {
  readonly host: Pick<Host, 'monotonicMs'>;
  readonly log: Pick<Log, 'info' | 'error'>;
  readonly measures: Pick<Meter, 'batch' | 'committed' | 'auditHead'>;
};

export function watchStorage({ host, log, measures }: Deps): StorageWatch {
  return {
    nowMs: host.monotonicMs,
    batch: measures.batch,
    committed: measures.committed,
    auditHead: measures.auditHead,
    trouble: (reason) => {
      if (reason === undefined) log.info('the log takes entries again');
      else log.error('the log takes no entries; what needs one is refused', { reason });
    },
  };
}
