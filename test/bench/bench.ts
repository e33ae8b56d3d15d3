// `npm run bench`: what a call through the appliance costs, beside its neighbours, in one interleaved run. Prints tables and
// writes dist/bench.json. The log of the appliance must have exactly two entries for each call, or the run has failed.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { Interrupted, interruption } from '#test/support/interruption.ts';
import type { Progress } from './compare.ts';
import { reportText } from './report.ts';
import type { Results } from './results.ts';
import { runParts } from './run.ts';
import { type Settings, settingsOf, USAGE } from './settings.ts';
import { ROOT, setStage } from './stage.ts';

const WRONG_USAGE = 2;
const FAILED = 1;

const progress: Progress = (text) =>
  void process.stderr.write(`${styleText('dim', text, { stream: process.stderr })}\n`);

function assertLogsAreRight({ logs = [] }: Results): void {
  const wrong = logs.filter(({ valid, entries, expected }) => !valid || entries !== expected);
  if (wrong.length > 0) throw new Error('a log does not have exactly what was done');
}

async function bench(settings: Settings): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const run = async (): Promise<Results> => {
    const stage = await setStage(settings.data, stack);
    return runParts({ settings, stage, progress });
  };
  const results = await Promise.race([run(), interruption()]);
  writeFileSync(join(ROOT, 'dist/bench.json'), `${JSON.stringify(results, null, 2)}\n`);
  process.stdout.write(reportText(results));
  assertLogsAreRight(results);
}

async function main(): Promise<number> {
  let settings: Settings | undefined;
  try {
    settings = settingsOf(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}`);
    return WRONG_USAGE;
  }
  if (settings === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  try {
    await bench(settings);
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    process.stderr.write(`\n${(error as Error).stack}\n`);
    return FAILED;
  }
}

// A connection that is still open would hold the process.
process.exit(await main());
