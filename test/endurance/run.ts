// One run from its first agent to what is left in the file after the last: load, reader, disturbances and watch beside each other.
import { join } from 'node:path';
import { chainFaults } from '#test/crash/chain.ts';
import { readState } from '#test/crash/state.ts';
import { look } from '#test/platform/storage/throwaway.ts';
import type { Appliance } from '#test/support/appliance.ts';
import { holds, searchFiles } from '#test/support/canary.ts';
import { arriveAtRandom } from './arrivals.ts';
import { disturb, rememberOutages } from './disturb.ts';
import type { Call, Evidence, Remains } from './evidence.ts';
import { readLog } from './log-reader.ts';
import { CANARY } from './shop.ts';
import { type Stage, setStage, type Wanted } from './stage.ts';
import { watch } from './watch.ts';

type Run = Wanted & { readonly progress: (text: string) => void };

const PROGRESS_MS = 30_000;
/** Words of the process log for what is no matter of course. */
const TROUBLE = /"level":(?:"(?:error|fatal)"|[56]0)/;

export async function endure({ progress, ...wanted }: Run): Promise<Evidence> {
  await using stack = new AsyncDisposableStack();
  const { settings } = wanted;
  const stage = await setStage(wanted, stack);
  const { appliance, agents, firstConfig, connections } = stage;
  progress(`${agents.length} agents are connected`);
  const calls: Call[] = [];
  const outages = rememberOutages();
  const watching = await watch(appliance, { connections, isDown: outages.isDown });
  const reader = readLog(appliance, { verifyEveryS: settings.verifyEveryS, wasCut: outages.wasCut });
  reader.start();
  const disturbing = disturb({ appliance, settings, outages, firstConfig, progress });
  const showing = setInterval(() => progress(`${calls.length} calls`), PROGRESS_MS);
  stack.defer(() => clearInterval(showing));
  const beganMs = performance.now();
  await arriveAtRandom({ ...settings, agents, onCall: (call) => void calls.push(call) });
  const endedMs = performance.now();
  const watched = await watching.finish();
  const acts = await disturbing.finish();
  const log = await reader.finish();
  return {
    settings,
    beganMs,
    endedMs,
    calls,
    jtis: agents.map(({ passport }) => passport.jti),
    outages: outages.all(),
    log,
    ...(await stage.upstreamMemory()),
    idleMb: stage.idleMb,
    ...watched,
    connectionsOpened: connections.opened(),
    acts,
    remains: await remainsOf(stage),
  };
}

async function remainsOf({ appliance, agents }: Stage): Promise<Remains> {
  for (const agent of agents) agent.close();
  const { code, signal } = await appliance.stop();
  const ended = code === 0 ? [] : [`it ended with ${code ?? signal}`];
  const trouble = appliance
    .logs()
    .split('\n')
    .filter((line) => TROUBLE.test(line));
  return {
    faults: [...ended, ...trouble],
    chainFaults: look(join(appliance.dataDir, 'stack.db'), (db) => chainFaults(readState(db))),
    leaks: await leaksOf(appliance, agents[0]?.passport.token ?? ''),
  };
}

/** Of a passport its signature is what nobody else can make. */
async function leaksOf(appliance: Appliance, token: string): Promise<readonly string[]> {
  const signature = token.split('.').at(-1) ?? token;
  const secrets = { credential: CANARY, passport: signature, key: appliance.apiKey };
  const leaks: string[] = [];
  for (const [name, secret] of Object.entries(secrets)) {
    const { found } = await searchFiles(appliance.dir, secret);
    leaks.push(...found.map((file) => `a ${name} in ${file}`));
    if (holds(Buffer.from(appliance.logs()), secret)) leaks.push(`a ${name} in the process log`);
  }
  return leaks;
}
