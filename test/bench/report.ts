// Results as text: ratios with their targets first, absolute figures after them, and the machine they are of.
import type { Delays } from './latency.ts';
import type { Machine } from './machine.ts';
import type { ThreadProfile } from './profile-parts.ts';
import { type Compared, type Findings, type LogCheck, type Results, summary } from './results.ts';
import type { Spread } from './statistics.ts';
import { type Figure, figuresOf, isMet } from './targets.ts';

type Cell = string;

/** A table in Markdown, aligned, so that it reads well at a terminal and pastes into README. */
export function table(head: readonly Cell[], rows: readonly (readonly Cell[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly Cell[]): string =>
    `| ${widths.map((width, column) => (row[column] ?? '').padEnd(width)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** Three digits that count, thousands with a comma. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const range = ({ min, max }: Spread): string => (min === max ? '' : `${shown(min)} – ${shown(max)}`);

function withRange(values: readonly number[]): string {
  const spread = summary(values);
  if (spread === undefined) return '–';
  return spread.min === spread.max ? shown(spread.median) : `${shown(spread.median)} (${range(spread)})`;
}

const WORDS = { least: 'at least', most: 'at most' } as const;

type Measured = Figure & { readonly value: Spread };

function figureRow(figure: Measured): Cell[] {
  const { name, unit, value, target } = figure;
  const wanted = target === undefined ? '' : `${WORDS[target.bound]} ${shown(target.value)} ${unit}`.trim();
  const met = isMet(figure);
  const judged = met === undefined ? '' : met ? 'met' : 'MISSED';
  return [name, `${shown(value.median)} ${unit}`.trim(), range(value), wanted, judged];
}

function figuresText(figures: readonly Figure[]): string {
  const measured = figures.filter((figure): figure is Measured => figure.value !== undefined);
  const rest = figures.filter(({ value }) => value === undefined).map(({ name }) => name);
  const rows = table(['ours', 'median', 'min – max', 'target', ''], measured.map(figureRow));
  return rest.length === 0 ? rows : `${rows}\n\nNot measured: ${rest.join('; ')}`;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** Of a core: nearer to its end than this, and it is what limits. */
const FULL = 0.93;

/** Which side had no time left. Neither: something else was waited for, such as a disk, or another program. */
function saturated(system: number, generator: number): string {
  if (system >= FULL) return 'system';
  return generator >= FULL ? 'generator' : 'neither';
}

function absoluteRows({ title, samples }: Compared): Cell[][] {
  return Object.entries(samples).map(([connections, list]) => {
    const of = (value: keyof (typeof list)[number]): number[] => list.map((sample) => sample[value]);
    const middle = (value: keyof (typeof list)[number]): number => summary(of(value))?.median ?? Number.NaN;
    const [system, generator, others] = [middle('systemBusy'), middle('generatorBusy'), middle('othersBusy')];
    const speed = [withRange(of('requestsPerS')), shown(middle('p50Us')), shown(middle('p99Us'))];
    const busy = [system, generator, others].map(percent).join(', ');
    return [title, connections, ...speed, withRange(of('cpuUs')), busy, saturated(system, generator)];
  });
}

function absoluteTable(systems: readonly Compared[]): string {
  const speed = ['req/s (min – max)', 'p50 µs', 'p99 µs', 'CPU µs a call (min – max)'];
  return table(
    ['', 'connections', ...speed, 'busy: system, generator, others', 'at its end'],
    systems.flatMap(absoluteRows),
  );
}

/** More of the core under test than this in other hands, and the figures are of two programs. */
const DISTURBED = 0.1;

function disturbance(systems: readonly Compared[]): string | undefined {
  const shares = systems.flatMap(({ samples }) =>
    Object.values(samples)
      .flat()
      .map((sample) => sample.othersBusy),
  );
  const most = Math.max(0, ...shares);
  if (most <= DISTURBED) return undefined;
  const often = shares.filter((share) => share > DISTURBED).length;
  return `Something else took up to ${percent(most)} of the core under test, in ${often} of ${shares.length} measurements: these figures are worth less.`;
}

function machineText(of: Machine): string {
  const { cpu, cores, memoryGib, kernel, filesystem, node, load } = of;
  const parts = [cpu, `${cores} cores`, `${memoryGib} GiB`, kernel, filesystem, `Node ${node}`];
  return `${parts.join(', ')}; load average at the start ${load.toFixed(2)}`;
}

function diskText({ disk = [], slowDisk = [] }: Findings): string {
  const times = [
    ['one fdatasync', disk.map(({ sync }) => sync)],
    ['one commit of one row, alone', disk.map(({ commit }) => commit)],
    ['the same with fsync + 4 ms', slowDisk.map(({ commit }) => commit)],
    ['a call with fsync + 4 ms, 64 connections', slowDisk.map(({ sample }) => sample)],
  ] as const;
  const rows = times
    .filter(([, list]) => list.length > 0)
    .map(([name, list]) => [
      name,
      withRange(list.map(({ p50Us }) => p50Us)),
      withRange(list.map(({ p99Us }) => p99Us)),
    ]);
  return table(['the disk of the data', 'p50 µs', 'p99 µs'], rows);
}

function delayTable(what: string, delays: readonly Delays[]): string {
  const rows = delays.map(({ title, samples }) => [
    title,
    withRange(samples.map(({ p50Us }) => p50Us)),
    withRange(samples.map(({ p99Us }) => p99Us)),
  ]);
  return table([what, 'p50 µs', 'p99 µs'], rows);
}

function logText(logs: readonly LogCheck[]): string {
  const lines = logs.map(({ valid, calls, entries, expected }) => {
    const chain = valid ? 'the chain verifies' : 'THE CHAIN DOES NOT VERIFY';
    return `${calls} calls, ${entries} entries, ${expected} expected; ${chain}`;
  });
  return ['Logs of ours (two entries for each call, one for each passport and start):', ...lines].join(
    '\n  ',
  );
}

function profileText(threads: readonly ThreadProfile[]): string {
  const rows = (shares: ThreadProfile['parts']): Cell[][] =>
    shares.map(({ name, percent: share, usPerCall }) => [name, share.toFixed(1), usPerCall.toFixed(1)]);
  return threads
    .flatMap(({ thread, parts, functions }) => [
      table([thread, '% of its time', 'µs a call'], rows(parts)),
      table([`${thread}: functions`, '% alone', 'µs a call'], rows(functions)),
    ])
    .join('\n\n');
}

const footprintText = ({ after }: NonNullable<Findings['footprint']>): string =>
  `Memory after calls: ${after.map(([calls, mb]) => `${calls}: ${shown(mb)} MB`).join(', ')}`;

function absentText(absent: NonNullable<Findings['absent']>): string {
  return ['Not here:', ...absent.map(({ title, reason }) => `${title}: ${reason}`)].join('\n  ');
}

export function reportText(results: Results): string {
  const { repeats, seconds, upstream, isPinned, date, machine } = results;
  const pinned = isPinned ? 'the system under test on a core of its own' : 'CORES NOT HELD APART';
  const { systems, arrivals, streams, disk, slowDisk, footprint, profile, absent = [], logs = [] } = results;
  const figures = figuresOf(results);
  const parts = [
    `${date}: ${machineText(machine)}`,
    `${repeats} × ${seconds} s, interleaved; ${pinned}; upstream ${upstream}`,
    systems && disturbance(systems),
    figures.length > 0 && figuresText(figures),
    systems && absoluteTable(systems),
    absent.length > 0 && absentText(absent),
    arrivals && delayTable('1,000 calls/s at random, 10 ms service', arrivals),
    streams && delayTable('64 streams, an event each 20 ms: delay', streams),
    (disk ?? slowDisk) && diskText(results),
    footprint && footprintText(footprint),
    profile && profileText(profile),
    logs.length > 0 && logText(logs),
  ];
  return `\n${parts.filter((part) => typeof part === 'string').join('\n\n')}\n`;
}
