// Opens the appliance for a command. Imported late: what only reads the config starts in a fraction of the time.
import { chmodSync, mkdirSync } from 'node:fs';
import type { Appliance } from '#appliance.ts';
import type { Config } from '#config.ts';
import type { Assets } from '#platform/host/assets.ts';
import type { Log, Screen } from '#platform/log/log.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { Halt } from '#surfaces/cli/halt.ts';
import type { Shell } from '#surfaces/cli/shell.ts';

const OWNER_ONLY_FOLDER = 0o700;

export type Opening = {
  readonly version: string;
  readonly environment: Shell['environment'];
  /** Takes the lines of the process log. */
  readonly writeLog: (line: string) => void;
  /** Who reads them. */
  readonly logScreen: Screen;
};
export type Opened = { readonly appliance: Appliance; readonly log: Log };

export async function open(config: Config, opening: Opening): Promise<Opened> {
  const { version, environment, writeLog, logScreen } = opening;
  const [{ configReloader }, { openAppliance }, { systemHost }, { locateAssets }, { createLog }] =
    await Promise.all([
      import('#config.ts'),
      import('#appliance.ts'),
      import('#platform/host/host.ts'),
      import('#platform/host/assets.ts'),
      import('#platform/log/log.ts'),
    ]);
  mkdirSync(config.dataDir, { recursive: true, mode: OWNER_ONLY_FOLDER });
  chmodSync(config.dataDir, OWNER_ONLY_FOLDER);
  const log = createLog({ write: writeLog }, logScreen);
  log.configure(config.log);
  const readConfig = configReloader(config.configPath, environment);
  const assets = assetsOf(() => locateAssets(config.dataDir));
  const machine = { host: systemHost(), log, assets, environment, readConfig, version };
  return { appliance: await openAppliance(config, machine), log };
}

/** A library that cannot be loaded is the machine's fault, and its message says what to do. */
function assetsOf(locate: () => Assets): Assets {
  try {
    return locate();
  } catch (thrown) {
    throw new Halt(thrown instanceof Error ? thrown.message : String(thrown), EXIT.refused);
  }
}
