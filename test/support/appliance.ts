// Starts the real appliance as its own process in a throwaway folder, by the outside contract only (contract 1).
// Nothing here knows a module of the appliance: what these helpers see is what an operator sees.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** The words that start what lies at this path below the root. */
export function programOf(path: string): readonly string[] {
  const entry = resolve(ROOT, path);
  return /\.m?[jt]s$/.test(entry) ? [process.execPath, entry] : [entry];
}

/** `build.mjs test` names what it has just built, CI the executable, dist/stack; by itself a test runs the source. */
export const PROGRAM = programOf(process.env['STACK_ENTRY'] ?? 'src/main.ts');
/** Where Node keeps what it has compiled: a start is then cheaper, and nothing else is different. The executable has its own. */
const COMPILED = PROGRAM.length > 1 ? process.env['NODE_COMPILE_CACHE'] : undefined;
const READY_MS = 15_000;
const COMMAND_MS = 20_000;

export type Exit = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** Paths of one throwaway installation. */
export type Installation = {
  readonly program: readonly string[];
  readonly dir: string;
  readonly configFile: string;
  readonly dataDir: string;
  readonly keyFile: string;
  readonly socketPath: string;
  readonly port: number;
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
};

export type Setup = {
  /** YAML below `services:` and `agents:`, indented by two spaces. */
  readonly services?: string;
  readonly agents?: string;
  /** Further top-level YAML. */
  readonly extra?: string;
  /** The `server` section, in place of a listener on loopback. */
  readonly server?: (port: number) => string;
  readonly env?: Readonly<Record<string, string>>;
  /** Further Host values. */
  readonly hosts?: readonly string[];
  /** What is started, by default the program under test: its words, as in `env -i dist/stack`. */
  readonly program?: readonly string[];
  /** The folder to make the installation in. */
  readonly below?: string;
  /** The user that the installation belongs to; needs root. */
  readonly owner?: number;
};

export type Appliance = Installation & {
  readonly mcpUrl: string;
  readonly apiKey: string;
  /** Of the process that runs now. */
  readonly pid: () => number;
  /** Everything the process has written so far, over all its restarts. */
  readonly logs: () => string;
  /** SIGTERM, and how the process ended. */
  readonly stop: () => Promise<Exit>;
  /** How the process ends by itself. */
  readonly ended: () => Promise<Exit>;
  readonly kill9: () => Promise<void>;
  /** Sends a signal and waits for nothing. */
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Starts again on the same folder; answers how long it took until ready. */
  readonly restart: () => Promise<{ readyMs: number }>;
  /** Ends the process and removes the folder. */
  readonly dispose: () => Promise<void>;
};

/** Below those that the system gives to connections and to port 0: between now and its use nobody else is given it. */
const [PORT_MIN, PORT_MAX] = [10_000, 32_000];

export async function freePort(): Promise<number> {
  const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
  const server = createServer();
  const free = await new Promise<boolean>((done) => {
    server.once('error', () => done(false));
    server.listen(port, '127.0.0.1', () => done(true));
  });
  if (!free) return freePort();
  await new Promise((done) => server.close(done));
  return port;
}

/** A folder with a config file and nothing else; `init` has not run. */
export async function installation(setup: Setup): Promise<Installation> {
  const dir = await mkdtemp(join(setup.below ?? tmpdir(), 'stack-test-'));
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const configFile = join(dir, 'config.yaml');
  const hosts = JSON.stringify(setup.hosts ?? []);
  const server =
    setup.server?.(port) ?? `{ listen: "127.0.0.1:${port}", public_url: "${url}", hosts: ${hosts} }`;
  const lines = ['version: 1', `server: ${server}`];
  if (setup.services) lines.push('services:', setup.services);
  if (setup.agents) lines.push('agents:', setup.agents);
  if (setup.extra) lines.push(setup.extra);
  await writeFile(configFile, `${lines.join('\n')}\n`, { mode: 0o600 });
  await chmod(configFile, 0o600);
  if (setup.owner !== undefined)
    await Promise.all([dir, configFile].map((path) => chown(path, setup.owner ?? 0, setup.owner ?? 0)));
  const dataDir = join(dir, 'data');
  const compiled = COMPILED === undefined ? {} : { NODE_COMPILE_CACHE: COMPILED };
  const env = { PATH: process.env['PATH'] ?? '', HOME: dir, ...compiled, ...setup.env };
  const files = {
    configFile,
    dataDir,
    keyFile: join(dir, 'stack.key'),
    socketPath: join(dataDir, 'stack.sock'),
  };
  return { program: setup.program ?? PROGRAM, dir, port, url, env, ...files };
}

