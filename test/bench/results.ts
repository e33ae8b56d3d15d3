// What a run has found out, as it stands in dist/bench.json; and what the tables need of it.
import type { Latencies } from './closed-loop.ts';
import type { DiskTimes } from './disk.ts';
import type { Footprint } from './footprint.ts';
import type { Delays } from './latency.ts';
import type { Machine } from './machine.ts';
import type { Sample } from './measure.ts';
import type { ThreadProfile } from './profile-parts.ts';
import { type Spread, spreadOf } from './statistics.ts';
import type { Verification } from './verification.ts';

/** Samples of one system by number of connections, one for each repeat. */
export type Compared = {
  readonly id: string;
  readonly title: string;
  readonly samples: Readonly<Record<number, readonly Sample[]>>;
};
/** What did not run, and how to have it run. */
export type Absent = { readonly title: string; readonly reason: string };
export type LogCheck = {
  readonly valid: boolean;
  readonly calls: number;
  readonly entries: number;
  /** Two for each call, one for each passport and each start again. */
  readonly expected: number;
};
/** Under the slower syncs: a commit alone, and the load. */
export type OnSlowDisk = { readonly commit: Latencies; readonly sample: Sample };

/** Each part of a run adds its own. */
export type Findings = {
  readonly systems?: readonly Compared[];
  readonly absent?: readonly Absent[];
  readonly disk?: readonly DiskTimes[];
  readonly arrivals?: readonly Delays[];
  readonly streams?: readonly Delays[];
  readonly slowDisk?: readonly OnSlowDisk[];
  readonly footprint?: Footprint;
  readonly verification?: Verification;
  readonly profile?: readonly ThreadProfile[];
  readonly logs?: readonly LogCheck[];
};
export type Results = Findings & {
  readonly date: string;
  readonly machine: Machine;
  readonly seconds: number;
  readonly repeats: number;
  readonly isPinned: boolean;
  readonly upstream: string;
};

export type Series = { readonly id: string; readonly connections: number; readonly value: keyof Sample };

export function valuesOf({ systems = [] }: Findings, of: Series): readonly number[] {
  const samples = systems.find(({ id }) => id === of.id)?.samples[of.connections] ?? [];
  return samples.map((sample) => sample[of.value]);
}

/** `undefined` where nothing was measured. */
export function summary(values: readonly number[]): Spread | undefined {
  return values.length === 0 ? undefined : spreadOf(values);
}
