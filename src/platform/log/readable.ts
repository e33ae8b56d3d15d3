// A record of the log as one line for people: time, level, message, key=value. Colours only where they were asked for.
import { visible } from './visible.ts';

export type Line = Readonly<Record<string, unknown>> & {
  readonly time: string;
  readonly level: string;
  readonly msg: string;
};

const PLAIN = /^[\w./:@+,[\]-]+$/;
const LEVEL_CHARS = 5;
const RESET = '\u001b[0m';
const DIM = '\u001b[2m';
const COLOURS: Readonly<Record<string, string>> = {
  debug: DIM,
  info: '\u001b[32m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
};

export function readable({ time, level, msg, ...fields }: Line, colours: boolean): string {
  const paint = (colour: string, text: string): string => (colours ? `${colour}${text}${RESET}` : text);
  const given = Object.entries(fields).map(
    ([name, value]) => `${paint(DIM, `${shown(name)}=`)}${shown(value)}`,
  );
  const head = [paint(DIM, time), paint(COLOURS[level] ?? '', level.padEnd(LEVEL_CHARS)), oneLine(msg)];
  return [...head, ...given].join(' ');
}

/** Bare where nothing in it could be read as the end of the value. */
function shown(value: unknown): string {
  if (typeof value !== 'string') return visible(JSON.stringify(value));
  return PLAIN.test(value) ? value : visible(JSON.stringify(value));
}

const oneLine = (text: string): string => visible(text).replaceAll('\n', '\\n');
