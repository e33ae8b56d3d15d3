// The interleaved comparison: every system is started and warm before the first is measured, and each repeat passes all of
// them (A B C A B C …), so that a machine that grows slower meanwhile is slower for all.
import { type Measured, measure, type Sample, warmUp } from './measure.ts';
import type { Compared } from './results.ts';
import type { Settings } from './settings.ts';
import type { System } from './systems.ts';

const WARM_MS = 1000;
const MS_PER_S = 1000;

export type Progress = (text: string) => void;
export type Comparison = {
  readonly systems: readonly System[];
  readonly settings: Settings;
  readonly upstreamPids: readonly number[];
  /** Before each repeat. */
  readonly onRepeat: () => void;
  readonly progress: Progress;
};
type Tally = Map<System, Map<number, Sample[]>>;

function note(tally: Tally, at: { system: System; connections: number }, { sample, calls }: Measured): void {
  const { system, connections } = at;
  const own = tally.get(system) ?? new Map<number, Sample[]>();
  tally.set(system, own);
  own.set(connections, [...(own.get(connections) ?? []), sample]);
  system.made?.(calls);
}

async function repeatOnce(comparison: Comparison, tally: Tally): Promise<void> {
  const { systems, settings, upstreamPids, progress } = comparison;
  comparison.onRepeat();
  for (const connections of settings.connections) {
    for (const system of systems) {
      const windowMs = settings.seconds * MS_PER_S;
      const measured = await measure(system, { connections, warmMs: WARM_MS, windowMs, upstreamPids });
      note(tally, { system, connections }, measured);
      const { requestsPerS, cpuUs } = measured.sample;
      progress(`${system.id} · ${connections}: ${Math.round(requestsPerS)} req/s, ${cpuUs.toFixed(1)} µs`);
    }
  }
}

export async function compare(comparison: Comparison): Promise<readonly Compared[]> {
  const { systems, settings, progress } = comparison;
  const tally: Tally = new Map();
  for (const system of systems) {
    progress(`warming up: ${system.title}`);
    await warmUp(system, settings.warmUpCalls);
  }
  for (let repeat = 1; repeat <= settings.repeats; repeat += 1) {
    progress(`repeat ${repeat} of ${settings.repeats}`);
    await repeatOnce(comparison, tally);
  }
  return systems.map((system) => {
    const samples = Object.fromEntries(tally.get(system) ?? []);
    return { id: system.id, title: system.title, samples };
  });
}
