// Notices that files have changed, by looking at them: a look works for every editor, mount and link, an event does not.
import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';

export type Watch = { readonly stop: () => void };

type Options = { readonly everyMs: number; readonly changed: () => void };

/**
 * `changed` is called once the files differ from what they were and have stayed the same for one look more, so that a
 * file half written is not read. `paths` is asked at every look, since it may change with what the files say.
 */
export function watchFiles(paths: () => readonly string[], { everyMs, changed }: Options): Watch {
  let settled: string | undefined;
  let last: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const look = async (): Promise<void> => {
    const now = (await Promise.all(paths().map(factsOf))).join('\n');
    settled ??= now;
    if (now !== settled && now === last && !stopped) {
      settled = now;
      changed();
    }
    last = now;
  };
  const turn = (): void => {
    // A look that fails is no change; the next one looks again.
    look()
      .catch(() => undefined)
      .finally(() => {
        if (!stopped) timer = setTimeout(turn, everyMs).unref();
      });
  };
  turn();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

async function factsOf(path: string): Promise<string> {
  const facts: BigIntStats | undefined = await stat(path, { bigint: true }).catch(() => undefined);
  return facts === undefined ? `${path} -` : `${path} ${facts.ino} ${facts.size} ${facts.mtimeNs}`;
}
