// Opens the appliance for a command. Imported late: what only reads the config starts in a fraction of the time.
import { chmodSync, mkdirSync } from 'node:fs';
import type { Appliance } from '#appliance.ts';
import type { Config } from '#config.ts';
import type { Log } from '#platform/log/log.ts';
import type { Shell } from '#surfaces/cli/shell.ts';

const OWNER_ONLY_FOLDER = 0o700;

export type Opening = {
  readonly log: Log;
  readonly version: string;
  readonly environment: Shell['environment'];
};

export async function open(config: Config, { log, version, environment }: Opening): Promise<Appliance> {
  const [{ openAppliance }, { systemHost }, { locateAssets }] = await Promise.all([
    import('#appliance.ts'),
    import('#platform/host/host.ts'),
    import('#platform/host/assets.ts'),
  ]);
  mkdirSync(config.dataDir, { recursive: true, mode: OWNER_ONLY_FOLDER });
  chmodSync(config.dataDir, OWNER_ONLY_FOLDER);
  return openAppliance(config, { host: systemHost(), log, assets: locateAssets(), environment, version });
}
