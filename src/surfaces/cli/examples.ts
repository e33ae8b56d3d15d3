// The example of a verb as a person would type it: the same call that the reference shows.
import type { Operation } from '#kernel/operation.ts';
import { type Command, flagOf, type Parameter } from './command.ts';
import { HELP_COLUMNS } from './help.ts';

type Bare = Pick<Command, 'name' | 'positionals' | 'options'>;

/** Help indents it by two. */
const LINE_COLUMNS = HELP_COLUMNS - 2;
const CONTINUED = ' \\';
/** Ids of examples are longer than any need to see. */
const ID = /\b([a-z]{2,4}_[0-9a-f]{6})[0-9a-f]{10,}\b/g;

export function exampleOf({ example }: Operation, { name, positionals, options }: Bare): string {
  const input = example.input as Readonly<Record<string, unknown>>;
  const byPlace = positionals.map((parameter) => wordOf(parameter, input[parameter.name]));
  const byName = options
    .filter(({ name: field, kind }) => kind !== 'secret' && Object.hasOwn(input, field))
    .flatMap((parameter) => optionWords(parameter, input[parameter.name]));
  const secret = options.some(({ kind, required }) => kind === 'secret' && required);
  const words = [`stack ${name}`, ...byPlace, ...byName];
  return secret
    ? `${words.join(' ')}      # asks, without showing it\n${folded([...words, '< FILE'])}`
    : folded(words);
}

function optionWords(parameter: Parameter, value: unknown): readonly string[] {
  const flag = flagOf(parameter);
  if (parameter.kind === 'flag') return [value === false ? flag.replace('--', '--no-') : flag];
  const values = parameter.kind === 'list' && Array.isArray(value) ? value : [value];
  return values.map((one) => broken(`${flag} ${wordOf(parameter, one)}`));
}

/** Between members of JSON a line break is a blank, and inside quotes a shell takes it. */
const broken = (word: string): string =>
  word.length + 2 + CONTINUED.length <= LINE_COLUMNS
    ? word
    : word.replaceAll(/(["}\]\d]),"/g, '$1,\n      "');

/** As a shell reads it as one word. */
function wordOf({ name }: Parameter, value: unknown): string {
  if (value === undefined) return name.toUpperCase();
  const text = (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(ID, '$1…');
  return /^[\w@%+=:,./\u2026-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** One line where it fits, else one word a line from where it no longer does. */
function folded(words: readonly string[]): string {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && longer.length + CONTINUED.length > LINE_COLUMNS) {
      lines.push(line + CONTINUED);
      line = `  ${word}`;
    } else line = longer;
  }
  return [...lines, line].join('\n');
}
