// `stack check`: the config is read as `serve` would read it, and nothing else happens.
import type { Command } from '#surfaces/cli/command.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { say } from '#surfaces/cli/shell.ts';
import { readConfigFile } from './config-file.ts';

export const checkCommand: Command = {
  name: 'check',
  group: 'Run',
  summary: 'Read the config and say every mistake at once. Changes nothing.',
  positionals: [],
  options: [],
  example: 'stack check --config config.yaml',
  run: async (given) => {
    const config = await readConfigFile(given);
    if (config === undefined) return EXIT.usage;
    say(given.shell, given.json ? JSON.stringify({ valid: true }) : `${given.config}: no mistakes`);
    return EXIT.done;
  },
};
