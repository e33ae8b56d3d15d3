// Faults that only the machine can make: a disk of its own that is full or read-only, system calls that fail or hang, a limit
// of open files, a clock that is set. They need root and a few programs; without them a test says why it does not run, and in
// CI it fails. Everything that is made here is undone by `undo`, also where the test failed.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const PROGRAM_MS = 10_000;
const ATTACH_MS = 10_000;
const POLL_MS = 20;
const FAKETIME = ['x86_64-linux-gnu', 'aarch64-linux-gnu']
  .map((machine) => `/usr/lib/${machine}/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));

export type Need = 'root' | 'strace' | 'prlimit' | 'faketime';

const NO_ROOT = 'it needs root';

function lacks(need: Need): string | undefined {
  if (need === 'root') return process.getuid?.() === 0 ? undefined : NO_ROOT;
  if (need === 'faketime') return FAKETIME === undefined ? 'libfaketime is not there' : undefined;
  const there = spawnSync(need, ['--version'], { timeout: PROGRAM_MS }).status === 0;
  return there ? undefined : `${need} is not there`;
}

/**
 * Why these tests cannot run here, or false. In CI they fail where a program is missing; what needs root is skipped for
 * anybody else there, too, since .ci/run then runs this folder as root beside.
 */
export function skipWithout(...needs: readonly Need[]): string | false {
  const missing = needs.flatMap((need) => lacks(need) ?? []);
  if (missing.length === 0) return false;
  const fails = process.env['CI'] !== undefined && !missing.includes(NO_ROOT);
  return fails ? false : `${missing.join(', ')}; .ci/run brings it`;
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8', timeout: PROGRAM_MS });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

export type Disk = {
  readonly path: string;
  readonly mode: (mode: 'ro' | 'rw') => void;
  readonly resize: (kilobytes: number) => void;
  readonly undo: () => Promise<void>;
};

/** A file system in memory, of so many kilobytes. */
export async function disk(kilobytes: number): Promise<Disk> {
  const path = await mkdtemp(join(tmpdir(), 'stack-disk-'));
  run('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k,mode=700`, 'stack-test', path]);
  return {
    path,
    mode: (mode) => run('mount', ['-o', `remount,${mode}`, path]),
    resize: (size) => run('mount', ['-o', `remount,size=${size}k`, path]),
    undo: async () => {
      // Lazily: a process that was killed a moment ago may still hold a file.
      run('umount', ['-l', path]);
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** Fills what is left of a disk; the answer takes it away again. */
export async function fill(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'ballast');
  const step = Buffer.alloc(4_096);
  const { open } = await import('node:fs/promises');
  const file = await open(path, 'w');
  try {
    for (;;) await file.write(step);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOSPC') throw error;
  } finally {
    await file.close();
  }
  return () => rm(path, { force: true });
}

export const limitFiles = (pid: number, files: number | string): void =>
  run('prlimit', ['--pid', String(pid), `--nofile=${files}:`]);

/** How many files a process has open. */
export const openFiles = async (pid: number): Promise<number> =>
  (await import('node:fs/promises')).readdir(`/proc/${pid}/fd`).then((names) => names.length);

/** Attaches to all threads of a process and makes system calls fail or wait, as `strace -e inject=` says; ends when told. */
export async function inject(
  pid: number,
  injections: readonly string[],
  paths: readonly string[] = [],
): Promise<{ readonly undo: () => Promise<void> }> {
  const calls = [...new Set(injections.flatMap((one) => (one.split(':')[0] ?? '').split(',')))].join(',');
  const args = ['-f', '-o', '/dev/null', '-e', `trace=${calls}`];
  for (const one of injections) args.push('-e', `inject=${one}`);
  for (const path of paths) args.push('-P', path);
  const child = spawn('strace', [...args, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  const undo = () => endOf(child);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const end = performance.now() + ATTACH_MS;
  while (!(await isTraced(pid))) {
    if (performance.now() < end && child.exitCode === null) await delay(POLL_MS);
    else {
      await undo();
      throw new Error(`strace did not attach: ${said}`);
    }
  }
  return { undo };
}

async function isTraced(pid: number): Promise<boolean> {
  const { readdir } = await import('node:fs/promises');
  const threads = await readdir(`/proc/${pid}/task`);
  const states = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/status`, 'utf8').catch(() => '')),
  );
  return states.every((status) => status === '' || !/^TracerPid:\s+0$/m.test(status));
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  child.kill('SIGINT');
  await ended;
}

/** A clock that a test sets while a program runs: its environment, and the setting of it by seconds from now or a date. */
export async function fakeClock(): Promise<{
  readonly env: Readonly<Record<string, string>>;
  readonly set: (to: string) => Promise<void>;
  readonly undo: () => Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'stack-clock-'));
  const file = join(folder, 'time');
  await writeFile(file, '+0\n');
  const env = {
    LD_PRELOAD: FAKETIME ?? 'libfaketime is missing',
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    // Only what the clock says; the times of files stay true.
    NO_FAKE_STAT: '1',
  };
  return {
    env,
    set: (to) => writeFile(file, `${to}\n`),
    undo: () => rm(folder, { recursive: true, force: true }),
  };
}
