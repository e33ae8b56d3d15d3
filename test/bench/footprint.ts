// Memory and start: how soon ours is ready, what it takes when idle and when busy, and whether it grows from call to call.
import { closedLoop } from './closed-loop.ts';
import type { Ours } from './ours.ts';
import { rssBytesOf, treeOf } from './process-cost.ts';
import { oursSystems } from './systems.ts';

export type Footprint = {
  readonly startMs: readonly number[];
  readonly idleMb: number;
  /** The most that was seen under load. */
  readonly busyMb: number;
  /** After so many calls, still under load: pairs of calls and MB. Longer only with --long. */
  readonly after: readonly (readonly [calls: number, mb: number])[];
};

const STARTS = 3;
const CONNECTIONS = 64;
const SLICE_MS = 500;
const IDLE_AFTER_MS = 2_000;
const BYTES_PER_MB = 1e6;
const SHORT = [10_000] as const;
/** Issue: flat from the first to the second. */
const LONG = [100_000, 300_000] as const;

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const rssMb = (ours: Ours): number => rssBytesOf(treeOf(ours.appliance.pid())) / BYTES_PER_MB;

/** What is left when the load has gone and the collector had time; a load's own waves are no growth. */
async function settled(ours: Ours): Promise<number> {
  await pause(IDLE_AFTER_MS);
  return rssMb(ours);
}

export async function footprint(ours: Ours, isLong: boolean): Promise<Footprint> {
  const startMs: number[] = [];
  for (let count = 0; count < STARTS; count += 1) startMs.push(await ours.restart());
  const idleMb = await settled(ours);
  const [system] = oursSystems(ours);
  if (system === undefined) throw new Error('there is no form of ours');
  let busyMb = 0;
  let calls = 0;
  const after: [number, number][] = [];
  for (const goal of isLong ? LONG : SHORT) {
    while (calls < goal) {
      const target = await system.target();
      const loaded = await closedLoop({ target, connections: CONNECTIONS, warmMs: 0, windowMs: SLICE_MS });
      system.made?.(loaded.calls);
      calls += loaded.calls;
      busyMb = Math.max(busyMb, rssMb(ours));
    }
    after.push([goal, await settled(ours)]);
  }
  return { startMs, idleMb, busyMb, after };
}
