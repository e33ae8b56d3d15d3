// A command as a value: from it come the parser, its help and its completion, whether it was made from an operation or
// written by hand. Adding a command is adding one such value to a list.
import type { Shell } from './shell.ts';

/** Where help lists it: what concerns this program itself, what only looks, what changes something. */
export type Group = 'Run' | 'Look' | 'Change';

/** `value` is JSON where it begins like an object or array, else the text itself. A `secret` comes by standard input only. */
export type ParameterKind = 'text' | 'number' | 'flag' | 'list' | 'json' | 'value' | 'secret';

/** What completion can ask the running appliance for. */
export type Source = 'agents' | 'services' | 'secrets' | 'keys' | 'passports';

export type Parameter = {
  /** Key of the value; for an operation, the field of its input. */
  readonly name: string;
  readonly kind: ParameterKind;
  readonly required: boolean;
  readonly description: string;
  readonly choices?: readonly string[];
  readonly completes?: Source;
  /** Taken, so that it can be refused with a reason of its own, and shown nowhere. */
  readonly hidden?: true;
};

export type Given = {
  readonly shell: Shell;
  /** By parameter name; a parameter that was not given is absent. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly json: boolean;
  readonly yes: boolean;
  /** Path of the config file. */
  readonly config: string;
};

export type Command = {
  /** One word, or noun and verb: `serve`, `agents list`. */
  readonly name: string;
  readonly group: Group;
  readonly summary: string;
  readonly positionals: readonly Parameter[];
  readonly options: readonly Parameter[];
  /** Lines as a person would type them, without the prompt. */
  readonly example: string;
  /** Asks before it does something that goes further than its name says; `--yes` skips. */
  readonly asks?: string;
  /** The exit code. */
  readonly run: (given: Given) => Promise<number>;
};

/** `agent_id` is `--agent-id`. */
export const flagOf = ({ name }: Pick<Parameter, 'name'>): string => `--${name.replaceAll('_', '-')}`;
