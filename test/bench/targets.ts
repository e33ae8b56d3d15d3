// The figures that count: ratios and differences within one run, each with what it is meant to be. Absolute figures drift
// with the machine; these hold.
import type { Sample } from './measure.ts';
import { type Results, summary, valuesOf } from './results.ts';
import { pairwise, type Spread } from './statistics.ts';

export type Target = { readonly bound: 'least' | 'most'; readonly value: number };
export type Figure = {
  readonly name: string;
  readonly unit: '' | 'µs' | 'MB' | '%';
  readonly value: Spread | undefined;
  readonly target?: Target;
};

const least = (value: number): Target => ({ bound: 'least', value });
const most = (value: number): Target => ({ bound: 'most', value });

export function isMet({ value, target }: Figure): boolean | undefined {
  if (value === undefined || target === undefined) return undefined;
  return target.bound === 'least' ? value.median >= target.value : value.median <= target.value;
}

type Series = { readonly id: string; readonly connections: number; readonly value: keyof Sample };

function combined(
  results: Results,
  [mine, other]: readonly [Series, Series],
  combine: (mine: number, other: number) => number,
): Spread | undefined {
  const lists = [valuesOf(results, mine), valuesOf(results, other)] as const;
  return lists.some((list) => list.length === 0) ? undefined : pairwise(lists, combine);
}

const over = (mine: number, other: number): number => mine / other;

type Ratio = {
  readonly value: keyof Sample;
  readonly mine: string;
  readonly other: string;
  readonly connections: number;
};

function ratio(results: Results, { value, mine, other, connections }: Ratio): Spread | undefined {
  const series = (id: string): Series => ({ id, connections, value });
  return combined(results, [series(mine), series(other)], over);
}

const shifted = (spread: Spread | undefined, by: number): Spread | undefined =>
  spread && { median: spread.median - by, min: spread.min - by, max: spread.max - by };

export function callFigures(results: Results): Figure[] {
  const of = (mine: string, other: string) => (value: keyof Sample, connections: number) =>
    ratio(results, { value, mine, other, connections });
  const path = of('path', 'undici');
  const syncUs = summary(results.disk.map(({ sync }) => sync.p50Us))?.median ?? 0;
  const commitP99 = summary(results.disk.map(({ commit }) => commit.p99Us))?.median ?? 0;
  const single = (id: string): Series => ({ id, connections: 1, value: 'p50Us' });
  const crowd = (id: string): Series => ({ id, connections: 64, value: 'p99Us' });
  const added = combined(results, [single('path'), single('undici')], (mine, other) => mine - other);
  const tail = combined(
    results,
    [crowd('path'), crowd('undici')],
    (mine, other) => mine / (2 * other + commitP99),
  );
  return [
    {
      name: 'req/s ÷ bare undici, 64 connections',
      unit: '',
      value: path('requestsPerS', 64),
      target: least(0.45),
    },
    {
      name: 'req/s ÷ bare undici, 16 connections',
      unit: '',
      value: path('requestsPerS', 16),
      target: least(0.3),
    },
    { name: 'CPU per call ÷ bare undici, 64', unit: '', value: path('cpuUs', 64), target: most(2.2) },
    { name: 'CPU per call ÷ bare undici, 16', unit: '', value: path('cpuUs', 16) },
    {
      name: 'added p50 − one fdatasync, 1 connection',
      unit: 'µs',
      value: shifted(added, syncUs),
      target: most(300),
    },
    { name: 'p99 ÷ (2 × bare p99 + a commit’s p99), 64', unit: '', value: tail, target: most(1) },
    {
      name: '/v1/proxy: req/s ÷ path form, 64',
      unit: '',
      value: of('proxy', 'path')('requestsPerS', 64),
      target: least(0.75),
    },
    {
      name: 'req/s ÷ nginx adding a header, 64',
      unit: '',
      value: of('path', 'nginx')('requestsPerS', 64),
    },
    {
      name: 'req/s ÷ mitmproxy, 64',
      unit: '',
      value: of('path', 'mitmproxy')('requestsPerS', 64),
      target: least(10),
    },
  ];
}
