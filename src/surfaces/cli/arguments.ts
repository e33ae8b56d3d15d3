// The command line as data. Wrong usage is exit code 2 with one line that says what would be right.
import { parseArgs } from 'node:util';

export const COMMANDS = ['serve', 'init', 'check', 'seal', 'version', 'help'] as const;
export type Command = (typeof COMMANDS)[number];
export type Arguments = {
  readonly command: Command;
  readonly config: string;
  readonly json: boolean;
  readonly newApiKey: boolean;
  readonly service: string | undefined;
  readonly hosts: readonly string[];
};

export const USAGE = `stack, the self-hosted control plane for AI agents

  stack init    --config FILE [--json] [--new-api-key]   create what is missing and print it once; starts nothing
  stack serve   --config FILE                            run the appliance
  stack check   --config FILE                            read the config and say every mistake at once
  stack seal    --config FILE --service NAME [--host H]   read a secret from standard input, print it sealed for the YAML
  stack version                                          print the version

FILE is config.yaml by default. Exit codes: 0 done · 1 refused · 2 wrong usage or config · 3 appliance not
reachable, or another instance holds the data · 78 unsupported runtime.
`;

export function readArguments(argv: readonly string[]): Arguments | { readonly problem: string } {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: 'string', default: 'config.yaml' },
        json: { type: 'boolean', default: false },
        'new-api-key': { type: 'boolean', default: false },
        service: { type: 'string' },
        host: { type: 'string', multiple: true, default: [] },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', default: false },
      },
    });
    const first = values.help ? 'help' : values.version ? 'version' : (positionals[0] ?? 'help');
    const command = COMMANDS.find((known) => known === first);
    if (command === undefined)
      return { problem: `unknown command ${first}; there are: ${COMMANDS.join(', ')}` };
    if (positionals.length > 1)
      return { problem: `${first} takes no further argument, got ${positionals[1]}` };
    if (command === 'seal' && values.service === undefined)
      return { problem: 'seal needs --service NAME, a service of the config' };
    const { config, json, service, host: hosts } = values;
    return { command, config, json, newApiKey: values['new-api-key'], service, hosts };
  } catch (thrown) {
    return { problem: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}
