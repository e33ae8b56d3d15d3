// What a soak does to the appliance beside its load: rotations of the keyring, reloads of the config, kills. None waits for
// another, so that they meet in every order.
import { rename, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Appliance } from '#test/support/appliance.ts';
import { askLocally, type Json } from '#test/support/requests.ts';
import type { Acts, Outage } from './evidence.ts';
import type { Settings } from './settings.ts';
import { configOf, SERVICES, titleOf } from './shop.ts';

const ROTATED_MS = 30_000;
const ROTATION_POLL_MS = 200;
const MS_PER_S = 1000;

export type Outages = {
  readonly all: () => readonly Outage[];
  readonly isDown: () => boolean;
  /** Whether it was down at any time since then. */
  readonly wasCut: (sinceMs: number) => boolean;
  readonly begin: () => void;
  readonly end: () => void;
};

export function rememberOutages(): Outages {
  const all: Outage[] = [];
  const isDown = (): boolean => all.at(-1)?.toMs === Number.POSITIVE_INFINITY;
  return {
    all: () => all,
    isDown,
    wasCut: (sinceMs) => (all.at(-1)?.toMs ?? 0) >= sinceMs,
    begin: () => void all.push({ fromMs: performance.now(), toMs: Number.POSITIVE_INFINITY }),
    end: () => {
      const last = all.pop();
      if (last !== undefined) all.push({ ...last, toMs: performance.now() });
    },
  };
}

type Disturbed = {
  readonly appliance: Appliance;
  readonly settings: Settings;
  readonly outages: Outages;
  /** The config as the appliance was started with. */
  readonly firstConfig: string;
  readonly progress: (text: string) => void;
};
export type Disturbing = {
  /** Ends when the acts under way have ended, and all that was begun is proven to be done. */
  readonly finish: () => Promise<Acts>;
};

/** The rotation that is asked for, to its end. */
async function rotate(appliance: Appliance): Promise<void> {
  const { status, text } = await askLocally(appliance, '/v1/vault/rotate', { body: {} });
  if (status !== 202) throw new Error(`a rotation was not begun: ${status} ${text}`);
  await rotated(appliance);
}

async function rotated(appliance: Appliance): Promise<void> {
  const end = performance.now() + ROTATED_MS;
  for (;;) {
    const { body } = await askLocally(appliance, '/v1/vault');
    if (body['rotating'] === false) return;
    if (performance.now() > end) throw new Error(`a rotation has not ended: ${JSON.stringify(body)}`);
    await pause(ROTATION_POLL_MS);
  }
}

/** Every service shows this version, or the config in force is not one whole file. */
async function assertInForce(appliance: Appliance, version: number): Promise<void> {
  const { body } = await askLocally(appliance, '/v1/services');
  const titles = (body['services'] as Json[] | undefined)?.map(({ title }) => title) ?? [];
  const rightly = titles.filter((title) => title === titleOf(version));
  if (rightly.length !== SERVICES || titles.length !== SERVICES)
    throw new Error(`version ${version} of the config is not in force: ${titles.join(', ')}`);
}

async function reload({ appliance, firstConfig }: Disturbed, version: number): Promise<void> {
  await writeFile(`${appliance.configFile}.new`, configOf(version, firstConfig), { mode: 0o600 });
  await rename(`${appliance.configFile}.new`, appliance.configFile);
  const { status, text } = await askLocally(appliance, '/v1/config/reload', { body: {} });
  if (status !== 200) throw new Error(`a reload: ${status} ${text}`);
  await assertInForce(appliance, version);
}

export function disturb(disturbed: Disturbed): Disturbing {
  const { appliance, settings, outages, progress } = disturbed;
  const acts = { rotations: 0, reloads: 0, kills: 0, slowestStartMs: 0 };
  const faults: string[] = [];
  const stopped = new AbortController();
  let version = 1;
  const kill = async (): Promise<void> => {
    outages.begin();
    await appliance.kill9();
    const { readyMs } = await appliance.restart();
    outages.end();
    acts.kills += 1;
    acts.slowestStartMs = Math.max(acts.slowestStartMs, readyMs);
    progress(`kill ${acts.kills}: ready again after ${Math.round(readyMs)} ms`);
  };
  const disturbances = [
    { everyS: settings.killEveryS, count: () => acts.kills, act: kill },
    {
      everyS: settings.rotateEveryS,
      count: () => acts.rotations,
      act: async () => {
        await rotate(appliance);
        acts.rotations += 1;
      },
    },
    {
      everyS: settings.reloadEveryS,
      count: () => acts.reloads,
      act: async () => {
        version += 1;
        await reload(disturbed, version);
        acts.reloads += 1;
      },
    },
  ].filter(({ everyS }) => everyS > 0);
  const attempt = async (act: () => Promise<void>): Promise<void> => {
    const beganMs = performance.now();
    await act().catch((error: unknown) => {
      if (!outages.wasCut(beganMs)) faults.push(String(error));
    });
  };
  const loops = disturbances.map(async ({ everyS, act }) => {
    while (!stopped.signal.aborted) {
      await pause(everyS * MS_PER_S, undefined, { signal: stopped.signal }).catch(() => undefined);
      if (!stopped.signal.aborted && !outages.isDown()) await attempt(act);
    }
  });
  return {
    finish: async () => {
      stopped.abort();
      await Promise.all(loops);
      // On a slow machine a kill may have left no time for the others.
      for (const { count, act } of disturbances) if (count() === 0) await attempt(act);
      for (const prove of [() => rotated(appliance), () => assertInForce(appliance, version)])
        await prove().catch((error: unknown) => faults.push(`at the end: ${String(error)}`));
      return { ...acts, faults };
    },
  };
}
