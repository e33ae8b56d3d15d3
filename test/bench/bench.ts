// `npm run bench`: what a call through the appliance costs, beside its neighbours, in one interleaved run. Prints tables and
// writes dist/bench.json. The log of the appliance must have exactly two entries for each call, or the run has failed.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { styleText } from 'node:util';
import { compare, type Progress } from './compare.ts';
import { type DiskTimes, probeDisk } from './disk.ts';
import { machine } from './machine.ts';
import { type Ours, startOurs } from './ours.ts';
import { absoluteTable, diskText, figureTable, logText, machineText } from './report.ts';
import type { LogCheck, Results } from './results.ts';
import { type Settings, settingsOf, USAGE } from './settings.ts';
import { hasProgram, moveBeside } from './spawned.ts';
import {
  directSystem,
  oursSystems,
  type Started,
  type System,
  startNginxProxy,
  startUndici,
} from './systems.ts';
import { callFigures } from './targets.ts';
import { assertDemandsCredential, startNodeUpstream, startUpstream } from './upstream.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const WRONG_USAGE = 2;
const FAILED = 1;
const SIGNALLED = 128;
const ENTRIES_PER_CALL = 2;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const progress: Progress = (text) =>
  void process.stderr.write(`${styleText('dim', text, { stream: process.stderr })}\n`);

const programOf = (entry: string): string[] =>
  /\.m?[jt]s$/.test(entry) ? [process.execPath, resolve(ROOT, entry)] : [resolve(ROOT, entry)];

async function checkLog(ours: Ours, before: number, calls: number): Promise<LogCheck> {
  const { valid, entries } = await ours.entries();
  return {
    valid,
    calls,
    entries: entries - before,
    expected: calls * ENTRIES_PER_CALL + ours.passportsIssued(),
  };
}

async function run(settings: Settings, stage: AsyncDisposableStack): Promise<Results> {
  const below = resolve(ROOT, settings.data ?? 'dist');
  mkdirSync(below, { recursive: true });
  const folder = mkdtempSync(join(below, 'bench-'));
  stage.defer(() => rmSync(folder, { recursive: true, force: true }));
  const of = machine(folder);
  const isPinned = moveBeside();
  const upstream = await startUpstream(folder);
  stage.defer(upstream.stop);
  await assertDemandsCredential(upstream.port);
  const slow = await startNodeUpstream();
  stage.defer(slow.stop);
  await assertDemandsCredential(slow.port);

  const wanted = (id: string): boolean => settings.only?.includes(id) ?? true;
  const systems: System[] = [];
  const add = async (id: string, open: () => Promise<Started>): Promise<void> => {
    if (!wanted(id)) return;
    const { system, stop } = await open();
    stage.defer(stop);
    systems.push(system);
  };
  if (wanted('direct')) systems.push(directSystem(upstream.port));
  await add('undici', () => startUndici(upstream.port));
  if (hasProgram('nginx')) await add('nginx', () => startNginxProxy(upstream.port, folder));
  const program = programOf(settings.entry);
  const ours = await startOurs({ folder, program, upstreamPort: upstream.port, nodePort: slow.port });
  stage.defer(ours.appliance.dispose);
  systems.push(...oursSystems(ours).filter(({ id }) => wanted(id)));
  const { entries: before } = await ours.entries();

  const disk: DiskTimes[] = [];
  const { compared, ownCalls } = await compare({
    systems,
    settings,
    upstreamPids: [upstream.pid, slow.pid],
    onRepeat: () => void disk.push(probeDisk(folder)),
    progress,
  });
  return {
    date: new Date().toISOString(),
    machine: of,
    seconds: settings.seconds,
    repeats: settings.repeats,
    isPinned,
    upstream: upstream.name,
    systems: compared,
    absent: [],
    disk,
    log: await checkLog(ours, before, ownCalls),
  };
}

function print(results: Results): void {
  const { log, repeats, seconds } = results;
  say(`\n${machineText(results.machine)}`);
  say(`${repeats} repeats of ${seconds} s, interleaved; upstream ${results.upstream}; ${results.date}\n`);
  say(`${figureTable(callFigures(results))}\n`);
  say(`${absoluteTable(results)}\n`);
  say(`${diskText(results)}\n`);
  say(logText(results));
  if (log !== undefined && (!log.valid || log.entries !== log.expected)) throw new Error('the log is wrong');
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
  await using stage = new AsyncDisposableStack();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => void stage.disposeAsync().finally(() => process.exit(SIGNALLED)));
  try {
    const results = await run(settings, stage);
    writeFileSync(join(ROOT, 'dist/bench.json'), `${JSON.stringify(results, null, 2)}\n`);
    print(results);
    return 0;
  } catch (error) {
    process.stderr.write(`\n${(error as Error).stack}\n`);
    return FAILED;
  }
}

process.exitCode = await main();
