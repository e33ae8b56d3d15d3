// Reads the report of a run: what each module scored and which mutants are left. Killed and timed out are detected;
// survived and reached by no test are not; what does not even load does not count, either way.
import type { Equivalent } from './equivalents.ts';

/** The part we read of the mutation testing report schema, version 2. */
export type Report = { readonly files: Readonly<Record<string, ReportedFile>> };
type ReportedFile = { readonly source: string; readonly mutants: readonly Mutant[] };
type Mutant = {
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly status: string;
  readonly location: { readonly start: Position; readonly end: Position };
};
/** Both count from 1. */
type Position = { readonly line: number; readonly column: number };

export type Survivor = {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly from: string;
  readonly to: string;
};
export type Tally = {
  readonly name: string;
  readonly killed: number;
  readonly timedOut: number;
  readonly survived: number;
  /** Changed so that the module does not even load: certainly noticed, but by no sentence of a test. */
  readonly unloadable: number;
  /** Among the survivors of the tool, those that `equivalents.ts` explains. */
  readonly equivalent: number;
  /** In percent of all but the equivalent ones. */
  readonly score: number;
};
export type Judged = {
  readonly modules: readonly Tally[];
  readonly whole: Tally;
  readonly survivors: readonly Survivor[];
  /** Entries that fit no survivor any more. */
  readonly stale: readonly Equivalent[];
};

const LIVING = ['Survived', 'NoCoverage'];

export function judge(report: Report, known: readonly Equivalent[]): Judged {
  const files = Object.entries(report.files).sort(([one], [other]) => one.localeCompare(other));
  const survivors: Survivor[] = [];
  const used = new Set<Equivalent>();
  const modules = files.map(([file, { source, mutants }]) => {
    const living = mutants
      .filter(({ status }) => LIVING.includes(status))
      .map((mutant) => survivorOf(file, { source, mutant }));
    const real = living.filter((survivor) => {
      const entry = known.find((one) => explains(one, survivor));
      if (entry !== undefined) used.add(entry);
      return entry === undefined;
    });
    survivors.push(...real);
    const count = (wanted: string): number => mutants.filter(({ status }) => status === wanted).length;
    return tally(file, {
      killed: count('Killed'),
      timedOut: count('Timeout'),
      survived: real.length,
      unloadable: count('RuntimeError'),
      equivalent: living.length - real.length,
    });
  });
  const stale = known.filter((entry) => entry.file in report.files && !used.has(entry));
  return { modules, whole: sum(modules), survivors, stale };
}

function survivorOf(
  file: string,
  { source, mutant }: { readonly source: string; readonly mutant: Mutant },
): Survivor {
  const { start, end } = mutant.location;
  const lines = source.split('\n');
  const offset = ({ line, column }: Position): number =>
    lines.slice(0, line - 1).reduce((chars, text) => chars + text.length + 1, column - 1);
  return {
    file,
    line: start.line,
    text: (lines[start.line - 1] ?? '').trim(),
    from: source.slice(offset(start), offset(end)),
    to: mutant.replacement ?? mutant.mutatorName,
  };
}

const explains = (entry: Equivalent, { file, text, from, to }: Survivor): boolean =>
  entry.file === file && entry.line === text && entry.from === from && entry.to === to;

type Counts = Omit<Tally, 'name' | 'score'>;

function tally(name: string, counts: Counts): Tally {
  const detected = counts.killed + counts.timedOut;
  const all = detected + counts.survived;
  return { name, ...counts, score: all === 0 ? 100 : (100 * detected) / all };
}

function sum(modules: readonly Tally[]): Tally {
  const total = (key: keyof Counts): number => modules.reduce((many, module) => many + module[key], 0);
  return tally('all', {
    killed: total('killed'),
    timedOut: total('timedOut'),
    survived: total('survived'),
    unloadable: total('unloadable'),
    equivalent: total('equivalent'),
  });
}
