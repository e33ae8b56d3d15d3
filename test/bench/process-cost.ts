// What a process costs, read from /proc: CPU time and memory of it, its threads and all its descendants. CPU time comes from
// schedstat in nanoseconds; it is steadier than requests per second, and counts the time in the kernel, too.
import { readdirSync, readFileSync } from 'node:fs';

const KIB = 1024;

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

/** The process and its descendants, without those below a process in `except`. */
export function treeOf(pid: number, except: ReadonlySet<number> = new Set()): number[] {
  if (except.has(pid)) return [];
  const children = threadsOf(pid).flatMap((thread) => read(`${thread}/children`).split(' ').filter(Boolean));
  return [pid, ...children.flatMap((child) => treeOf(Number(child), except))];
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
