// A run as text: its figures, and what the judge says of it.
import { machine } from '#test/bench/machine.ts';
import { shown, table } from '#test/bench/report.ts';
import { percentile } from '#test/bench/statistics.ts';
import type { Evidence } from './evidence.ts';
import { addedMs, growthOf, type Verdict } from './judge.ts';

const FAULTS_SHOWN = 5;
const MS_PER_MINUTE = 60_000;

/** Memory as it went: every so many minutes the sample at hand. */
const MEMORY_POINTS = 10;

function memoryText({ samples, beganMs }: Evidence): string {
  const step = Math.max(1, Math.floor(samples.length / MEMORY_POINTS));
  return samples
    .filter((_, at) => at % step === 0)
    .map(({ atMs, rssMb }) => `${((atMs - beganMs) / MS_PER_MINUTE).toFixed(1)} min ${rssMb.toFixed(0)}`)
    .join(', ');
}

function figures(evidence: Evidence): readonly (readonly [string, string])[] {
  const { settings, calls, samples, loop, cpuMs, idleMb, acts } = evidence;
  const added = addedMs(evidence);
  const delays = Float64Array.from(loop.map(({ p99Ms }) => p99Ms)).sort();
  const growth = growthOf(evidence);
  return [
    ['minutes', shown(settings.seconds / 60)],
    ['agents, each with a connection', String(settings.agents)],
    ['calls', String(calls.length)],
    ['a call over its upstream, p50', `${shown(percentile(added, 0.5))} ms`],
    ['the same, p99', `${shown(percentile(added, 0.99))} ms`],
    ['CPU a call', `${shown(cpuMs / calls.length)} ms`],
    ['event-loop delay, p99 of ten seconds: median', `${shown(percentile(delays, 0.5))} ms`],
    ['the same at its worst', `${shown(percentile(delays, 1))} ms`],
    ['the longest delay', `${shown(Math.max(...loop.map(({ maxMs }) => maxMs)))} ms`],
    ['memory before anybody came', `${shown(idleMb)} MB`],
    ['memory at its most', `${shown(Math.max(...samples.map(({ rssMb }) => rssMb)))} MB`],
    ['growth of memory', growth === undefined ? '–' : `${shown(growth)} %`],
    ['kills, reloads, rotations', [acts.kills, acts.reloads, acts.rotations].join(', ')],
    ['slowest start after a kill', acts.kills === 0 ? '–' : `${shown(acts.slowestStartMs)} ms`],
  ];
}

export function verdictText({ claim, found, faults }: Verdict): string {
  const head = `${faults.length === 0 ? 'holds' : 'FAILS'}  ${claim} (${found})`;
  const some = faults.slice(0, FAULTS_SHOWN);
  const more = faults.length > some.length ? [`and ${faults.length - some.length} more`] : [];
  return [head, ...some, ...more].join('\n         ');
}

/** Without a name or a path of the machine. */
export function reportText(evidence: Evidence, verdicts: readonly Verdict[]): string {
  const { cpu, cores, kernel, filesystem, node, load } = machine(import.meta.dirname);
  return [
    `${evidence.settings.name}: ${cpu}, ${cores} cores, ${kernel}, ${filesystem}, Node ${node}, load average at the end ${load.toFixed(2)}`,
    table(['', evidence.settings.name], figures(evidence)),
    `memory in MB: ${memoryText(evidence)}`,
    verdicts.map(verdictText).join('\n'),
  ].join('\n\n');
}
