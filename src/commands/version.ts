// `stack version`. It loads nothing, so it also answers where the rest of the program would not start.
import type { Command } from '#surfaces/cli/command.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { say } from '#surfaces/cli/shell.ts';

export const versionCommand = (version: string): Command => ({
  name: 'version',
  group: 'Run',
  summary: 'Print the version.',
  positionals: [],
  options: [],
  example: 'stack version',
  run: async ({ shell, json }) => {
    say(shell, json ? JSON.stringify({ version }) : version);
    return EXIT.done;
  },
});
