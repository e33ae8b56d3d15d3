// One run from the first system to the check of the log. What cannot run on this machine is noted with the way to get it.
import { resolve } from 'node:path';
import { compare, type Progress } from './compare.ts';
import { type DiskTimes, probeDisk } from './disk.ts';
import { type Ours, type OursSetup, startOurs } from './ours.ts';
import { profileOurs } from './profile.ts';
import type { Absent, LogCheck, Results } from './results.ts';
import type { Settings } from './settings.ts';
import { hasProgram } from './spawned.ts';
import { ROOT, type Stage } from './stage.ts';
import {
  directSystem,
  oursSystems,
  type Started,
  type System,
  startNginxProxy,
  startUndici,
} from './systems.ts';

const ENTRIES_PER_CALL = 2;

type Run = { readonly settings: Settings; readonly stage: Stage; readonly progress: Progress };

const programOf = (entry: string): string[] =>
  /\.m?[jt]s$/.test(entry) ? [process.execPath, resolve(ROOT, entry)] : [resolve(ROOT, entry)];

function setupOf({ settings, stage }: Run): OursSetup {
  const { folder, upstream, node } = stage;
  return { folder, program: programOf(settings.entry), upstreamPort: upstream.port, nodePort: node.port };
}

async function checkLog(ours: Ours, before: number, calls: number): Promise<LogCheck> {
  const { valid, entries } = await ours.entries();
  const expected = calls * ENTRIES_PER_CALL + ours.passportsIssued();
  return { valid, calls, entries: entries - before, expected };
}

type Neighbour = {
  readonly id: string;
  readonly title: string;
  readonly open: () => Promise<Started>;
  /** Why it is not here, and how to get it. */
  readonly lacks?: string | undefined;
};

function neighbours({ stage }: Run): Neighbour[] {
  const { upstream, folder } = stage;
  const nginx = hasProgram('nginx') ? undefined : 'not installed: apt-get install nginx-light';
  return [
    { id: 'undici', title: 'bare Node proxy, undici', open: () => startUndici(upstream.port) },
    {
      id: 'nginx',
      title: 'nginx, header added',
      open: () => startNginxProxy(upstream.port, folder),
      lacks: nginx,
    },
  ];
}

/** Starts those that were asked for. */
async function startNeighbours(run: Run): Promise<{ systems: System[]; absent: Absent[] }> {
  const absent: Absent[] = [];
  const systems: System[] = [];
  for (const { id, title, open, lacks } of neighbours(run)) {
    if (run.settings.only?.includes(id) === false) continue;
    if (lacks !== undefined) {
      absent.push({ title, reason: lacks });
      continue;
    }
    const { system, stop } = await open();
    run.stage.atEnd(stop);
    systems.push(system);
  }
  return { systems, absent };
}

const frame = ({ settings, stage }: Run) => ({
  date: new Date().toISOString(),
  machine: stage.machine,
  seconds: settings.seconds,
  repeats: settings.repeats,
  isPinned: stage.isPinned,
  upstream: stage.upstream.name,
});

export async function compareSystems(run: Run): Promise<Results> {
  const { settings, stage, progress } = run;
  const isWanted = ({ id }: System): boolean => settings.only?.includes(id) ?? true;
  const { systems: others, absent } = await startNeighbours(run);
  const ours = await startOurs(setupOf(run));
  stage.atEnd(ours.appliance.dispose);
  const { entries: before } = await ours.entries();
  const own = [directSystem(stage.upstream.port), ...oursSystems(ours)].filter(isWanted);
  const disk: DiskTimes[] = [];
  const { compared, ownCalls } = await compare({
    systems: [...others, ...own],
    settings,
    upstreamPids: stage.upstreamPids,
    onRepeat: () => void disk.push(probeDisk(stage.folder)),
    progress,
  });
  return { ...frame(run), systems: compared, absent, disk, log: await checkLog(ours, before, ownCalls) };
}

export async function profileOnly(run: Run): Promise<Results> {
  const { settings } = run;
  const [id = 'path'] = settings.only ?? [];
  const { seconds, warmUpCalls } = settings;
  const profile = await profileOurs({ setup: setupOf(run), id, seconds, warmUpCalls });
  return { ...frame(run), systems: [], absent: [], disk: [], log: undefined, profile };
}
