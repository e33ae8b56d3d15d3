// Typed words into values. All mistakes are said at once, each by the name of its option and never with the value, which
// may be a secret. Ranges and formats are the appliance's to judge.
import { nearest } from '#platform/yaml/mistakes.ts';
import { type Command, flagOf, type Parameter } from './command.ts';

/** Stands for standard input in place of a value. */
export const FROM_INPUT = '-';

export type Typed = Readonly<Record<string, unknown>>;
export type Read = {
  readonly values: Typed;
  /** The parameter whose value is still to be read from standard input. */
  readonly fromInput: Parameter | undefined;
  readonly problems: readonly string[];
};

type Value = { readonly value: unknown } | { readonly problem: string };

export function readValues(command: Command, typed: Typed): Read {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  const waiting: Parameter[] = [];
  for (const parameter of [...command.positionals, ...command.options]) {
    const given = typed[parameter.name];
    if (isFromInput(parameter, given)) waiting.push(parameter);
    else if (given !== undefined) {
      const read = readValue(parameter, given);
      if ('value' in read) values[parameter.name] = read.value;
      else problems.push(`${spoken(command, parameter)}: ${read.problem}`);
    }
  }
  if (waiting.length > 1)
    problems.push(`${waiting.map(flagOf).join(' and ')} cannot both come by standard input`);
  return { values, fromInput: waiting[0], problems };
}

/** A secret that must be there comes by standard input without being told. */
const isFromInput = ({ kind, required }: Parameter, given: unknown): boolean =>
  given === FROM_INPUT
    ? kind !== 'number' && kind !== 'list'
    : kind === 'secret' && required && given === undefined;

export const spoken = (command: Command, parameter: Parameter): string =>
  command.positionals.includes(parameter) ? parameter.name.toUpperCase() : flagOf(parameter);

/** The value of one parameter; `given` is a text, a flag's truth value, or the texts of a list. */
export function readValue(parameter: Parameter, given: unknown): Value {
  if (typeof given === 'boolean') return { value: given };
  const texts = Array.isArray(given) ? (given as readonly string[]) : [String(given)];
  for (const text of texts) {
    const problem = choiceProblem(parameter, text);
    if (problem !== undefined) return { problem };
  }
  return parameter.kind === 'list' ? { value: texts } : single(parameter, texts[0] ?? '');
}

function single({ kind, required }: Parameter, text: string): Value {
  if (kind === 'number')
    return /^-?\d+(?:\.\d+)?$/.test(text) ? { value: Number(text) } : { problem: 'must be a number' };
  if (kind === 'json' || (kind === 'value' && /^\s*[[{]/.test(text))) return json(text);
  // An empty part of a path would name another route.
  return text === '' && required ? { problem: 'must not be empty' } : { value: text };
}

function json(text: string): Value {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { problem: 'is not JSON; put it into single quotes, or give - and pass it by standard input' };
  }
}

function choiceProblem({ choices }: Parameter, text: string): string | undefined {
  if (choices === undefined || choices.includes(text)) return undefined;
  const close = nearest(text, choices);
  return `must be one of ${choices.join(', ')}${close === undefined ? '' : ` (did you mean ${close}?)`}`;
}
