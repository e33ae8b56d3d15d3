// Results as text: ratios with their targets first, absolute figures after them, and the machine they are of.
import type { Machine } from './machine.ts';
import type { ThreadProfile } from './profile-parts.ts';
import { type Compared, type Results, summary } from './results.ts';
import type { Spread } from './statistics.ts';
import { callFigures, type Figure, isMet } from './targets.ts';

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

const range = ({ min, max }: Spread): string => `${shown(min)} – ${shown(max)}`;
const WORDS = { least: 'at least', most: 'at most' } as const;

function figureRow(figure: Figure): Cell[] {
  const { name, unit, value, target } = figure;
  const met = isMet(figure);
  const [measured, spread] = value
    ? [`${shown(value.median)} ${unit}`.trim(), range(value)]
    : ['not measured', ''];
  const wanted = target === undefined ? '' : `${WORDS[target.bound]} ${shown(target.value)} ${unit}`.trim();
  return [name, measured, spread, wanted, met === undefined ? '' : met ? 'met' : 'MISSED'];
}

const figureTable = (figures: readonly Figure[]): string =>
  table(['', 'median', 'min – max', 'target', ''], figures.map(figureRow));

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** Which side had no time left. Both or neither may be so: then something else was waited for. */
function saturated(system: number, generator: number): string {
  const full = 0.93;
  if (system >= full) return 'system';
  if (generator >= full) return 'generator';
  return 'neither';
}

function absoluteRows({ title, samples }: Compared): Cell[][] {
  return Object.entries(samples).map(([connections, list]) => {
    const of = (value: keyof (typeof list)[number]): Spread =>
      summary(list.map((sample) => sample[value])) ?? { median: Number.NaN, min: 0, max: 0 };
    const [system, generator] = [of('systemBusy').median, of('generatorBusy').median];
    return [
      title,
      connections,
      `${shown(of('requestsPerS').median)} (${range(of('requestsPerS'))})`,
      shown(of('p50Us').median),
      shown(of('p99Us').median),
      `${shown(of('cpuUs').median)} (${range(of('cpuUs'))})`,
      `${percent(system)}, ${percent(generator)}`,
      saturated(system, generator),
    ];
  });
}

function absoluteTable({ systems, absent }: Results): string {
  const head = [
    '',
    'conn',
    'req/s (min – max)',
    'p50 µs',
    'p99 µs',
    'CPU µs/call (min – max)',
    'busy: system, generator',
    'saturated',
  ];
  const missing = absent.map(({ title, reason }) => [title, '–', reason]);
  return table(head, [...systems.flatMap(absoluteRows), ...missing]);
}

function machineText(of: Machine): string {
  const { cpu, cores, memoryGib, kernel, filesystem, node, load } = of;
  return `${cpu}, ${cores} cores, ${memoryGib} GiB, ${kernel}, ${filesystem}, Node ${node}, load average at the start ${load.toFixed(2)}`;
}

function diskText({ disk }: Results): string {
  const of = (values: readonly number[]): string => {
    const spread = summary(values);
    return spread === undefined ? '–' : `${shown(spread.median)} (${range(spread)})`;
  };
  const rows = (['sync', 'commit'] as const).map((kind) => [
    kind === 'sync' ? 'one fdatasync' : 'one commit of one row, alone',
    of(disk.map((times) => times[kind].p50Us)),
    of(disk.map((times) => times[kind].p99Us)),
  ]);
  return table(['on the disk of the data', 'p50 µs', 'p99 µs'], rows);
}

function logText({ log }: Results): string {
  if (log === undefined) return 'The log was not looked at: none of ours ran.';
  const { valid, calls, entries, expected } = log;
  const chain = valid ? 'the chain verifies' : 'THE CHAIN DOES NOT VERIFY';
  return `Log: ${calls} calls, ${entries} new entries, ${expected} expected (two per call, one per passport issued); ${chain}.`;
}

function profileText(threads: readonly ThreadProfile[]): string {
  return threads
    .flatMap(({ thread, parts, functions }) => [
      table(
        [thread, '%'],
        parts.map(({ name, percent: share }) => [name, share.toFixed(1)]),
      ),
      table(
        [`${thread}: functions`, '% alone'],
        functions.map(({ name, percent: share }) => [name, share.toFixed(1)]),
      ),
    ])
    .join('\n\n');
}

function comparedText(results: Results): string[] {
  const { repeats, seconds, upstream, isPinned, systems } = results;
  if (systems.length === 0) return [];
  const pinned = isPinned ? 'the system under test on a core of its own' : 'CORES NOT HELD APART';
  return [
    `${repeats} repeats of ${seconds} s, interleaved; ${pinned}; upstream ${upstream}`,
    figureTable(callFigures(results)),
    absoluteTable(results),
    diskText(results),
    logText(results),
  ];
}

export function reportText(results: Results): string {
  const { date, machine, profile } = results;
  const parts = [`${date}: ${machineText(machine)}`, ...comparedText(results)];
  if (profile !== undefined) parts.push(profileText(profile));
  return `\n${parts.join('\n\n')}\n`;
}
