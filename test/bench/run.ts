// One run, part by part: who does how much, how long a call takes that comes at random, what a slow disk does, what it all
// takes in memory. Each part has an appliance of its own, whose log is held against the calls that were made.
import { programOf } from '#test/support/appliance.ts';
import { compare, type Progress } from './compare.ts';
import { probeDisk, slowSyncs } from './disk.ts';
import { footprint } from './footprint.ts';
import { arrivingCalls, eventStreams, type Plan } from './latency.ts';
import { oursMcpSystems } from './mcp-systems.ts';
import { measure, warmUp } from './measure.ts';
import { neighbours } from './neighbours.ts';
import { type Ours, type OursSetup, startOurs } from './ours.ts';
import { profileOurs } from './profile.ts';
import type { Absent, Findings, Results } from './results.ts';
import type { Part, Settings } from './settings.ts';
import type { Stage } from './stage.ts';
import { directSystem, oursSystems, type System } from './systems.ts';
import { verification } from './verification.ts';

export type Run = { readonly settings: Settings; readonly stage: Stage; readonly progress: Progress };

const SLOW_SYNC_MS = 4;
const MS_PER_S = 1000;
const CROWD = 64;

function setupOf({ settings, stage }: Run): OursSetup {
  const { folder, upstream, node, mcp } = stage;
  const ports = { upstreamPort: upstream.port, nodePort: node.port, mcpPort: mcp.port };
  return { folder, program: programOf(settings.entry), ...ports };
}

/** An appliance for one part; `work` is followed by the check of its log. */
async function withOurs(
  run: Run,
  { env = {}, work }: { env?: Record<string, string>; work: (ours: Ours) => Promise<Findings> },
): Promise<Findings> {
  const ours = await startOurs({ ...setupOf(run), env });
  run.stage.atEnd(ours.appliance.dispose);
  try {
    const found = await work(ours);
    return { ...found, logs: [await ours.checkLog()] };
  } finally {
    await ours.appliance.dispose();
  }
}

/** Starts those that were asked for. */
async function startNeighbours({ settings, stage }: Run): Promise<{ systems: System[]; absent: Absent[] }> {
  const absent: Absent[] = [];
  const systems: System[] = [];
  const { only } = settings;
  for (const { ids, open, lacks } of neighbours(stage)) {
    if (only !== undefined && !ids.some((id) => only.includes(id))) continue;
    if (lacks === undefined) systems.push(...(await open()));
    else absent.push({ title: ids.join(), reason: lacks });
  }
  return { systems, absent };
}

async function compareSystems(run: Run): Promise<Findings> {
  const { settings, stage, progress } = run;
  const { systems: others, absent } = await startNeighbours(run);
  const isWanted = ({ id }: System): boolean => settings.only?.includes(id) ?? true;
  const work = async (ours: Ours): Promise<Findings> => {
    const disk: ReturnType<typeof probeDisk>[] = [];
    const own = [...oursSystems(ours), ...oursMcpSystems(ours)];
    const systems = await compare({
      systems: [directSystem(stage.upstream.port), ...others, ...own].filter(isWanted),
      settings,
      upstreamPids: stage.upstreamPids,
      onRepeat: () => void disk.push(probeDisk(stage.folder)),
      progress,
    });
    return { systems, absent, disk };
  };
  return withOurs(run, { work });
}

/** Ours with every sync so much slower, as on an ordinary disk: do calls wait for one commit or for many? */
async function onSlowDisk(run: Run): Promise<Findings> {
  const { settings, stage, progress } = run;
  const env = slowSyncs(stage.folder, SLOW_SYNC_MS);
  if (env === undefined)
    return { absent: [{ title: 'ours on a slow disk', reason: 'no cc to make one: apt-get install gcc' }] };
  const work = async (ours: Ours): Promise<Findings> => {
    const slowDisk = [];
    const [system] = oursSystems(ours);
    if (system === undefined) throw new Error('there is no form of ours');
    await warmUp(system, settings.warmUpCalls / 4);
    const windowMs = settings.seconds * MS_PER_S;
    for (let repeat = 1; repeat <= settings.repeats; repeat += 1) {
      const { commit } = probeDisk(stage.folder, env);
      const window = { connections: CROWD, warmMs: MS_PER_S, windowMs, upstreamPids: stage.upstreamPids };
      const { sample, calls } = await measure(system, window);
      ours.made(calls);
      slowDisk.push({ commit, sample });
      progress(`slow disk: ${Math.round(sample.requestsPerS)} req/s, p99 ${Math.round(sample.p99Us)} µs`);
    }
    return { slowDisk };
  };
  return withOurs(run, { env, work });
}

const planOf = ({ settings, stage, progress }: Run, ours: Ours): Plan => {
  const { repeats, seconds } = settings;
  return { ours, upstream: stage.node, repeats, seconds, progress };
};

async function profileOne(run: Run): Promise<Findings> {
  const { seconds, warmUpCalls, only } = run.settings;
  const [id = 'path'] = only ?? [];
  return {
    profile: await profileOurs({ setup: setupOf(run), id, seconds, warmUpCalls, atEnd: run.stage.atEnd }),
  };
}

const PARTS: Readonly<Record<Part, (run: Run) => Promise<Findings>>> = {
  compare: compareSystems,
  arrivals: (run) =>
    withOurs(run, { work: async (ours) => ({ arrivals: await arrivingCalls(planOf(run, ours)) }) }),
  streams: (run) =>
    withOurs(run, { work: async (ours) => ({ streams: await eventStreams(planOf(run, ours)) }) }),
  'slow-disk': onSlowDisk,
  footprint: (run) =>
    withOurs(run, { work: async (ours) => ({ footprint: await footprint(ours, run.settings.isLong) }) }),
  verification: async ({ settings, stage }) => ({
    verification: await verification(stage.folder, settings.repeats),
  }),
  profile: profileOne,
};

export async function runParts(run: Run): Promise<Results> {
  const { settings, stage, progress } = run;
  let found: Findings = {};
  for (const part of settings.parts) {
    progress(`part: ${part}`);
    const more = await PARTS[part](run);
    const logs = [...(found.logs ?? []), ...(more.logs ?? [])];
    const absent = [...(found.absent ?? []), ...(more.absent ?? [])];
    found = { ...found, ...more, logs, absent };
  }
  return {
    date: new Date().toISOString(),
    machine: stage.machine,
    seconds: settings.seconds,
    repeats: settings.repeats,
    isPinned: stage.isPinned,
    upstream: stage.upstream.name,
    ...found,
  };
}
