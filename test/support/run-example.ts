// The programs of test/examples, which README shows, run in a process of their own.
import { spawn } from 'node:child_process';

export type Ran = { readonly code: number | null; readonly out: string; readonly err: string };

/** A program of the examples, run as its reader runs it. */
export function runExample(example: string, words: readonly string[], input = ''): Promise<Ran> {
  const path = new URL(`../examples/${example}`, import.meta.url).pathname;
  const child = spawn(process.execPath, [path, ...words], { stdio: ['pipe', 'pipe', 'pipe'] });
  const seen = { out: '', err: '' };
  child.stdout.on('data', (part: Buffer) => {
    seen.out += part;
  });
  child.stderr.on('data', (part: Buffer) => {
    seen.err += part;
  });
  child.stdin.end(input);
  return new Promise((done) => child.once('close', (code) => done({ code, ...seen })));
}
