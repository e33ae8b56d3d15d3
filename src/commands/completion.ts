// `stack completion SHELL`: the script that a shell loads.
import type { Command } from '#surfaces/cli/command.ts';
import { type CompletedShell, SCRIPTS } from '#surfaces/cli/completion-scripts.ts';
import { EXIT } from '#surfaces/cli/exit.ts';

export const completionCommand: Command = {
  name: 'completion',
  group: 'Run',
  summary: 'Print a completion script for bash, zsh or fish.',
  positionals: [
    {
      name: 'shell',
      kind: 'text',
      required: true,
      description: 'bash, zsh or fish.',
      choices: Object.keys(SCRIPTS),
    },
  ],
  options: [],
  example: 'source <(stack completion bash)      # in ~/.bashrc',
  run: async ({ shell, values }) => {
    shell.out(SCRIPTS[values['shell'] as CompletedShell]);
    return EXIT.done;
  },
};
