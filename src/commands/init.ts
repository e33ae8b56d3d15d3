// `stack init`: makes what is missing and prints it once. While the appliance runs it goes over the socket, since the
// data has one owner at a time.
import { resolve } from 'node:path';
import type { Config } from '#config.ts';
import { readAsset } from '#platform/host/assets.ts';
import { createConfigFile } from '#platform/host/files.ts';
import { callSocket, socketPathOf } from '#platform/net/local-socket.ts';
import type { Command, Given } from '#surfaces/cli/command.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { Halt } from '#surfaces/cli/halt.ts';
import { say } from '#surfaces/cli/shell.ts';
import { readConfigFile } from './config-file.ts';
import { type Opening, open } from './open.ts';

export function initCommand(opening: Opening): Command {
  return {
    name: 'init',
    group: 'Run',
    summary: 'Create what is missing and print it once. Starts nothing.',
    positionals: [],
    options: [
      {
        name: 'new_api_key',
        kind: 'flag',
        required: false,
        description: 'Make another API key and print it.',
      },
    ],
    example: 'stack init --config config.yaml',
    run: async (given) => {
      const problem = createConfigFile(resolve(given.config), readAsset('config.example.yaml'));
      if (problem !== undefined) throw new Halt(problem, EXIT.usage);
      const config = await readConfigFile(given);
      return config === undefined ? EXIT.usage : init(given, config, opening);
    },
  };
}

async function init(given: Given, config: Config, opening: Opening): Promise<number> {
  const { shell } = given;
  const socket = socketPathOf(config.dataDir, shell.environment);
  const anew = given.values['new_api_key'] === true;
  const running = (await callSocket(socket, { method: 'GET', route: '/healthz' })) !== undefined;
  const apiKey = running ? await keyOfRunning(socket, anew) : await keyOfStopped(config, opening, { anew });
  const { configPath, dataDir, keyFile, publicUrl } = config;
  const mcpUrl = `${publicUrl}/mcp`;
  if (given.json) {
    const urls = { mcp_url: mcpUrl, dashboard_url: null, setup_url: null };
    const places = { config: configPath, data_dir: dataDir, key_file: keyFile };
    say(shell, JSON.stringify({ api_key: apiKey, ...urls, ...places }));
    return EXIT.done;
  }
  const shown = apiKey ?? 'made before, shown once; --new-api-key makes another';
  say(shell, `api key    ${shown}\nmcp url    ${mcpUrl}\nconfig     ${configPath}`);
  say(shell, `data       ${dataDir}\nkey file   ${keyFile}\nsocket     ${socket}`);
  return EXIT.done;
}

async function keyOfStopped(
  config: Config,
  opening: Opening,
  { anew }: { readonly anew: boolean },
): Promise<string | null> {
  const { appliance } = await open(config, opening);
  try {
    return await appliance.firstKey(anew);
  } finally {
    await appliance.close(0);
  }
}

async function keyOfRunning(socket: string, anew: boolean): Promise<string | null> {
  if (!anew) return null;
  const answer = await callSocket(socket, { method: 'POST', route: '/v1/keys', body: { name: 'init' } });
  const body = answer?.body as { api_key?: string } | undefined;
  if (answer?.status !== 201 || body?.api_key === undefined) {
    throw new Halt('the running appliance refused to make a key', EXIT.refused);
  }
  return body.api_key;
}
