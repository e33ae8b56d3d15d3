// `stack seal`: a secret from standard input becomes text for the config, so that it stands in no list of processes and no
// history. Works beside a running appliance and on the state of a stopped one.
import { locateAssets } from '#platform/host/assets.ts';
import { systemHost } from '#platform/host/host.ts';
import { socketPathOf } from '#platform/net/local-socket.ts';
import { readHidden, readInput } from '#surfaces/cli/ask.ts';
import type { Command } from '#surfaces/cli/command.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { say } from '#surfaces/cli/shell.ts';
import { readConfigFile } from './config-file.ts';

export const sealCommand: Command = {
  name: 'seal',
  group: 'Run',
  summary: 'Seal a secret for one service of the config and print it; the secret comes by standard input.',
  positionals: [],
  options: [
    {
      name: 'service',
      kind: 'text',
      required: true,
      description: 'The service it is for, which stands in the config already.',
      completes: 'services',
    },
    {
      name: 'host',
      kind: 'list',
      required: false,
      description: 'A host it may go to, in place of those of the service; give it once for each.',
    },
  ],
  example: 'stack seal --service billing < token.txt',
  run: async (given) => {
    const { shell, values, json } = given;
    const config = await readConfigFile(given);
    if (config === undefined) return EXIT.usage;
    const { sealText } = await import('#surfaces/cli/seal.ts');
    const value = shell.inputIsTerminal ? await readHidden(shell, 'secret') : await readInput(shell);
    const around = {
      ...config,
      socketPath: socketPathOf(config.dataDir, shell.environment),
      addonPath: locateAssets(config.dataDir).addonPath,
      host: systemHost(),
    };
    const wish = { service: String(values['service']), hosts: (values['host'] ?? []) as string[], value };
    const sealed = await sealText(around, wish);
    say(shell, json ? JSON.stringify({ sealed }) : sealed);
    return EXIT.done;
  },
};
