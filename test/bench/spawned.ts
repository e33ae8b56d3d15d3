// Programs that the bench starts: the system under test alone on one core, all else on the others. Each is remembered until
// it has ended, so that nothing is left behind however a run ends.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';

const READY_MS = 30_000;
const READY_POLL_MS = 20;
const STOP_MS = 3_000;

export type Spawned = { readonly pid: number };

const running = new Set<ChildProcess>();

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const forced = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(forced);
}

/** Ends all that still run. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map(stop));
}

export type Program = {
  readonly words: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Whether it answers; asked until it does. Without it the first line on its output says so. */
  readonly isReady?: () => Promise<boolean>;
};

export const hasProgram = (name: string): boolean =>
  spawnSync('/bin/sh', ['-c', 'command -v "$1"', 'sh', name], { env: searchPath() }).status === 0;

/** Daemons stand where an ordinary user's path does not look. */
function searchPath(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };
}

/** Asked once: this process is soon held to fewer. */
const cores = availableParallelism();
const canPin = cores > 1 && hasProgram('taskset');
const CORE = 1;
/** `undefined` where cores cannot be held apart. */
export const coreUnderTest = canPin ? CORE : undefined;
const otherCores = cores > 2 ? `0,2-${cores - 1}` : '0';

/** The words that start a program on the core of the system under test. */
export const onCoreUnderTest = (words: readonly string[]): string[] =>
  canPin ? ['taskset', '-c', String(CORE), ...words] : [...words];

export const beside = (words: readonly string[]): string[] =>
  canPin ? ['taskset', '-c', otherCores, ...words] : [...words];

/** Moves this process, which is the generator, off the core under test. Answers whether cores are held apart. */
export function moveBeside(): boolean {
  if (canPin) spawnSync('taskset', ['-a', '-c', '-p', otherCores, String(process.pid)]);
  return canPin;
}

async function untilReady(child: ChildProcess, { isReady }: Program): Promise<void> {
  if (isReady === undefined) {
    await new Promise<void>((done) => child.stdout?.once('data', () => done()));
    return;
  }
  while (!(await isReady().catch(() => false))) await new Promise((done) => setTimeout(done, READY_POLL_MS));
}

export async function start(program: Program): Promise<Spawned> {
  const [command = '', ...args] = program.words;
  const env = { ...searchPath(), ...program.env };
  const child = spawn(command, args, { env, cwd: program.cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (text: Buffer) => {
      said = `${said}${text}`.slice(-2000);
    });
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${program.words.join(' ')} ended before it was ready:\n${said}`);
  });
  ended.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, failed) => {
    timer = setTimeout(
      () => failed(new Error(`${program.words.join(' ')} was not ready:\n${said}`)),
      READY_MS,
    );
  });
  try {
    await Promise.race([untilReady(child, program), ended, late]);
  } finally {
    clearTimeout(timer);
  }
  return { pid: child.pid ?? 0 };
}
