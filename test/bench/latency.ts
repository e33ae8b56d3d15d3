// The two loads that show what a closed loop hides: calls that arrive at random before a slow service, and open streams of
// events. The same interleaving: direct, bare, ours, and again.
import type { Latencies } from './closed-loop.ts';
import { listenToStreams } from './event-streams.ts';
import { openLoop } from './open-loop.ts';
import type { Ours } from './ours.ts';
import { oursAt, type System, startBareProxy, targetOf } from './systems.ts';
import { CREDENTIAL, CREDENTIAL_HEADER, type Upstream } from './upstream.ts';
import type { Target } from './wire.ts';

/** Samples of one system, one for each repeat. */
export type Delays = { readonly id: string; readonly title: string; readonly samples: readonly Latencies[] };
export type Plan = {
  readonly ours: Ours;
  readonly upstream: Upstream;
  readonly repeats: number;
  readonly seconds: number;
  readonly progress: (text: string) => void;
};

const ARRIVALS_PER_S = 1000;
const STREAMS = 64;
const WARM_S = 1;
const US_PER_MS = 1000;

async function rivals({ ours, upstream }: Plan, path: string): Promise<System[]> {
  const bare = await startBareProxy(upstream.port);
  const headers = { [CREDENTIAL_HEADER]: CREDENTIAL };
  const direct = targetOf(upstream.port, { path: `/v1/${path}`, headers });
  const through = targetOf(bare.port, { path: `/v1/${path}` });
  return [
    { id: 'direct', title: 'upstream direct', target: async () => direct, pid: () => undefined },
    { id: 'undici', title: 'bare Node proxy, undici', target: async () => through, pid: () => bare.pid },
    oursAt(ours, path),
  ];
}

type Trial = {
  readonly path: string;
  readonly attempt: (target: Target) => Promise<Latencies & { readonly calls: number }>;
};

async function interleaved(plan: Plan, { path, attempt }: Trial): Promise<Delays[]> {
  const systems = await rivals(plan, path);
  const samples = new Map<System, Latencies[]>(systems.map((system) => [system, []]));
  for (let repeat = 1; repeat <= plan.repeats; repeat += 1) {
    for (const system of systems) {
      const { calls, p50Us, p99Us } = await attempt(await system.target());
      system.made?.(calls);
      samples.get(system)?.push({ p50Us, p99Us });
      const shown = [p50Us, p99Us].map((us) => (us / US_PER_MS).toFixed(2)).join(', ');
      plan.progress(`${path} · ${system.id}: p50, p99 ${shown} ms`);
    }
  }
  return systems.map((system) => ({
    id: system.id,
    title: system.title,
    samples: samples.get(system) ?? [],
  }));
}

/** A service that takes 10 ms, a thousand calls a second. */
export const arrivingCalls = (plan: Plan): Promise<Delays[]> =>
  interleaved(plan, {
    path: 'slow',
    attempt: (target) => openLoop(target, { perS: ARRIVALS_PER_S, warmS: WARM_S, seconds: plan.seconds }),
  });

/** An event each 20 ms in every stream. */
export const eventStreams = (plan: Plan): Promise<Delays[]> =>
  interleaved(plan, {
    path: 'events',
    attempt: (target) => listenToStreams(target, { streams: STREAMS, warmS: WARM_S, seconds: plan.seconds }),
  });
