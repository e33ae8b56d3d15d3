// What the process looks like from outside while it works: memory and CPU time of all it is made of, open connections, and the
// delay of its event loop as its metrics have it.
import { EVENT_LOOP_SAMPLE_MS } from '#kernel/limits.ts';
import { cpuNsOf, treeOf } from '#test/bench/process-cost.ts';
import type { Appliance } from '#test/support/appliance.ts';
import { readExposition } from '#test/support/exposition.ts';
import { askLocally } from '#test/support/requests.ts';
import type { Connections } from './agent.ts';
import type { LoopDelay, Sample } from './evidence.ts';
import { rssMbOf } from './stage.ts';

const SAMPLE_EVERY_MS = 1_000;
/** Asking begins a new span; one of ten seconds has some five hundred samples for its p99. */
const LOOP_SPAN_MS = 10_000;
const LOOP_METRIC = 'nodejs_eventloop_lag';
const NS_PER_MS = 1e6;
const MS_PER_S = 1000;

export type Watched = {
  readonly samples: readonly Sample[];
  readonly loop: readonly LoopDelay[];
  readonly cpuMs: number;
};
export type Watch = { readonly finish: () => Promise<Watched> };
type Options = { readonly connections: Connections; readonly isDown: () => boolean };

export async function watch(appliance: Appliance, { connections, isDown }: Options): Promise<Watch> {
  const samples: Sample[] = [];
  const loop: LoopDelay[] = [];
  let cpuNs = 0;
  let last = { pid: 0, ns: 0 };
  const sample = (): void => {
    if (isDown()) return;
    const pid = appliance.pid();
    const ns = cpuNsOf(treeOf(pid));
    // Of a process that has died, what came after its last sample is not known; of a new one all is.
    cpuNs += ns - (last.pid === pid || last.pid === 0 ? last.ns : 0);
    last = { pid, ns };
    const rssMb = rssMbOf(appliance);
    if (rssMb > 0) samples.push({ atMs: performance.now(), pid, rssMb, connections: connections.open() });
  };
  const loopDelay = async (): Promise<LoopDelay> => {
    const { value } = readExposition((await askLocally(appliance, '/metrics')).text);
    // What is measured are the spans between two ticks of a timer; there may have been none yet.
    const ms = (kind: string): number => {
      const seconds = value(`${LOOP_METRIC}_${kind}_seconds`) ?? Number.NaN;
      return Math.max(0, seconds * MS_PER_S - EVENT_LOOP_SAMPLE_MS);
    };
    return { p99Ms: ms('p99'), maxMs: ms('max') };
  };
  const span = async (): Promise<void> => {
    const delay = await loopDelay().catch(() => undefined);
    if (delay !== undefined) loop.push(delay);
  };
  last = { pid: appliance.pid(), ns: cpuNsOf(treeOf(appliance.pid())) };
  // What was before the load is not of it.
  await loopDelay();
  const timers = [setInterval(sample, SAMPLE_EVERY_MS), setInterval(() => void span(), LOOP_SPAN_MS)];
  return {
    finish: async () => {
      for (const timer of timers) clearInterval(timer);
      sample();
      await span();
      return { samples, loop, cpuMs: cpuNs / NS_PER_MS };
    },
  };
}
