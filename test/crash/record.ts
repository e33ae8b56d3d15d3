// The passes that K4 replays: a first start on an empty folder, and a mixed load with a graceful end.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ACTS } from './acts.ts';
import { attempt, startLoad } from './load.ts';
import { filesBelow, type Recording } from './power-loss.ts';
import { serve } from './process.ts';
import { readRecord } from './recorded.ts';
import { initStage, openStage, type Stage } from './stage.ts';
import { recording } from './strace.ts';

/** `init` where nothing is yet. Nothing is acknowledged before it ends. */
export async function recordFirstStart(seed: number, below?: string): Promise<Recording> {
  const stage = await openStage(seed, below);
  return orDispose(stage, async (record) => {
    const [command = '', ...words] = [...recording(record), ...stage.program];
    const done = spawnSync(command, [...words, 'init', '--config', stage.configFile], { env: stage.env });
    if (done.status !== 0) throw new Error(String(done.stderr));
  });
}

type LoadOf = { readonly seed: number; readonly acts: number };

/** Every act once, then `acts` of each of the clients at the same time, then the end by SIGTERM. */
export async function recordLoad({ seed, acts }: LoadOf, below?: string): Promise<Recording> {
  const stage = await initStage(seed, below);
  return orDispose(stage, async (record) => {
    const running = serve(stage, recording(record));
    if ((await running.ready) === undefined) throw new Error(running.output());
    try {
      for (const [name, act] of [...Object.entries(ACTS).filter(isSecret), ...Object.entries(ACTS)])
        await attempt(act, { stage, running, name: nameOf(name, stage.journal.acknowledged.length) });
      await startLoad(stage, running, { label: 'load', acts }).ended;
    } finally {
      await running.kill('SIGTERM');
    }
    if (stage.journal.surprises.length > 0) throw new Error(stage.journal.surprises.join('\n'));
  });
}

async function orDispose(stage: Stage, pass: (record: string) => Promise<void>): Promise<Recording> {
  try {
    const base = filesBelow(stage.dir);
    const record = join(stage.beside, 'record');
    await pass(record);
    return { stage, base, changes: readRecord(record, stage.dir) };
  } catch (thrown) {
    await stage.dispose();
    throw thrown;
  }
}

/** Without a secret there is no call. */
const isSecret = ([name]: readonly [string, unknown]): boolean => /secret/.test(name);

const nameOf = (act: string, count: number): string =>
  `pass-${act.replaceAll(/\W+/g, '-')}-${count}`.toLowerCase();
