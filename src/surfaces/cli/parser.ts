// The commands as a commander program: it knows words, options and "did you mean"; what a value means is ours. A typed
// word is never said back where it could be a secret.
import { Option, Command as Parser } from 'commander';
import { type Command, flagOf, type Given, type Parameter } from './command.ts';
import { EXIT } from './exit.ts';
import { Halt } from './halt.ts';
import { HELP_COLUMNS, nounHelp, nounOf, rootHelp, verbOf } from './help.ts';
import { printable } from './printable.ts';
import type { Shell } from './shell.ts';
import { FROM_INPUT } from './values.ts';

/** What was typed for a command, before it is read. */
export type TypedCommand = Pick<Given, 'json' | 'yes'> & {
  readonly config: string | undefined;
  readonly values: Readonly<Record<string, unknown>>;
};
export type Chosen = (command: Command, typed: TypedCommand) => Promise<void>;

/** Below this a column of descriptions is not worth wrapping. */
const WRAP_COLUMNS_MIN = 20;

export function createParser(commands: readonly Command[], shell: Shell, chosen: Chosen): Parser {
  const root = new Parser('stack');
  root.exitOverride().enablePositionalOptions().helpCommand(false).helpOption('-h, --help', 'this help');
  root.configureOutput({
    writeOut: shell.out,
    writeErr: shell.err,
    getOutHelpWidth: () => HELP_COLUMNS,
    getErrHelpWidth: () => HELP_COLUMNS,
    outputError: (text, write) => write(`stack: ${unsaid(printable(text.trim().replace(/^error: /, '')))}\n`),
  });
  root.configureHelp({ minWidthToWrap: WRAP_COLUMNS_MIN, sortSubcommands: false });
  addCommon(root);
  shapeHelp(root, () => rootHelp(commands));
  for (const [noun, members] of Map.groupBy(commands, nounOf)) {
    const [only] = members;
    if (only !== undefined && verbOf(only) === undefined) addCommand(root.command(noun), only, chosen);
    else {
      const parent = shapeHelp(root.command(noun), () => nounHelp(noun, commands));
      for (const member of members) addCommand(parent.command(verbOf(member) ?? ''), member, chosen);
    }
  }
  return root;
}

/** An unknown option is named without what stands behind its `=`; suggestions stand on the same line. */
const unsaid = (text: string): string => text.replace(/(--[\w-]+)=[^']*'/, "$1'").replace(/\\u\{a\}/g, ' ');

function shapeHelp(parser: Parser, text: () => string): Parser {
  return parser.configureHelp({ ...parser.configureHelp(), formatHelp: text });
}

function addCommon(parser: Parser): void {
  parser
    .addOption(new Option('--config <file>', 'which installation; else $STACK_CONFIG, else config.yaml'))
    .addOption(new Option('--json', 'print exactly what the appliance answered'));
}

function addCommand(parser: Parser, command: Command, chosen: Chosen): void {
  // A leaf has the parser's own help; what it inherits from its noun is the noun's.
  const { formatHelp: _, ...plain } = parser.configureHelp();
  parser.configureHelp(plain).description(command.summary).allowExcessArguments(true);
  parser.showHelpAfterError(`  next: stack ${command.name} --help`);
  for (const positional of command.positionals.filter(({ kind, hidden }) => kind !== 'secret' && !hidden))
    parser.argument(
      positional.required ? `<${positional.name}>` : `[${positional.name}]`,
      positional.description,
    );
  for (const option of command.options) addOption(parser, option);
  if (command.asks !== undefined) parser.addOption(new Option('--yes', 'do not ask'));
  addCommon(parser);
  const example = command.example.split('\n').map((line) => `  ${line}`);
  parser.addHelpText('after', `\nExample:\n${example.join('\n')}`);
  parser.action(() => chosen(command, typedFor(parser, command)));
}

const PLACEHOLDERS = { text: 'text', number: 'n', list: 'text', json: 'json', value: 'text' } as const;

function addOption(parser: Parser, parameter: Parameter): void {
  const { kind, required, description } = parameter;
  const flag = flagOf(parameter);
  if (kind === 'secret') parser.addOption(new Option(`${flag} [value]`).hideHelp());
  else if (kind === 'flag') {
    parser.addOption(new Option(flag, description).makeOptionMandatory(required));
    parser.addOption(new Option(flag.replace('--', '--no-')).hideHelp());
  } else {
    const option = new Option(`${flag} <${PLACEHOLDERS[kind]}>`, description).makeOptionMandatory(required);
    if (kind === 'list') {
      option.description = `${description} May be repeated.`.trim();
      option.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text]);
    }
    parser.addOption(option);
  }
}

function typedFor(parser: Parser, command: Command): TypedCommand {
  const options = parser.optsWithGlobals<Record<string, unknown>>();
  const positionals = command.positionals.filter(({ kind }) => kind !== 'secret');
  refuseSurplus(command, { expected: positionals.length, got: parser.args.length });
  const values: Record<string, unknown> = {};
  for (const [at, { name }] of positionals.entries()) values[name] = parser.args[at];
  for (const parameter of command.options) {
    const given = options[new Option(flagOf(parameter)).attributeName()];
    if (parameter.kind === 'secret' && given !== undefined && given !== FROM_INPUT) throw onTheLine(command);
    if (given !== undefined) values[parameter.name] = given;
  }
  const config = options['config'];
  return {
    values,
    config: typeof config === 'string' ? config : undefined,
    json: options['json'] === true,
    yes: options['yes'] === true,
  };
}

type Count = { readonly expected: number; readonly got: number };

function refuseSurplus(command: Command, { expected, got }: Count): void {
  if (got <= expected) return;
  if ([...command.positionals, ...command.options].some(({ kind }) => kind === 'secret'))
    throw onTheLine(command);
  const most = expected === 0 ? 'no argument' : `${expected} argument${expected === 1 ? '' : 's'}`;
  throw new Halt(
    `\`${command.name}\` takes ${most}, got ${got}\n  next: stack ${command.name} --help`,
    EXIT.usage,
  );
}

const onTheLine = ({ name, example }: Command): Halt =>
  new Halt(
    'a secret is never taken from the command line: other users see it in the list of processes, and the\n' +
      'shell keeps it in its history. Treat what you typed as seen, and give the new one by standard input:\n' +
      `  ${example.split('\n').at(-1) ?? `stack ${name} < FILE`}`,
    EXIT.usage,
  );
