// K4: one pass is recorded write by write; for every point and mode the files as a loss of power leaves them are put into a
// fresh folder, opened by the appliance's own start, and judged by what had been acknowledged at that moment.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadConfig } from '#config.ts';
import { look } from '#test/platform/storage/throwaway.ts';
import { configDigests } from './after.ts';
import { knownAt } from './journal.ts';
import { judge, secretRange } from './judge.ts';
import type { Change } from './recorded.ts';
import { type Files, filesAfter, type Loss, type Mode, survivors } from './replay.ts';
import { SERVICES, type Stage, secretValue } from './stage.ts';
import { createStart } from './start.ts';
import { readState } from './state.ts';

export type Recording = {
  readonly stage: Stage;
  /** What lay below the stage's folder before the first change. */
  readonly base: Files;
  readonly changes: readonly Change[];
};
export type Losses = {
  readonly modes: readonly Mode[];
  readonly seeds: readonly number[];
  /** Each so many-th point. */
  readonly every: number;
};
export type LossReport = {
  points: number;
  states: number;
  /** Different ones, each opened once, under the most that was acknowledged for it. */
  opened: number;
  violations: string[];
};

/** Files below a folder, by their relative names; what is neither state nor key is left out. */
export function filesBelow(folder: string): Files {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/-shm$|\.ya?ml/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  return new Map(names.map((name) => [name.slice(folder.length + 1), readFileSync(name)]));
}

const SEEDLESS: readonly Mode[] = ['kept', 'dropped', 'lying'];

export async function replayLosses(recording: Recording, losses: Losses): Promise<LossReport> {
  const { base, changes, stage } = recording;
  const report: LossReport = { points: 0, states: 0, opened: 0, violations: [] };
  const last = new Map<string, Loss>();
  for (let point = 0; point <= changes.length; point += losses.every) {
    report.points += 1;
    for (const mode of losses.modes) {
      for (const seed of SEEDLESS.includes(mode) ? [0] : losses.seeds) {
        report.states += 1;
        const loss = { point, mode, seed };
        last.set(JSON.stringify(survivors(changes, loss)), loss);
      }
    }
  }
  report.opened = last.size;
  const opener = await createOpener(stage);
  for (const loss of last.values()) {
    const found = await opener.judgeFiles(
      filesAfter(base, changes, survivors(changes, loss)),
      momentOf(changes, loss),
    );
    const { mode, point, seed } = loss;
    report.violations.push(...found.map((one) => `K4 ${mode} at ${point}, seed ${seed}: ${one}`));
  }
  opener.close();
  return report;
}

/** The power goes just before the next change begins. */
const momentOf = (changes: readonly Change[], { point }: Loss): number =>
  changes[point]?.atMs ?? Number.POSITIVE_INFINITY;

async function createOpener(stage: Stage) {
  const digests = await configDigests(stage);
  const folder = join(stage.beside, 'replayed');
  const configFile = join(folder, 'config.yaml');
  const newest = stage.configText(stage.journal.begun.get('config') ?? 1);
  const start = await createStart();
  return {
    judgeFiles: async (files: Files, atMs: number): Promise<readonly string[]> => {
      rmSync(folder, { recursive: true, force: true });
      put(folder, files);
      writeFileSync(configFile, newest, { mode: 0o600 });
      try {
        const read = loadConfig(configFile, () => undefined);
        if ('mistakes' in read) return read.mistakes.map(({ message }) => message);
        const values = await start(read.config);
        const expected = { ...stage.journal, ...knownAt(stage.journal, atMs), digests };
        const state = look(join(read.config.dataDir, 'stack.db'), readState);
        return [...judge(state, expected), ...wrongSecrets(values, expected)];
      } catch (thrown) {
        return [`it does not start: ${thrown instanceof Error ? thrown.message : String(thrown)}`];
      }
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function wrongSecrets(
  values: readonly (string | undefined)[],
  expected: Parameters<typeof secretRange>[1],
): readonly string[] {
  return SERVICES.flatMap((service, at) => {
    const { least, most } = secretRange(service, expected);
    const value = values[at];
    if (value === undefined && least === 0) return [];
    const allowed = Array.from({ length: most - least + 1 }, (_, more) => secretValue(service, least + more));
    if (value !== undefined && allowed.includes(value)) return [];
    return [`I8 the secret of ${service} is not one of ${least} to ${most}: ${value?.slice(-12) ?? 'none'}`];
  });
}

function put(folder: string, files: Files): void {
  mkdirSync(join(folder, 'data'), { recursive: true, mode: 0o700 });
  for (const [name, content] of files) {
    const path = join(folder, name);
    if (!existsSync(dirname(path))) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, content, { mode: 0o600 });
  }
}
