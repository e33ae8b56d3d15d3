// Where a run happens: a throwaway folder on the disk of the data, the generator off the core under test, and the upstreams,
// each proven to refuse whoever comes without the credential. All of it goes away with the stack it was given.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Machine, machine } from './machine.ts';
import { moveBeside, stopAll } from './spawned.ts';

import {
  assertDemandsCredential,
  startMcpUpstream,
  startNodeUpstream,
  startUpstream,
  type Upstream,
} from './upstream.ts';

export const ROOT = resolve(import.meta.dirname, '../..');

export type Stage = {
  readonly folder: string;
  readonly machine: Machine;
  readonly isPinned: boolean;
  readonly upstream: Upstream;
  /** The one that is slow and streams. */
  readonly node: Upstream;
  readonly mcp: Upstream;
  readonly upstreamPids: readonly number[];
  /** Also when a signal ends the run; may come to be called twice. */
  readonly atEnd: (dispose: () => Promise<void>) => void;
};

export async function setStage(data: string | undefined, stack: AsyncDisposableStack): Promise<Stage> {
  const below = resolve(ROOT, data ?? 'dist');
  mkdirSync(below, { recursive: true });
  const folder = mkdtempSync(join(below, 'bench-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const found = machine(folder);
  const isPinned = moveBeside();
  stack.defer(stopAll);
  const upstream = await startUpstream(folder);
  await assertDemandsCredential(upstream.port);
  const node = await startNodeUpstream();
  await assertDemandsCredential(node.port);
  const mcp = await startMcpUpstream();
  const upstreamPids = [upstream.pid, node.pid, mcp.pid];
  const atEnd = (dispose: () => Promise<void>): void => stack.defer(dispose);
  return { folder, machine: found, isPinned, upstream, node, mcp, upstreamPids, atEnd };
}
