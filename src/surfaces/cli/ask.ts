// What a person or a pipe says on standard input: a secret without echo, a whole value, a yes. Everything read is bounded.
import { decodeUtf8 } from '#kernel/bytes.ts';
import { REST_BODY_BYTES_MAX, SECRET_BYTES_MAX } from '#kernel/limits.ts';
import { EXIT } from './exit.ts';
import { Halt } from './halt.ts';
import { type Shell, tell } from './shell.ts';

/** Everything until the end of input. */
export async function readInput(shell: Shell): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of shell.input as AsyncIterable<Buffer | string>) {
    const part = Buffer.from(chunk as Buffer);
    bytes += part.length;
    if (bytes > REST_BODY_BYTES_MAX)
      throw new Halt('standard input is longer than any value may be', EXIT.usage);
    chunks.push(part);
  }
  const text = decodeUtf8(Buffer.concat(chunks));
  if (text === undefined) throw new Halt('standard input is not UTF-8', EXIT.usage);
  return text;
}

const CONTROL_C = '\u0003';
const CONTROL_D = '\u0004';
const CONTROL_U = '\u0015';
const BACKSPACES = ['\u007f', '\b'];
const ENDS = ['\r', '\n', CONTROL_D];

/** One line, typed or pasted, that the terminal does not show. */
export async function readHidden(shell: Shell, question: string): Promise<string> {
  shell.err(`${question} (not shown): `);
  shell.input.setRawMode?.(true);
  try {
    return await hiddenLine(shell);
  } finally {
    shell.input.setRawMode?.(false);
    shell.input.pause();
    shell.err('\n');
  }
}

async function hiddenLine(shell: Shell): Promise<string> {
  let line: string[] = [];
  shell.input.setEncoding('utf8');
  for await (const chunk of shell.input.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    for (const character of chunk) {
      if (ENDS.includes(character)) return line.join('');
      if (character === CONTROL_C) throw new Halt('nothing was done', EXIT.refused);
      if (character === CONTROL_U) line = [];
      else if (BACKSPACES.includes(character)) line.pop();
      else line.push(character);
    }
    if (line.length > SECRET_BYTES_MAX) throw new Halt('that is longer than any secret may be', EXIT.usage);
  }
  return line.join('');
}

/** A plain yes; anything else is a no. Without a terminal nobody is there to be asked, and the command was meant. */
export async function confirm(shell: Shell, question: string): Promise<void> {
  if (!shell.inputIsTerminal) return;
  shell.err(`${question} Go on? [y/N] `);
  shell.input.setEncoding('utf8');
  for await (const answer of shell.input.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    shell.input.pause();
    if (/^y(?:es)?\s*$/i.test(answer)) return;
    throw new Halt('nothing was done', EXIT.refused);
  }
  // The end of input leaves the cursor behind the question.
  tell(shell, '');
  throw new Halt('nothing was done', EXIT.refused);
}
