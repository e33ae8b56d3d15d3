// A shell for commands that run inside the test: what they print is kept, and standard input is a text, typed or piped.
import { PassThrough } from 'node:stream';
import type { Shell } from '#surfaces/cli/shell.ts';

export type Kept = {
  readonly shell: Shell;
  readonly out: () => string;
  readonly err: () => string;
  /** What the terminal was told about echo: true is raw, so nothing typed is shown. */
  readonly raw: readonly boolean[];
};

export type Around = {
  readonly input?: string;
  readonly terminal?: boolean;
  readonly columns?: number;
  readonly environment?: Readonly<Record<string, string>>;
};

export function keptShell(around: Around = {}): Kept {
  const raw: boolean[] = [];
  const written = { out: '', err: '' };
  const stream = new PassThrough();
  const input = Object.assign(stream, { setRawMode: (on: boolean) => raw.push(on) });
  if (around.terminal === true) input.write(around.input ?? '');
  else input.end(around.input ?? '');
  const shell: Shell = {
    input,
    inputIsTerminal: around.terminal === true,
    outputIsTerminal: around.terminal === true,
    columns: around.columns,
    out: (text) => {
      written.out += text;
    },
    err: (text) => {
      written.err += text;
    },
    environment: (name) => around.environment?.[name],
  };
  return { shell, out: () => written.out, err: () => written.err, raw };
}
