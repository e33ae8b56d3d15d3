// K1 kills at random moments, K2 at every write of one pass, K3 at every write of a start after a crash.
import { join } from 'node:path';
import { look } from '#test/platform/storage/throwaway.ts';
import { ask } from '#test/support/requests.ts';
import { ACTS } from './acts.ts';
import { startAndJudge } from './after.ts';
import { attempt, startLoad } from './load.ts';
import { type Running, serve } from './process.ts';
import { AGENT, HELD, initStage, keepImage, type Stage } from './stage.ts';
import { readState } from './state.ts';
import { attach, type Point, underStrace } from './strace.ts';

export type Report = {
  kills: number;
  slowestMs: number;
  readonly violations: string[];
  /** What happened how often. */
  readonly counts: Record<string, number>;
};

const emptyReport = (): Report => ({ kills: 0, slowestMs: 0, violations: [], counts: {} });

/** Begins with the first values of both secrets, so that calls can be made. */
async function prepared(seed: number): Promise<{ readonly stage: Stage; readonly running: Running }> {
  const stage = await initStage(seed);
  const running = serve(stage);
  if ((await running.ready) === undefined) throw new Error(running.output());
  for (const act of ['secret set', 'other secret set'])
    await attempt(ACTS[act] ?? failing, { stage, running, name: 'first' });
  return { stage, running };
}

const failing = (): Promise<void> => Promise.reject(new Error('no such act'));

/** A run of an hour says where it is. */
const PROGRESS_EVERY = 25;

async function again(stage: Stage, label: string, report: Report): Promise<Running> {
  report.kills += 1;
  const { running, readyMs, violations } = await startAndJudge(stage, label);
  report.slowestMs = Math.max(report.slowestMs, readyMs);
  report.violations.push(...violations);
  for (const one of violations) process.stderr.write(`${one}\n`);
  if (report.kills % PROGRESS_EVERY === 0)
    process.stderr.write(`${label}: ${report.kills} kills, ${report.violations.length} violations\n`);
  return running;
}

/** A stage grows with every kill, and all of it is judged each time: after so many, another one. */
const KILLS_PER_STAGE = 25;
const START_SHARE = 0.25;

/** Kills at a moment from 0 to `longestMs` after the start of the load, or, every fourth time, of the process. */
export async function killAtRandom(options: {
  readonly kills: number;
  readonly seed: number;
  readonly longestMs: number;
}): Promise<Report> {
  const report = emptyReport();
  for (let from = 0; from < options.kills; from += KILLS_PER_STAGE) {
    const { stage, running: first } = await prepared(options.seed + from);
    let running = first;
    try {
      for (let round = from; round < Math.min(from + KILLS_PER_STAGE, options.kills); round += 1)
        running = await killOnce(stage, {
          running,
          report,
          longestMs: options.longestMs,
          label: `K1-${round}`,
        });
      tally(report, stage);
    } finally {
      await running.kill();
      await stage.dispose();
    }
  }
  return report;
}

function tally({ counts }: Report, { journal }: Stage): void {
  counts['requests at the upstream'] = (counts['requests at the upstream'] ?? 0) + journal.received.length;
  for (const { effect } of journal.acknowledged) counts[effect.kind] = (counts[effect.kind] ?? 0) + 1;
}

type Round = {
  readonly running: Running;
  readonly report: Report;
  readonly longestMs: number;
  readonly label: string;
};

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function killOnce(stage: Stage, { running, report, longestMs, label }: Round): Promise<Running> {
  if (stage.random() < START_SHARE) {
    await running.kill();
    const starting = serve(stage);
    const started = starting.ready.catch(() => undefined);
    await pause(stage.random() * Math.min(longestMs, LONGEST_START_MS));
    await starting.kill();
    await started;
    return again(stage, `${label} in a start`, report);
  }
  const load = startLoad(stage, running, { label });
  await pause(stage.random() * longestMs);
  load.stopping();
  await running.kill();
  await load.ended;
  return again(stage, label, report);
}

const LONGEST_START_MS = 1_500;
/** What settles after the answer has its writes, too: so long a process that was to die is waited for. */
const SETTLED_MS = 300;
const DEAD_AFTER_MS = 2_000;
const LATE_MS = 30;
/** No act has more writes than this; a sweep that gets here is one that goes round in circles. */
const POINTS_MAX = 400;
/** Every act and every start has about so many of each, at least; points of a sample are drawn from these. */
const FEWEST = { pwrite64: 12, fsync: 1, ftruncate: 1, unlink: 1 } as const;
type Call = Point['call'];

/** All points, or so many drawn by chance. */
export type Sweep = { readonly seed: number; readonly sample?: number };
/** Of these acts. */
export type ActSweep = Sweep & { readonly acts: readonly string[] };

/** `dies` tries one point and answers whether it was reached: a sweep of one call ends at the first that was not. */
async function sweep(calls: readonly Call[], dies: (point: Point) => Promise<boolean>): Promise<void> {
  for (const call of calls)
    for (let number = 1; number < POINTS_MAX && (await dies({ call, number })); number += 1);
}

