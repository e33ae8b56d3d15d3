// The figures that count: ratios and differences within one run, each with what it is meant to be. Absolute figures drift
// with the machine; these hold.
import type { Delays } from './latency.ts';
import type { Sample } from './measure.ts';
import { type Findings, type Series, summary, valuesOf } from './results.ts';
import { pairwise, type Spread, spreadOf } from './statistics.ts';

export type Target = { readonly bound: 'least' | 'most'; readonly value: number };
export type Figure = {
  readonly name: string;
  readonly unit: '' | 'µs' | 'MB' | 'ms' | '%';
  readonly value: Spread | undefined;
  readonly target?: Target;
};

const least = (value: number): Target => ({ bound: 'least', value });
const most = (value: number): Target => ({ bound: 'most', value });
const SINGLE = 1;
const SOME = 16;
const CROWD = 64;
const GATEWAYS = ['mcp-proxy', 'supergateway'];

export function isMet({ value, target }: Figure): boolean | undefined {
  if (value === undefined || target === undefined) return undefined;
  return target.bound === 'least' ? value.median >= target.value : value.median <= target.value;
}

type Combine = (mine: number, other: number) => number;
type Lists = readonly [readonly number[], readonly number[]];
const over: Combine = (mine, other) => mine / other;

const combined = (lists: Lists, combine: Combine): Spread | undefined =>
  lists.some((list) => list.length === 0) ? undefined : pairwise(lists, combine);

type Reader = {
  readonly of: (series: Series) => readonly number[];
  readonly ratio: (
    value: keyof Sample,
    connections: number,
    pair: readonly [string, string],
  ) => Spread | undefined;
};

function readerOf(findings: Findings): Reader {
  const of = (series: Series): readonly number[] => valuesOf(findings, series);
  return {
    of,
    ratio: (value, connections, [mine, other]) =>
      combined([of({ id: mine, connections, value }), of({ id: other, connections, value })], over),
  };
}

const shifted = (spread: Spread | undefined, by: number): Spread | undefined =>
  spread && { median: spread.median - by, min: spread.min - by, max: spread.max - by };

function callFigures(findings: Findings): Figure[] {
  const { of, ratio } = readerOf(findings);
  const { disk = [] } = findings;
  const bare = ['path', 'undici'] as const;
  const syncUs = summary(disk.map(({ sync }) => sync.p50Us))?.median ?? 0;
  const commitP99Us = summary(disk.map(({ commit }) => commit.p99Us))?.median ?? 0;
  const listsOf = (value: keyof Sample, connections: number): Lists => [
    of({ id: 'path', connections, value }),
    of({ id: 'undici', connections, value }),
  ];
  const added = combined(listsOf('p50Us', SINGLE), (mine, other) => mine - other);
  const tail = combined(listsOf('p99Us', CROWD), (mine, other) => mine / (2 * other + commitP99Us));
  const rate = (connections: number, pair: readonly [string, string]) =>
    ratio('requestsPerS', connections, pair);
  return [
    { name: 'req/s ÷ bare undici, 64 connections', unit: '', value: rate(CROWD, bare), target: least(0.45) },
    { name: 'req/s ÷ bare undici, 16', unit: '', value: rate(SOME, bare), target: least(0.3) },
    {
      name: 'CPU per call ÷ bare undici, 64',
      unit: '',
      value: ratio('cpuUs', CROWD, bare),
      target: most(2.2),
    },
    { name: 'CPU per call ÷ bare undici, 16', unit: '', value: ratio('cpuUs', SOME, bare) },
    { name: 'p50 − bare − one fdatasync, 1', unit: 'µs', value: shifted(added, syncUs), target: most(300) },
    { name: 'p99 ÷ (2 × bare p99 + a commit’s p99), 64', unit: '', value: tail, target: most(1) },
    {
      name: '/v1/proxy: req/s ÷ path form, 64',
      unit: '',
      value: rate(CROWD, ['proxy', 'path']),
      target: least(0.75),
    },
    { name: 'req/s ÷ nginx adding a header, 64', unit: '', value: rate(CROWD, ['path', 'nginx']) },
    { name: 'req/s ÷ mitmproxy, 64', unit: '', value: rate(CROWD, ['path', 'mitmproxy']), target: least(10) },
  ];
}

/** The better of both, repeat by repeat. */
function bestGateway(of: Reader['of']): readonly number[] {
  const lists = GATEWAYS.map((id) => of({ id, connections: SOME, value: 'requestsPerS' })).filter(
    ({ length }) => length > 0,
  );
  const [first = []] = lists;
  return first.map((_, at) => Math.max(...lists.map((list) => list[at] ?? 0)));
}

