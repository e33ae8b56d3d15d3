// A program that a person may end at any moment and that must leave nothing behind: a signal is told to it as a rejection, so
// that it ends by the way it would end anyhow, and says so by its exit code.
import { constants } from 'node:os';
import process from 'node:process';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Exit code of a program that a signal ended, as shells have it. */
const SIGNALLED = 128;

export class Interrupted extends Error {
  readonly exitCode: number;
  constructor(signal: (typeof SIGNALS)[number]) {
    super(signal);
    this.exitCode = SIGNALLED + constants.signals[signal];
  }
}

/** Rejects at the first signal, or when nobody reads on. What comes later does not cut the tidying short. */
export function interruption(): Promise<never> {
  return new Promise((_, interrupted) => {
    for (const signal of SIGNALS) process.on(signal, () => interrupted(new Interrupted(signal)));
    process.stdout.on('error', () => interrupted(new Interrupted('SIGHUP')));
  });
}
