// Clients that mix acts by chance until the process is gone or they are told to stop.
import { type Act, CALLS, EVERYBODYS, OWN, Surprise } from './acts.ts';
import type { Running } from './process.ts';
import type { Stage } from './stage.ts';

export const CLIENTS = 8;
const CALL_SHARE = 0.6;
/** Clients think: the machine is not to be filled, and a kill is to meet every state, not only a full queue. */
const THINK_MS_MAX = 10;
/** A process that is dead is seen to be so this long after its connections broke. */
const DEAD_AFTER_MS = 1_000;

export type Load = {
  /** Just before a kill: what breaks from here on is no surprise. */
  readonly stopping: () => void;
  readonly ended: Promise<void>;
};

type Loading = {
  /** Part of every name, so that no two acts of one stage share one. */
  readonly label: string;
  /** Acts of each client; without it they go on until they are stopped. */
  readonly acts?: number;
};

export function startLoad(stage: Stage, running: Running, { label, acts }: Loading): Load {
  let going = true;
  const client = async (index: number): Promise<void> => {
    for (let count = 0; going && running.alive() && count !== acts; count += 1) {
      const name = `${label.toLowerCase()}-${index}-${count}`;
      await attempt(choose(stage, index), { stage, running, name, going: () => going });
      await pause(stage.random() * THINK_MS_MAX);
    }
  };
  return {
    stopping: () => {
      going = false;
    },
    ended: Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index))).then(() => undefined),
  };
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

function choose(stage: Stage, index: number): Act {
  const calls = Object.values(CALLS);
  const others = [...(OWN[index] ?? []), ...EVERYBODYS];
  const from = stage.random() < CALL_SHARE ? calls : others;
  return from[Math.floor(stage.random() * from.length)] ?? CALLS.viaProxy;
}

type Doing = {
  readonly stage: Stage;
  readonly running: Running;
  readonly name: string;
  readonly going?: () => boolean;
};

/** What breaks because the process has died was not acknowledged, and that is all that can be said of it. */
export async function attempt(act: Act, { stage, running, name, going }: Doing): Promise<void> {
  try {
    await act(stage, name);
  } catch (thrown) {
    const broken = !(thrown instanceof Surprise);
    if (broken && (going?.() === false || (await dies(running)))) return;
    stage.journal.surprises.push(`${name}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

async function dies(running: Running): Promise<boolean> {
  await Promise.race([running.ended, pause(DEAD_AFTER_MS)]);
  return !running.alive();
}
