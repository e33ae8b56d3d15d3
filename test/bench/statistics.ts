// What is made of many samples: percentiles of latencies, and the median with its spread over the repeats of a run.
// Ratios are made within one repeat, where both sides met the same machine, and only then summed up.

/** A median and what it lies between. */
export type Spread = { readonly median: number; readonly min: number; readonly max: number };

const ascending = (a: number, b: number): number => a - b;

/** Nearest rank of sorted values; `share` in 0 to 1. NaN of nothing. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.max(rank, 1) - 1] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted(ascending);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return (lower + upper) / 2;
}

export const spreadOf = (values: readonly number[]): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
});

/** `combine` of what both lists have at the same place: the same repeat. */
export function pairwise(
  lists: readonly [readonly number[], readonly number[]],
  combine: (mine: number, other: number) => number,
): Spread {
  const [mine, others] = lists;
  return spreadOf(mine.slice(0, others.length).map((value, at) => combine(value, others[at] ?? Number.NaN)));
}
