// The interleaved comparison: every system is started and warm before the first is measured, and each repeat passes all of
// them (A B C A B C …), so that a machine that grows slower meanwhile is slower for all.
import type { Measured, Sample, Window } from './measure.ts';
import { measure, warmUp } from './measure.ts';
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
export type Outcome = { readonly compared: readonly Compared[]; readonly ownCalls: number };

type Tally = { readonly samples: Map<System, Map<number, Sample[]>>; ownCalls: number };

function note(tally: Tally, at: { system: System; connections: number }, { sample, calls }: Measured): void {
  const { system, connections } = at;
  const own = tally.samples.get(system) ?? new Map<number, Sample[]>();
  tally.samples.set(system, own);
  own.set(connections, [...(own.get(connections) ?? []), sample]);
  if (system.isOurs === true) tally.ownCalls += calls;
}

async function repeatOnce(comparison: Comparison, tally: Tally): Promise<void> {
  const { systems, settings, upstreamPids, progress } = comparison;
  comparison.onRepeat();
  for (const connections of settings.connections) {
    for (const system of systems) {
      const window: Window = {
        connections,
        warmMs: WARM_MS,
        windowMs: settings.seconds * MS_PER_S,
        upstreamPids,
      };
      const measured = await measure(system, window);
      note(tally, { system, connections }, measured);
      const { requestsPerS, cpuUs } = measured.sample;
      progress(`${system.id} · ${connections}: ${Math.round(requestsPerS)} req/s, ${cpuUs.toFixed(1)} µs`);
    }
  }
}

export async function compare(comparison: Comparison): Promise<Outcome> {
  const { systems, settings, progress } = comparison;
  const tally: Tally = { samples: new Map(), ownCalls: 0 };
  for (const system of systems) {
    progress(`warming up: ${system.title}`);
    const calls = await warmUp(system, settings.warmUpCalls);
    if (system.isOurs === true) tally.ownCalls += calls;
  }
  for (let repeat = 1; repeat <= settings.repeats; repeat += 1) {
    progress(`repeat ${repeat} of ${settings.repeats}`);
    await repeatOnce(comparison, tally);
  }
  const compared = systems.map(({ id, title, ...system }) => ({
    id,
    title,
    samples: Object.fromEntries(
      tally.samples.get(systems.find((one) => one.id === id) ?? { id, title, ...system }) ?? [],
    ),
  }));
  return { compared, ownCalls: tally.ownCalls };
}
