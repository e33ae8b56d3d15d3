// One system under load for one window: what it did, what it cost, and which side was at its end.
import { closedLoop, type Latencies } from './closed-loop.ts';
import { coreBusyNsOf, cpuNsOf, sidesOf, treeOf } from './process-cost.ts';
import { coreUnderTest } from './spawned.ts';
import type { System } from './systems.ts';
import { MCP_UPSTREAM } from './upstream.ts';

export type Sample = Latencies & {
  readonly requestsPerS: number;
  /** CPU time of all processes of the system, per call. */
  readonly cpuUs: number;
  /** Share of one core that the system, and the generator with the upstream, were busy. */
  readonly systemBusy: number;
  readonly generatorBusy: number;
  /** Share of the core under test that went to anybody else. 0 where no core is set apart. */
  readonly othersBusy: number;
};
export type Window = {
  readonly connections: number;
  readonly warmMs: number;
  readonly windowMs: number;
  /** Processes beside this one that are no part of the system: the upstreams. */
  readonly upstreamPids: readonly number[];
};
export type Measured = { readonly sample: Sample; readonly calls: number };

const NS_PER_S = 1e9;
const NS_PER_US = 1000;

/** In ns so far. */
type Edge = { readonly system: number; readonly generator: number; readonly core: number };

export async function measure({ target, pid: pidOf }: System, window: Window): Promise<Measured> {
  const edges: Edge[] = [];
  const onEdge = (): void => {
    const pid = pidOf();
    // A gateway starts its upstream itself.
    const { own, foreign } = pid === undefined ? { own: [], foreign: [] } : sidesOf(pid, MCP_UPSTREAM);
    const beside = [process.pid, ...foreign, ...window.upstreamPids.flatMap(treeOf)];
    const system = cpuNsOf(own);
    const core = coreUnderTest === undefined ? system : coreBusyNsOf(coreUnderTest);
    edges.push({ system, generator: cpuNsOf(beside), core });
  };
  const loaded = await closedLoop({ ...window, target: await target(), onEdge });
  const [begin, end] = edges;
  if (begin === undefined || end === undefined) throw new Error('the window had no edges');
  const { windowCalls, windowS, calls, p50Us, p99Us } = loaded;
  const system = end.system - begin.system;
  const shareOf = (ns: number): number => ns / NS_PER_S / windowS;
  const sample = {
    p50Us,
    p99Us,
    requestsPerS: windowCalls / windowS,
    cpuUs: system / NS_PER_US / windowCalls,
    systemBusy: shareOf(system),
    generatorBusy: shareOf(end.generator - begin.generator),
    othersBusy: Math.max(0, shareOf(end.core - begin.core - system)),
  };
  return { sample, calls };
}

/** Until V8 has compiled what is hot: cold code costs 1.7 times as much. */
export async function warmUp(system: System, calls: number): Promise<void> {
  for (let done = 0; done < calls; ) {
    const target = await system.target();
    const loaded = await closedLoop({ target, connections: 16, warmMs: 0, windowMs: 500 });
    system.made?.(loaded.calls);
    done += loaded.calls;
  }
}
