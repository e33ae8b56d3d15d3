// Mutation testing of the parts that nobody may get past: changes them one small place at a time and asks whether their
// own tests notice. Ends with 1 where a group stays below its score. Arguments choose groups or modules by their names.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { EQUIVALENTS } from './equivalents.ts';
import { GROUPS, type Group, SCORE_MIN } from './groups.ts';
import { type Judged, judge, type Report, type Survivor, type Tally } from './score.ts';

process.chdir(new URL('../..', import.meta.url).pathname);

/** Installed beside what is built: a folder of packages below `test` would be taken for tests. */
const FOLDER = 'dist/mutation';
const NICE = 10;
/** What a test file may take beyond its usual time before a mutant counts as endless. */
const TIMEOUT_MS = 5_000;
const TIMEOUT_FACTOR = 2;
/** The switches between the mutants slow every line down, so that a test of speed fails without a mutant. */
const TESTS_OF_SPEED = '/linear time|without end/';
const CHANCE = './test/mutation/fixed-chance.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const say = (text: string): boolean => process.stdout.write(`${text}\n`);

function install(): void {
  mkdirSync(FOLDER, { recursive: true });
  const lock = readFileSync('test/mutation/package-lock.json', 'utf8');
  const mark = `${FOLDER}/installed.json`;
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) return;
  for (const name of ['package.json', 'package-lock.json'])
    copyFileSync(`test/mutation/${name}`, `${FOLDER}/${name}`);
  const args = ['ci', '--ignore-scripts', '--no-fund', '--no-audit'];
  const done = spawnSync('npm', args, { cwd: FOLDER, stdio: ['ignore', 2, 2] });
  if (done.status !== 0) throw new Error(`npm ci failed: ${done.error?.message ?? done.status}`);
  writeFileSync(mark, lock);
}

/** A group of processes that ends as a whole: a mutant that loops for ever would outlive whoever started it. */
async function whole(args: readonly string[]): Promise<unknown> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 2, 2], detached: true });
  const stop = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    process.exit(1);
  };
  for (const signal of SIGNALS) process.once(signal, stop);
  const [code] = (await once(child, 'exit')) as unknown[];
  for (const signal of SIGNALS) process.off(signal, stop);
  return code;
}

type Run = { readonly modules: readonly string[]; readonly concurrency: number };

async function mutate({ name, tests }: Group, { modules, concurrency }: Run): Promise<Judged> {
  const report = `${FOLDER}/${name}.json`;
  const config = `${FOLDER}/${name}.config.json`;
  const settings = {
    testRunner: 'tap',
    plugins: ['@stryker-mutator/tap-runner'],
    mutate: modules,
    tap: {
      testFiles: tests,
      nodeArgs: [
        '--test-reporter=tap',
        `--test-skip-pattern=${TESTS_OF_SPEED}`,
        '-r',
        '{{hookFile}}',
        '--import',
        CHANCE,
        '{{testFile}}',
      ],
      forceBail: true,
    },
    coverageAnalysis: 'perTest',
    concurrency,
    timeoutMS: TIMEOUT_MS,
    timeoutFactor: TIMEOUT_FACTOR,
    ignorePatterns: ['dist', 'data'],
    tempDirName: `${FOLDER}/sandbox`,
    cleanTempDir: 'always',
    // Node itself strips the types: nothing of the compiler's is to be rewritten.
    tsconfigFile: 'none',
    disableTypeChecks: false,
    reporters: ['json', 'progress-append-only'],
    jsonReporter: { fileName: report },
    allowConsoleColors: false,
  };
  writeFileSync(config, JSON.stringify(settings, undefined, 2));
  const code = await whole([`${FOLDER}/node_modules/@stryker-mutator/core/bin/stryker.js`, 'run', config]);
  if (code !== 0) throw new Error(`the run of ${name} failed`);
  return judge(JSON.parse(readFileSync(report, 'utf8')) as Report, EQUIVALENTS);
}

const COLUMNS = ['killed', 'timedOut', 'survived', 'unloadable', 'equivalent'] as const;
const NAME_CHARS = 40;
const COLUMN_CHARS = 12;

const cells = (first: string, rest: readonly string[]): string =>
  [first.padEnd(NAME_CHARS), ...rest.map((cell) => cell.padStart(COLUMN_CHARS))].join('');
const heading = cells('', ['killed', 'timed out', 'survived', 'unloadable', 'equivalent', 'score']);
const row = (tally: Tally): string =>
  cells(tally.name, [...COLUMNS.map((column) => String(tally[column])), `${tally.score.toFixed(1)} %`]);

const plain = (text: string): string => text.replace(/\s+/g, ' ');
const survivorLine = ({ file, line, from, to }: Survivor): string =>
  `${file}:${line}: ${plain(from)}  →  ${plain(to)}`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { concurrency: { type: 'string', default: '2' } },
  });
  const chosen = GROUPS.map((group) => {
    const modules = globSync(group.modules).sort();
    const named = (module: string): boolean => positionals.some((word) => module.includes(word));
    const whole = positionals.length === 0 || positionals.includes(group.name);
    return { group, modules: whole ? modules : modules.filter(named) };
  }).filter(({ modules }) => modules.length > 0);
  if (chosen.length === 0) throw new Error(`nothing is called ${positionals.join(' or ')}`);
  setPriority(NICE);
  install();
  const concurrency = Number(values.concurrency);
  const judged: (Judged & { readonly name: string })[] = [];
  for (const { group, modules } of chosen) {
    say(`${group.name}: ${modules.join(', ')}`);
    judged.push({ name: group.name, ...(await mutate(group, { modules, concurrency })) });
  }
  for (const { name, modules, whole, survivors, stale } of judged) {
    say(['', heading, ...modules.map(row), row({ ...whole, name })].join('\n'));
    for (const survivor of survivors) say(survivorLine(survivor));
    for (const { file, line } of stale) say(`equivalents.ts: no survivor fits any more: ${file}: ${line}`);
  }
  const low = judged.filter(({ whole, stale }) => whole.score < SCORE_MIN || stale.length > 0);
  for (const { name } of low) say(`${name}: below ${SCORE_MIN} %, or an explanation is out of date`);
  return low.length === 0 ? 0 : 1;
}

process.exitCode = await main();