function mcpFigures(findings: Findings): Figure[] {
  const { of, ratio } = readerOf(findings);
  const rate = (pair: readonly [string, string]) => ratio('requestsPerS', SOME, pair);
  const onward = of({ id: 'mcp-mcp', connections: SOME, value: 'requestsPerS' });
  return [
    { name: 'MCP: req/s ÷ empty tool, 16', unit: '', value: rate(['mcp', 'empty']), target: least(0.75) },
    {
      name: 'MCP of 2025: req/s ÷ empty tool, 16',
      unit: '',
      value: rate(['mcp-2025', 'empty-2025']),
      target: least(0.75),
    },
    { name: 'MCP: CPU per call ÷ empty tool, 16', unit: '', value: ratio('cpuUs', SOME, ['mcp', 'empty']) },
    {
      name: 'MCP: req/s ÷ best npm gateway, same MCP server, 16',
      unit: '',
      value: combined([onward, bestGateway(of)], over),
      target: least(1),
    },
    {
      name: 'MCP: req/s ÷ bare undici, same MCP server, 16',
      unit: '',
      value: rate(['mcp-mcp', 'undici-mcp']),
      target: least(0.25),
    },
  ];
}

type Kind = 'p50Us' | 'p99Us';

/** What each adds to the upstream alone, one by the other. */
function addedRatio(delays: readonly Delays[], kind: Kind): Spread | undefined {
  const of = (id: string): readonly number[] =>
    delays.find((one) => one.id === id)?.samples.map((sample) => sample[kind]) ?? [];
  const direct = of('direct');
  const added = (id: string): number[] => of(id).map((value, at) => value - (direct[at] ?? Number.NaN));
  return combined([added('path'), added('undici')], over);
}

function delayRatio(delays: readonly Delays[], kind: Kind): Spread | undefined {
  const of = (id: string): readonly number[] =>
    delays.find((one) => one.id === id)?.samples.map((sample) => sample[kind]) ?? [];
  return combined([of('path'), of('undici')], over);
}

function latencyFigures({ arrivals = [], streams = [], slowDisk = [] }: Findings): Figure[] {
  const waits = slowDisk.map(({ commit, sample }) => sample.p99Us / commit.p50Us);
  return [
    {
      name: '1,000 calls/s, 10 ms service: added p50 ÷ bare',
      unit: '',
      value: addedRatio(arrivals, 'p50Us'),
      target: most(3.5),
    },
    {
      name: '1,000 calls/s, 10 ms service: added p99 ÷ bare',
      unit: '',
      value: addedRatio(arrivals, 'p99Us'),
      target: most(2.5),
    },
    {
      name: '64 event streams: p50 of the delay ÷ bare',
      unit: '',
      value: delayRatio(streams, 'p50Us'),
      target: most(1.6),
    },
    { name: '64 event streams: p99 of the delay ÷ bare', unit: '', value: delayRatio(streams, 'p99Us') },
    { name: 'fsync + 4 ms: p99 at 64 ÷ commit time', unit: '', value: summary(waits), target: most(10) },
  ];
}

const one = (value: number): Spread => spreadOf([value]);

function verificationFigures({ verification }: Findings): Figure[] {
  if (verification === undefined) return [];
  const { coldUs, warmUs, deepWarmUs } = verification;
  return [
    { name: 'verification of a passport, cold', unit: 'µs', value: spreadOf(coldUs) },
    { name: 'verification of a passport, warm', unit: 'µs', value: spreadOf(warmUs), target: most(5) },
    { name: 'the same after four delegations, warm', unit: 'µs', value: spreadOf(deepWarmUs) },
  ];
}

function footprintFigures({ footprint }: Findings): Figure[] {
  if (footprint === undefined) return [];
  const { startMs, idleMb, busyMb, after } = footprint;
  const [first, last] = [after.at(0)?.[1] ?? 0, after.at(-1)?.[1] ?? 0];
  const growth = after.length > 1 ? one((last / first - 1) * 100) : undefined;
  return [
    { name: 'ready after', unit: 'ms', value: spreadOf(startMs) },
    { name: 'memory, idle', unit: 'MB', value: one(idleMb), target: most(128) },
    { name: 'memory, busy', unit: 'MB', value: one(busyMb), target: most(256) },
    {
      name: 'memory, growth from call 100,000 to 300,000 (--long)',
      unit: '%',
      value: growth,
      target: most(5),
    },
  ];
}

export function figuresOf(findings: Findings): Figure[] {
  const { arrivals, streams, slowDisk, systems } = findings;
  const hasLatency = [arrivals, streams, slowDisk].some((part) => part !== undefined);
  return [
    ...(systems === undefined ? [] : [...callFigures(findings), ...mcpFigures(findings)]),
    ...(hasLatency ? latencyFigures(findings) : []),
    ...verificationFigures(findings),
    ...footprintFigures(findings),
  ];
}
