// What a command sees of the process: streams, whether they are a terminal, and the environment. `main.ts` alone makes one.
import type { Readable } from 'node:stream';

/** Standard input; `setRawMode` is there where it is a terminal. */
export type Input = Readable & { readonly setRawMode?: (raw: boolean) => unknown };

export type Shell = {
  readonly input: Input;
  readonly inputIsTerminal: boolean;
  readonly outputIsTerminal: boolean;
  /** Columns of the terminal, or undefined where output goes elsewhere. */
  readonly columns: number | undefined;
  /** Standard output: answers and nothing else. */
  readonly out: (text: string) => void;
  /** Standard error: everything that is said about them. */
  readonly err: (text: string) => void;
  readonly environment: (name: string) => string | undefined;
};

export const say = (shell: Shell, line: string): void => shell.out(`${line}\n`);
export const tell = (shell: Shell, line: string): void => shell.err(`${line}\n`);
