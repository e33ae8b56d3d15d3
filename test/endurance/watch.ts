// What the process looks like from outside while it works: memory and CPU time of all it is made of, open connections, and the
// delay of its event loop as its metrics have it.
import { cpuNsOf, rssBytesOf, treeOf } from '#test/bench/process-cost.ts';
import type { Appliance } from '#test/support/appliance.ts';
import { readExposition } from '#test/support/exposition.ts';
import { askLocally } from '#test/support/requests.ts';
import type { Connections } from './agent.ts';
import type { Sample } from './evidence.ts';

const SAMPLE_EVERY_MS = 1_000;
/** Asking begins a new span; one of a minute has thousands of samples for its p99. */
const LOOP_SPAN_MS = 60_000;
const LOOP_METRIC = 'nodejs_eventloop_lag_p99_seconds';
const BYTES_PER_MB = 1e6;
const NS_PER_MS = 1e6;
const MS_PER_S = 1000;

export type Watched = {
  readonly samples: readonly Sample[];
  readonly loopP99Ms: readonly number[];
  readonly cpuMs: number;
};
export type Watch = { readonly finish: () => Promise<Watched> };
type Options = { readonly connections: Connections; readonly isDown: () => boolean };

export async function watch(appliance: Appliance, { connections, isDown }: Options): Promise<Watch> {
  const samples: Sample[] = [];
  const loopP99Ms: number[] = [];
  let cpuNs = 0;
  let last = { pid: 0, ns: 0 };
  const sample = (): void => {
    if (isDown()) return;
    const pid = appliance.pid();
    const tree = treeOf(pid);
    const ns = cpuNsOf(tree);
    // Of a process that has died, what came after its last sample is not known; of a new one all is.
    cpuNs += ns - (last.pid === pid || last.pid === 0 ? last.ns : 0);
    last = { pid, ns };
    const rssMb = rssBytesOf(tree) / BYTES_PER_MB;
    if (rssMb > 0) samples.push({ atMs: performance.now(), pid, rssMb, connections: connections.open() });
  };
  const loopDelay = async (): Promise<number | undefined> => {
    const { text } = await askLocally(appliance, '/metrics');
    const seconds = readExposition(text).value(LOOP_METRIC);
    return seconds === undefined ? undefined : seconds * MS_PER_S;
  };
  const span = async (): Promise<void> => {
    const delay = await loopDelay().catch(() => undefined);
    if (delay !== undefined) loopP99Ms.push(delay);
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
      return { samples, loopP99Ms, cpuMs: cpuNs / NS_PER_MS };
    },
  };
}
