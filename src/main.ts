// The process: arguments, signals, exit code. Nothing else touches `process` (invariant 11).
import { chmodSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { SHUTDOWN_GRACE_MS } from '#kernel/limits.ts';
import { locateAssets } from '#platform/host/assets.ts';
import { systemHost } from '#platform/host/host.ts';
import { createLog } from '#platform/log/log.ts';
import { urlOf } from '#platform/net/listening.ts';
import { callSocket, socketPathOf } from '#platform/net/local-socket.ts';
import { type Arguments, readArguments, USAGE } from '#surfaces/cli/arguments.ts';
import { Halt } from '#surfaces/cli/halt.ts';
import manifest from '../package.json' with { type: 'json' };
import type { Appliance } from './appliance.ts';
import { type Config, configReloader, formatMistake, loadConfig } from './config.ts';

/** Contract 1. */
const EXIT = { done: 0, refused: 1, usage: 2, unreachable: 3, runtime: 78 } as const;
const NODE_MAJOR_MIN = 24;
/** Files this process makes are the owner's alone. */
const OWNER_ONLY = 0o077;

const out = (text: string): void => void process.stdout.write(`${text}\n`);
const err = (text: string): void => void process.stderr.write(`${text}\n`);
const environment = (name: string): string | undefined => process.env[name];
const atTerminal = process.stderr.isTTY === true;
const colours = atTerminal && (environment('NO_COLOR') ?? '') === '' && environment('TERM') !== 'dumb';
const log = createLog(
  { write: (line) => void process.stderr.write(line) },
  { terminal: atTerminal, colours },
);

async function main(argv: readonly string[]): Promise<number> {
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
    err(`stack needs Node ${NODE_MAJOR_MIN} or newer, this is ${process.versions.node}`);
    return EXIT.runtime;
  }
  process.umask(OWNER_ONLY);
  const args = readArguments(argv);
  if ('problem' in args) {
    err(`stack: ${args.problem}\n\n${USAGE}`);
    return EXIT.usage;
  }
  if (args.command === 'help') return say(USAGE);
  if (args.command === 'version')
    return say(args.json ? JSON.stringify({ version: manifest.version }) : manifest.version);
  const config = readConfigOrExplain(args);
  if (config === undefined) return EXIT.usage;
  log.configure(config.log);
  if (args.command === 'check')
    return say(args.json ? JSON.stringify({ valid: true }) : `${args.config}: no mistakes`);
  return args.command === 'init' ? init(args, config) : serve(config);
}

function say(text: string): number {
  out(text);
  return EXIT.done;
}

function readConfigOrExplain(args: Arguments): Config | undefined {
  const read = loadConfig(resolve(args.config), environment);
  for (const mistake of 'mistakes' in read ? read.mistakes : read.warnings) {
    const line = formatMistake(args.config, mistake);
    err(mistake.severity === 'warning' ? `warning: ${line}` : line);
  }
  return 'mistakes' in read ? undefined : read.config;
}

async function open(config: Config): Promise<Appliance> {
  const readConfig = configReloader(config.configPath, environment);
  // Late: what only reads the config starts in a fraction of the time.
  const { openAppliance } = await import('./appliance.ts');
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  chmodSync(config.dataDir, 0o700);
  return openAppliance(config, {
    host: systemHost(),
    log,
    assets: locateAssets(),
    environment,
    readConfig,
    version: manifest.version,
  });
}

async function init(args: Arguments, config: Config): Promise<number> {
  const running = await callSocket(socketPathOf(config.dataDir, environment), {
    method: 'GET',
    route: '/healthz',
  });
  const apiKey = running === undefined ? await initStopped(args, config) : await initRunning(args, config);
  const { configPath, dataDir, keyFile, publicUrl } = config;
  const mcpUrl = `${publicUrl}/mcp`;
  if (args.json) {
    const urls = { mcp_url: mcpUrl, dashboard_url: null, setup_url: null };
    return say(
      JSON.stringify({ api_key: apiKey, ...urls, config: configPath, data_dir: dataDir, key_file: keyFile }),
    );
  }
  const shown = apiKey ?? 'made before, shown once; --new-api-key makes another';
  out(
    `api key    ${shown}\nmcp url    ${mcpUrl}\nconfig     ${configPath}\ndata       ${dataDir}\nkey file   ${keyFile}`,
  );
  return say(`socket     ${socketPathOf(config.dataDir, environment)}`);
}

async function initStopped(args: Arguments, config: Config): Promise<string | null> {
  const appliance = await open(config);
  try {
    return await appliance.firstKey(args.newApiKey);
  } finally {
    await appliance.close(0);
  }
}

async function initRunning(args: Arguments, config: Config): Promise<string | null> {
  if (!args.newApiKey) return null;
  const call = { method: 'POST', route: '/v1/keys', body: { name: 'init' } };
  const answer = await callSocket(socketPathOf(config.dataDir, environment), call);
  const body = answer?.body as { api_key?: string } | undefined;
  if (answer?.status !== 201 || body?.api_key === undefined) {
    throw new Halt('the running appliance refused to make a key', EXIT.refused);
  }
  return body.api_key;
}

async function serve(config: Config): Promise<number> {
  const terminal = process.stdout.isTTY === true;
  const appliance = await open(config);
  const stopped = new Promise<void>((resolvePromise) => {
    const stop = (): void => resolvePromise();
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
  });
  process.on('SIGHUP', () => void appliance.reload());
  const { port } = await appliance.listen();
  const { sqliteVersion, synchronous } = appliance.check;
  const { version } = manifest;
  log.info('started', {
    address: urlOf({ ...config.listen, port }),
    version,
    node: process.versions.node,
    sqlite: sqliteVersion,
    synchronous,
  });
  const ready = {
    listening: urlOf({ ...config.listen, port }),
    mcp_url: `${config.publicUrl}/mcp`,
    pid: process.pid,
  };
  out(terminal ? `listening on ${ready.listening}, agents use ${ready.mcp_url}` : JSON.stringify(ready));
  await stopped;
  // A second signal means now; what is durable stays so.
  process.once('SIGTERM', () => process.exit(EXIT.done));
  process.once('SIGINT', () => process.exit(EXIT.done));
  log.info('stopping');
  await appliance.close(SHUTDOWN_GRACE_MS);
  log.info('stopped');
  return EXIT.done;
}

process.on('uncaughtException', (error) => {
  err(`stack: unexpected error, stopping: ${error.stack ?? error.message}`);
  process.exit(EXIT.refused);
});

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (thrown: unknown) => {
    err(
      `stack: ${thrown instanceof Halt ? thrown.message : thrown instanceof Error ? thrown.stack : String(thrown)}`,
    );
    process.exit(thrown instanceof Halt ? thrown.exitCode : EXIT.refused);
  },
);
