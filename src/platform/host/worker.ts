// Worker threads from a source file or from an embedded text, with an empty environment: a worker gets what it is given.
import { Worker } from 'node:worker_threads';

export type WorkerProgram =
  | { readonly kind: 'file'; readonly url: URL }
  | { readonly kind: 'text'; readonly text: string };

/** Or Node parses the text an extra time, to see whether it is a module or has types. */
const PLAIN_SCRIPT = ['--input-type=commonjs'];

export function spawnWorker(program: WorkerProgram, workerData: unknown): Worker {
  const options = { workerData, env: {} };
  return program.kind === 'file'
    ? new Worker(program.url, options)
    : new Worker(program.text, { ...options, eval: true, execArgv: PLAIN_SCRIPT });
}
