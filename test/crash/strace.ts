// strace, in its two uses: it kills a process at exactly its N-th write, and it records every write with its bytes.
// Traps: `--seccomp-bpf` loses an injected signal, so it is for recording only; `when` counts each thread and system call apart;
// attached to every thread of a process that dies, strace may wait for ever; this SQLite ends a commit by fsync, not fdatasync.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What changes a file in a way that a crash can cut, beside pwrite64 itself. */
export const WRITES = 'pwrite64,fsync,fdatasync,ftruncate,unlink,rename,link';
const ATTACHED_MS = 10_000;
const DETACHED_MS = 2_000;

export type Point = { readonly call: 'pwrite64' | 'fsync' | 'ftruncate' | 'unlink'; readonly number: number };

const killAt = ({ call, number }: Point): readonly string[] => [
  '-o',
  '/dev/null',
  '-e',
  `trace=${call}`,
  '-e',
  `inject=${call}:signal=SIGKILL:when=${number}`,
];

/** Words in front of a program that is to die there, counted from its start. */
export const underStrace = (point: Point): readonly string[] => ['strace', '-f', ...killAt(point)];

/** Words in front of a program whose writes go into that file. */
export const recording = (file: string): readonly string[] => [
  'strace',
  '-f',
  '--seccomp-bpf',
  '-ttt',
  '-y',
  '-xx',
  '-s',
  '100000',
  '-o',
  file,
  '-e',
  `trace=${WRITES},write`,
];

export type Attached = { readonly detach: () => Promise<void> };

/** From now on this process dies where its writer comes to that point. Resolves once it is so. */
export async function attach(pid: number, point: Point): Promise<Attached> {
  const child = spawn('strace', [...killAt(point), '-p', writerOf(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise<void>((done) => child.on('close', () => done()));
  await attached(child, ended);
  return {
    detach: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), DETACHED_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** The oldest worker thread is the writer; the main thread only reads. */
function writerOf(pid: number): string {
  const tasks = readdirSync(`/proc/${pid}/task`).sort((a, b) => Number(a) - Number(b));
  const nameOf = (task: string): string => readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').trim();
  const writer = tasks.find((task) => nameOf(task) === 'WorkerThread');
  if (writer === undefined) throw new Error(`process ${pid} has no worker thread`);
  return writer;
}

async function attached(child: ChildProcess, ended: Promise<void>): Promise<void> {
  let said = '';
  let timer: NodeJS.Timeout | undefined;
  const attaching = new Promise<void>((done, failed) => {
    timer = setTimeout(() => failed(new Error(`strace did not attach: ${said}`)), ATTACHED_MS);
    child.on('error', failed);
    child.stderr?.on('data', (text: Buffer) => {
      said += text.toString();
      if (/ attached/.test(said)) done();
    });
    void ended.then(() => failed(new Error(`strace ended: ${said}`)));
  });
  try {
    await attaching;
  } finally {
    clearTimeout(timer);
  }
}

/** An attempt that is refused ends at once; one that is not would last as long as the process. */
const REFUSED_WITHIN_MS = 500;

/** Why strace cannot do its work here, or undefined. */
export function straceProblem(): string | undefined {
  if (spawnSync('strace', ['-V']).status !== 0) return 'strace is not installed';
  const other = spawn('sleep', ['60'], { stdio: 'ignore' });
  const words = ['-o', '/dev/null', '-e', 'trace=unlink', '-p', String(other.pid)];
  const { error } = spawnSync('strace', words, { timeout: REFUSED_WITHIN_MS });
  other.kill('SIGKILL');
  return error === undefined
    ? 'strace may not attach to a process; it needs root or kernel.yama.ptrace_scope=0'
    : undefined;
}
