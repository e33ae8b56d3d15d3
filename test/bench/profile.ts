// Where the time of a call goes: ours under the load of 64 connections, watched by V8 itself. The source is run in place of
// the bundle, since only there does each function stand in the file that it was written in.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { closedLoop } from './closed-loop.ts';
import { monotonicUs } from './event-streams.ts';
import { oursMcpSystems } from './mcp-systems.ts';
import { warmUp } from './measure.ts';
import { type OursSetup, startOurs } from './ours.ts';
import { type CpuProfile, type Period, type ThreadProfile, threadProfile } from './profile-parts.ts';
import { oursSystems } from './systems.ts';

const SOURCE = resolve(import.meta.dirname, '../../src/main.ts');
const CONNECTIONS = 64;
/** Where a profile is that of the writer, one of its functions stands in this file. */
const WRITER = /\/src\/pipeline\/commit-worker\.ts$/;

type Plan = {
  readonly setup: Omit<OursSetup, 'program'>;
  /** Which form of the call. */
  readonly id: string;
  readonly seconds: number;
  readonly warmUpCalls: number;
  readonly atEnd: (dispose: () => Promise<void>) => void;
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function read(folder: string, period: Period): ThreadProfile[] {
  const all = readdirSync(folder).map(
    (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as CpuProfile,
  );
  // That of `init` ended before the load.
  return all
    .filter(({ startTime, timeDeltas }) => startTime + sum(timeDeltas) > period.fromUs)
    .flatMap((profile) => {
      const isWriter = profile.nodes.some(({ callFrame }) => WRITER.test(callFrame.url));
      const isMain = profile.nodes.some(({ callFrame }) => callFrame.url.endsWith('/src/main.ts'));
      if (isMain) return [threadProfile('main thread', profile, period)];
      return isWriter ? [threadProfile('writer thread', profile, period)] : [];
    });
}

export async function profileOurs({
  setup,
  id,
  seconds,
  warmUpCalls,
  atEnd,
}: Plan): Promise<ThreadProfile[]> {
  const folder = join(setup.folder, 'profiles');
  mkdirSync(folder);
  const program = [process.execPath, '--cpu-prof', `--cpu-prof-dir=${folder}`, '--disable-sigusr1', SOURCE];
  const ours = await startOurs({ ...setup, program });
  atEnd(ours.appliance.dispose);
  try {
    const system = [...oursSystems(ours), ...oursMcpSystems(ours)].find((one) => one.id === id);
    if (system === undefined) throw new Error(`there is no form ${id}`);
    await warmUp(system, warmUpCalls);
    const target = await system.target();
    const edges: number[] = [];
    const onEdge = (): void => void edges.push(monotonicUs());
    const { windowCalls: calls } = await closedLoop({
      target,
      connections: CONNECTIONS,
      warmMs: 500,
      windowMs: seconds * 1000,
      onEdge,
    });
    await ours.appliance.stop();
    const [fromUs = 0, toUs = 0] = edges;
    return read(folder, { fromUs, toUs, calls });
  } finally {
    await ours.appliance.dispose();
  }
}
