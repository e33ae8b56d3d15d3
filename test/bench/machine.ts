// The machine that the figures are of, without its name or its paths: figures travel, hosts need not.
import { statfsSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly filesystem: string;
  readonly node: string;
  /** Over the last minute, at the start. Above 0.5 something else runs, and the figures are worth less. */
  readonly load: number;
};

/** Magic numbers of statfs(2). */
const FILESYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  801189825: 'zfs',
  16914836: 'tmpfs',
  2035054128: 'overlay',
};

export function machine(dataFolder: string): Machine {
  const { type } = statfsSync(dataFolder);
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: `Linux ${release()}`,
    filesystem: FILESYSTEMS[type] ?? `filesystem 0x${type.toString(16)}`,
    node: process.versions.node,
    load: loadavg()[0] ?? 0,
  };
}
