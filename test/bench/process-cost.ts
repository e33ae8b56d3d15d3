// What a process costs, read from /proc: CPU time and memory of it, its threads and all its descendants. CPU time comes from
// schedstat in nanoseconds; it is steadier than requests per second, and counts the time in the kernel, too.
import { readdirSync, readFileSync } from 'node:fs';

const KIB = 1024;
const NS_PER_TICK = 1e7;

/** Empty where the process or thread has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`);
  } catch {
    return [];
  }
}

function childrenOf(pid: number): number[] {
  const children = threadsOf(pid).flatMap((thread) => read(`${thread}/children`).split(' ').filter(Boolean));
  return children.map(Number);
}

/** The process and its descendants. */
export const treeOf = (pid: number): number[] => [pid, ...childrenOf(pid).flatMap(treeOf)];

/** Whether one of the words that started the process is this one. */
const wasStartedWith = (pid: number, word: string): boolean =>
  read(`/proc/${pid}/cmdline`).split('\0').includes(word);

export type Sides = { readonly own: readonly number[]; readonly foreign: readonly number[] };

/** The tree, with those descendants set apart that run a program which is no part of the system: its upstream. */
export function sidesOf(pid: number, foreignProgram: string): Sides {
  const foreign = treeOf(pid).filter((one) => one !== pid && wasStartedWith(one, foreignProgram));
  return { own: treeOf(pid).filter((one) => !foreign.includes(one)), foreign };
}

/** CPU time so far, in ns. */
export function cpuNsOf(pids: readonly number[]): number {
  const threads = pids.flatMap(threadsOf);
  return threads.reduce((sum, thread) => sum + Number(read(`${thread}/schedstat`).split(' ')[0] || 0), 0);
}

/** Resident memory in bytes. */
export function rssBytesOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1];
    return sum + Number(kib ?? 0) * KIB;
  }, 0);
}

/** How long a core was busy so far, in ns: with anything, or taken away by a host below. */
export function coreBusyNsOf(core: number): number {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(read('/proc/stat'))?.[1] ?? '';
  const [user = 0, nice = 0, system = 0, , , interrupt = 0, soft = 0, stolen = 0] = line
    .split(' ')
    .map(Number);
  return (user + nice + system + interrupt + soft + stolen) * NS_PER_TICK;
}
