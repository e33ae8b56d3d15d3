// `stack check`: the config is read as `serve` would read it. Where the appliance runs, it is asked what the file would
// change. Nothing is changed.
import type { Config } from '#config.ts';
import { callSocket, socketPathOf } from '#platform/net/local-socket.ts';
import type { Command, Given } from '#surfaces/cli/command.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { present } from '#surfaces/cli/present.ts';
import { say } from '#surfaces/cli/shell.ts';
import { readConfigFile } from './config-file.ts';

export const checkCommand: Command = {
  name: 'check',
  group: 'Run',
  summary: 'Read the config, say every mistake at once and what would change. Changes nothing.',
  positionals: [],
  options: [],
  example: 'stack check --config config.yaml',
  run: async (given) => {
    const config = await readConfigFile(given);
    return config === undefined ? EXIT.usage : report(given, await comparison(given, config));
  },
};

/** What the running appliance says of the file; undefined where none runs. */
type Comparison = { readonly problems: readonly unknown[]; readonly changes: readonly unknown[] };

async function comparison({ shell }: Given, config: Config): Promise<Comparison | undefined> {
  const socket = socketPathOf(config.dataDir, shell.environment);
  const answer = await callSocket(socket, { method: 'GET', route: '/v1/config/changes' });
  return answer?.status === 200 ? (answer.body as Comparison) : undefined;
}

function report({ shell, json, config }: Given, running: Comparison | undefined): number {
  const refused = (running?.problems ?? []).length > 0;
  if (json) say(shell, JSON.stringify({ valid: !refused, ...running }));
  else {
    if (!refused) say(shell, `${config}: no mistakes`);
    if (running !== undefined) say(shell, changesText(running, shell.columns));
  }
  return refused ? EXIT.usage : EXIT.done;
}

function changesText({ problems, changes }: Comparison, columns: number | undefined): string {
  if (problems.length > 0)
    return ['the running appliance cannot take it:', ...present({ problems }, columns).lines].join('\n');
  if (changes.length === 0) return 'nothing would change in the running appliance';
  return ['would change in the running appliance:', ...present({ changes }, columns).lines].join('\n');
}
