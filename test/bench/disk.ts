// What a commit costs on the disk of the data directory, and a disk that is slower: a small library before the system's own
// `fdatasync` and `fsync`, compiled here, in front of the whole appliance.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Latencies } from './closed-loop.ts';
import { hasProgram, onCoreUnderTest } from './spawned.ts';

export type DiskTimes = { readonly sync: Latencies; readonly commit: Latencies };

export function probeDisk(folder: string, env: Readonly<Record<string, string>> = {}): DiskTimes {
  const [command = '', ...args] = onCoreUnderTest([
    process.execPath,
    join(import.meta.dirname, 'disk-probe.ts'),
    folder,
  ]);
  const done = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  if (done.status !== 0) throw new Error(`the disk could not be measured:\n${done.stderr}`);
  return JSON.parse(done.stdout) as DiskTimes;
}

/** The environment under which every sync takes so much longer; `undefined` without a compiler. */
export function slowSyncs(folder: string, ms: number): Record<string, string> | undefined {
  if (!hasProgram('cc')) return undefined;
  const library = join(folder, 'slow-sync.so');
  const source = join(import.meta.dirname, 'slow-sync.c');
  const done = spawnSync('cc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'], {
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`slow-sync.c did not compile:\n${done.stderr}`);
  return { LD_PRELOAD: library, SLOW_SYNC_MS: String(ms) };
}