function draw<One>(from: readonly One[], random: () => number): One {
  const one = from[Math.floor(random() * from.length)];
  if (one === undefined) throw new Error('nothing to draw from');
  return one;
}

const drawPoint = (calls: readonly Call[], random: () => number): Point => {
  const call = draw(calls, random);
  return { call, number: 1 + Math.floor(random() * FEWEST[call]) };
};

const ACT_CALLS = ['pwrite64', 'fsync'] as const;

/** Kills at each write of each act in turn: the N-th, until the act has fewer. */
export async function killAtEachWrite({ seed, sample, acts }: ActSweep): Promise<Report> {
  const report = emptyReport();
  const { stage, running: first } = await prepared(seed);
  let running = first;
  /** The write after the last look was the one: it shows when the next point is tried. */
  const diedLate = async (thrown: unknown): Promise<undefined> => {
    await Promise.race([running.ended, pause(DEAD_AFTER_MS)]);
    if (running.alive()) throw thrown;
  };
  const dies = async (name: string, point: Point): Promise<boolean> => {
    const label = `K2 ${name}, ${point.call} ${point.number}`;
    const tracer = await attach(running.pid(), point).catch(diedLate);
    if (tracer === undefined) {
      running = await again(stage, `before ${label}`, report);
      return dies(name, point);
    }
    const asName = label.replaceAll(/\W+/g, '-').toLowerCase();
    await attempt(ACTS[name] ?? failing, { stage, running, name: asName });
    await Promise.race([running.ended, pause(SETTLED_MS)]);
    await tracer.detach();
    await Promise.race([running.ended, pause(LATE_MS)]);
    if (running.alive()) return false;
    report.counts[point.call] = (report.counts[point.call] ?? 0) + 1;
    running = await again(stage, label, report);
    return true;
  };
  try {
    for (let drawn = 0; drawn < (sample ?? 0); drawn += 1)
      await dies(draw(acts, stage.random), drawPoint(ACT_CALLS, stage.random));
    if (sample === undefined) for (const name of acts) await sweep(ACT_CALLS, (point) => dies(name, point));
    tally(report, stage);
  } finally {
    await running.kill();
    await stage.dispose();
  }
  return report;
}

const START_CALLS = ['pwrite64', 'fsync', 'ftruncate', 'unlink'] as const;
const HELD_CALLS = 3;

/** A crash with calls under way, and then one more at each write of the start that mends it. */
export async function killAtEachWriteOfStart({ seed, sample }: Sweep): Promise<Report> {
  const report = emptyReport();
  const { stage, running } = await prepared(seed);
  try {
    await crashWithOpenCalls(stage, running);
    const image = await keepImage(stage);
    const dies = async (point: Point): Promise<boolean> => {
      await image.restore();
      if (!(await diesInStart(stage, point))) return false;
      report.counts[point.call] = (report.counts[point.call] ?? 0) + 1;
      const mended = await again(stage, `K3 ${point.call} ${point.number}`, report);
      await mended.kill();
      // What this start was asked is not in the image.
      stage.journal.received.length = HELD_CALLS;
      return true;
    };
    for (let drawn = 0; drawn < (sample ?? 0); drawn += 1) await dies(drawPoint(START_CALLS, stage.random));
    if (sample === undefined) await sweep(START_CALLS, dies);
  } finally {
    await stage.dispose();
  }
  return report;
}

/** One call that the upstream holds while the process is killed: how it ended in the log, and how often it was sent. */
export async function cutCall(seed: number) {
  const report = emptyReport();
  const { stage, running: first } = await prepared(seed);
  await crashWithOpenCalls(stage, first);
  const running = await again(stage, 'a cut call', report);
  try {
    const path = `${HELD}-0`;
    const { entries } = look(join(stage.dataDir, 'stack.db'), readState);
    const [intent] = entries.filter(({ outcome, bytes }) => outcome === 'pending' && bytes.includes(path));
    const outcomes = entries
      .filter(({ refers_to: of }) => of === intent?.entry_id)
      .map(({ outcome }) => outcome);
    const sent = stage.journal.received.filter((one) => one.path === path).length;
    return { ...report, outcomes, sent };
  } finally {
    await running.kill();
    await stage.dispose();
  }
}

async function crashWithOpenCalls(stage: Stage, running: Running): Promise<void> {
  const calls = Array.from({ length: HELD_CALLS }, (_, at) =>
    ask(stage, '/v1/proxy', {
      headers: { 'x-stack-agent': AGENT },
      body: { service: 'ledger', method: 'POST', path: `${HELD}-${at}`, body: {} },
    }).catch(() => undefined),
  );
  while (stage.journal.received.length < HELD_CALLS) await pause(5);
  await running.kill();
  await Promise.all(calls);
}

async function diesInStart(stage: Stage, point: Point): Promise<boolean> {
  const starting = serve(stage, underStrace(point));
  const ready = await starting.ready;
  // A start that got through had fewer writes.
  if (ready !== undefined) await starting.kill();
  return ready === undefined;
}