function launch(args: readonly string[], at: Installation): ChildProcess {
  const [command = '', ...first] = at.program;
  return spawn(command, [...first, ...args], {
    cwd: at.dir,
    env: at.env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** One command to its end, bounded in time; a command that hangs is killed and shows as a signal. */
export async function stack(
  at: Installation,
  args: readonly string[],
  options: { input?: string; timeoutMs?: number } = {},
): Promise<Exit> {
  const child = launch(args, at);
  child.stdin?.end(options.input ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? COMMAND_MS);
  try {
    return await ended(child);
  } finally {
    clearTimeout(timer);
  }
}

function ended(child: ChildProcess): Promise<Exit> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code, signal) => done({ code, signal, stdout, stderr }));
  });
}

type Running = { readonly child: ChildProcess; readonly exit: Promise<Exit>; readonly output: () => string };

async function serve(at: Installation): Promise<Running> {
  const child = launch(['serve', '--config', at.configFile], at);
  child.stdin?.end();
  const exit = ended(child);
  let output = '';
  const ready = new Promise<void>((done) => {
    let stdout = '';
    child.stdout?.on('data', (text: string) => {
      output += text;
      stdout += text;
      if (stdout.includes('"listening"')) done();
    });
    child.stderr?.on('data', (text: string) => {
      output += text;
    });
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, failed) => {
    timer = setTimeout(
      () => failed(new Error(`serve was not ready in ${READY_MS} ms:\n${output}`)),
      READY_MS,
    );
  });
  const early = exit.then((end) => {
    throw new Error(`serve ended with ${end.code ?? end.signal} before it was ready:\n${output}`);
  });
  early.catch(() => undefined);
  try {
    await Promise.race([ready, late, early]);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return { child, exit, output: () => output };
}

/** `stack init`, parsed. */
export async function init(at: Installation): Promise<Record<string, unknown>> {
  const exit = await stack(at, ['init', '--config', at.configFile, '--json']);
  if (exit.code !== 0)
    throw new Error(`init ended with ${exit.code ?? exit.signal}: ${exit.stdout}${exit.stderr}`);
  return JSON.parse(exit.stdout) as Record<string, unknown>;
}

async function startIn(at: Installation): Promise<{ made: Record<string, unknown>; running: Running }> {
  const made = await init(at);
  return { made, running: await serve(at) };
}

export async function startAppliance(setup: Setup): Promise<Appliance> {
  const at = await installation(setup);
  const started = await startIn(at).catch(async (error: unknown) => {
    await rm(at.dir, { recursive: true, force: true });
    throw error;
  });
  const { made } = started;
  let { running } = started;
  let past = '';
  const finish = async (signal: NodeJS.Signals): Promise<Exit> => {
    running.child.kill(signal);
    const exit = await running.exit;
    return exit;
  };
  return {
    ...at,
    mcpUrl: String(made['mcp_url']),
    apiKey: String(made['api_key']),
    pid: () => running.child.pid ?? 0,
    logs: () => past + running.output(),
    stop: () => finish('SIGTERM'),
    signal: (signal) => void running.child.kill(signal),
    ended: () => running.exit,
    kill9: async () => {
      await finish('SIGKILL');
    },
    restart: async () => {
      if (running.child.exitCode === null && running.child.signalCode === null) await finish('SIGTERM');
      past += running.output();
      const began = performance.now();
      running = await serve(at);
      return { readyMs: performance.now() - began };
    },
    dispose: async () => {
      await finish('SIGKILL');
      await rm(at.dir, { recursive: true, force: true });
    },
  };
}
