// `stack serve`: the appliance from its start to its end. What a process is, signals above all, is handed in by `main.ts`.
import type { Config } from '#config.ts';
import { FATAL_GRACE_MS, SHUTDOWN_GRACE_MS } from '#kernel/limits.ts';
import { urlOf } from '#platform/net/listening.ts';
import type { Command, Given } from '#surfaces/cli/command.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { say } from '#surfaces/cli/shell.ts';
import { readConfigFile } from './config-file.ts';
import { type Opened, type Opening, open } from './open.ts';

export type Lifetime = {
  readonly pid: number;
  readonly runtime: string;
  /** Resolves with the first signal to stop; a second one ends the process at once. */
  readonly untilStopped: () => Promise<void>;
  /** The default of a hang-up would be to end. */
  readonly onHangUp: (listener: () => void) => void;
};

export function serveCommand(opening: Opening, lifetime: Lifetime): Command {
  return {
    name: 'serve',
    group: 'Run',
    summary: 'Run the appliance until a signal stops it.',
    positionals: [],
    options: [],
    example: 'stack serve --config /etc/stack/config.yaml',
    run: async (given) => {
      const config = await readConfigFile(given);
      return config === undefined ? EXIT.usage : serve(given, config, { ...opening, ...lifetime });
    },
  };
}

async function serve({ shell }: Given, config: Config, machine: Opening & Lifetime): Promise<number> {
  const { version, runtime } = machine;
  // Before anything else: a signal that comes during the start waits for its end, and a hang-up ends nothing.
  const stopped = machine.untilStopped();
  let reload: (() => void) | undefined;
  let missed = false;
  machine.onHangUp(() => {
    missed = reload === undefined;
    reload?.();
  });
  const { appliance, log } = await open(config, machine);
  const { port } = await appliance.listen();
  reload = () => void appliance.reload();
  if (missed) reload();
  const { sqliteVersion, synchronous } = appliance.check;
  const listening = urlOf({ ...config.listen, port });
  log.info('started', { address: listening, version, node: runtime, sqlite: sqliteVersion, synchronous });
  const ready = {
    listening,
    mcp_url: `${config.publicUrl}/mcp`,
    pid: machine.pid,
  };
  const forPeople = `listening on ${ready.listening}, agents use ${ready.mcp_url}`;
  say(shell, shell.outputIsTerminal ? forPeople : JSON.stringify(ready));
  const failure = await Promise.race([stopped.then(() => undefined), appliance.failed]);
  if (failure !== undefined) return failStop(failure, { appliance, log });
  log.info('stopping');
  await appliance.close(SHUTDOWN_GRACE_MS);
  log.info('stopped');
  return EXIT.done;
}

/**
 * To go on could lose what was acknowledged: after a failed fsync the kernel may have dropped what it could not write, and a
 * second fsync would say that all is well. The next start reads what is there and settles it.
 */
async function failStop(reason: string, { appliance, log }: Opened): Promise<number> {
  await appliance.close(FATAL_GRACE_MS);
  log.error('stopped: only a new start can tell what the disk has kept; start stack again', { reason });
  return EXIT.refused;
}
