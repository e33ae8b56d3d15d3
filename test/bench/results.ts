// What a run has found out, as it stands in dist/bench.json; and what the tables need of it.
import type { DiskTimes } from './disk.ts';
import type { Machine } from './machine.ts';
import type { Sample } from './measure.ts';
import type { ThreadProfile } from './profile-parts.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** Samples of one system by number of connections, one for each repeat. */
export type Samples = Readonly<Record<number, readonly Sample[]>>;
export type Compared = {
  readonly id: string;
  readonly title: string;
  readonly samples: Samples;
};
/** A system that did not run, and how to have it run. */
export type Absent = { readonly title: string; readonly reason: string };
export type LogCheck = {
  readonly valid: boolean;
  readonly calls: number;
  readonly entries: number;
  /** Two for each call, and those that the bench's own verbs made. */
  readonly expected: number;
};

export type Results = {
  readonly date: string;
  readonly machine: Machine;
  readonly seconds: number;
  readonly repeats: number;
  readonly isPinned: boolean;
  readonly upstream: string;
  readonly systems: readonly Compared[];
  readonly absent: readonly Absent[];
  readonly disk: readonly DiskTimes[];
  readonly log: LogCheck | undefined;
  readonly profile?: readonly ThreadProfile[];
};

export function valuesOf(
  results: Results,
  of: { readonly id: string; readonly connections: number; readonly value: keyof Sample },
): readonly number[] {
  const samples = results.systems.find(({ id }) => id === of.id)?.samples[of.connections] ?? [];
  return samples.map((sample) => sample[of.value]);
}

/** `undefined` where nothing was measured. */
export function summary(values: readonly number[]): Spread | undefined {
  return values.length === 0 ? undefined : spreadOf(values);
}
