// What time does for the storage: files that are not those in use take nothing more until they are again, and an outage that is
// over is found out where nobody calls.
import { createLook } from '#platform/storage/look.ts';
import type { Trouble } from '#platform/storage/trouble.ts';
import type { Writer } from '#platform/storage/writer.ts';
import type { Outage } from './outage.ts';

export type Tending = {
  /** Never rejects, and waits for no disk that does not answer. */
  readonly tend: () => Promise<void>;
  /** Room on the disk, as it was last looked at. */
  readonly freeBytes: () => number | undefined;
};

type Deps = {
  readonly writer: Pick<Writer, 'bar'>;
  readonly outage: Pick<Outage, 'begin' | 'probe'>;
  readonly fatal: (reason: string) => void;
};

export function tendFiles(file: string, { writer, outage, fatal }: Deps): Tending {
  const look = createLook(file);
  let freeBytes: number | undefined;
  const bar = (trouble: Trouble | undefined): void => {
    writer.bar(trouble);
    if (trouble !== undefined) outage.begin(trouble.text);
  };
  return {
    freeBytes: () => freeBytes,
    tend: async () => {
      const sight = await look().catch((thrown) => ({ trouble: unseen(thrown) }));
      freeBytes = 'freeBytes' in sight ? sight.freeBytes : undefined;
      const end = 'fatal' in sight ? sight.fatal : undefined;
      bar(end ?? sight.trouble);
      if (end === undefined) outage.probe();
      else fatal(end.text);
    },
  };
}

const unseen = (thrown: unknown): Trouble => ({
  kind: 'cannot_open',
  text: `the data folder cannot be looked at: ${thrown}`,
});
