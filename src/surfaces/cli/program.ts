// One command line from its words to its exit code. Operations are loaded only where they are needed, so that what does
// not concern them starts at once.
import { CommanderError } from 'commander';
import type { Operation } from '#kernel/operation.ts';
import { confirm, readHidden, readInput } from './ask.ts';
import type { Command, Given, Parameter } from './command.ts';
import { askNamesAt, type Candidate, complete } from './completion.ts';
import { COMPLETE } from './completion-scripts.ts';
import { EXIT } from './exit.ts';
import { Halt } from './halt.ts';
import { nounOf, verbOf } from './help.ts';
import { toolsAsCommands } from './naming.ts';
import type { FindSocket } from './operation-command.ts';
import { createParser, type TypedCommand } from './parser.ts';
import { printable } from './printable.ts';
import { type Shell, say, tell } from './shell.ts';
import { readValue, readValues, spoken } from './values.ts';

export type Program = {
  readonly shell: Shell;
  /** Commands written by hand. One with the name of an operation's takes its place. */
  readonly commands: readonly Command[];
  readonly operations: () => Promise<readonly Operation[]>;
  readonly findSocket: FindSocket;
};

const CONFIG_DEFAULT = 'config.yaml';
const CONFIG_VARIABLE = 'STACK_CONFIG';
/** Keys of ours and signed tokens, as a word or behind an option's `=`. */
const CREDENTIAL = /(?:^|=)(?:sk_live_|eyJ[\w-]+\.[\w-]+\.)/;

export async function runProgram(argv: readonly string[], program: Program): Promise<number> {
  const { shell } = program;
  try {
    if (argv[0] === COMPLETE) return await answerCompletion(argv.slice(1), program);
    if (argv.some((word) => CREDENTIAL.test(word))) throw leaked();
    return await parse(reword(argv), program);
  } catch (thrown) {
    if (!(thrown instanceof Halt)) throw thrown;
    tell(shell, `stack: ${thrown.message}`);
    return thrown.exitCode;
  }
}

const leaked = (): Halt =>
  new Halt(
    'a key or a token stands on the command line, where other users can see it and the shell keeps it.\n' +
      'Treat it as seen. Give - in its place and pass it by standard input.',
    EXIT.usage,
  );

/** `help X` is `X --help`, nothing is `--help`, `--version` is `version`. */
function reword(argv: readonly string[]): readonly string[] {
  const [first, ...rest] = argv;
  if (first === undefined || (first === 'help' && rest.length === 0)) return ['--help'];
  if (first === 'help') return [...rest, '--help'];
  return first === '--version' || first === '-V' ? ['version', ...rest] : argv;
}

async function parse(argv: readonly string[], program: Program): Promise<number> {
  const own = program.commands.some(({ name }) => name === argv[0]);
  const commands = own ? program.commands : await allCommands(program);
  let code: number = EXIT.done;
  const parser = createParser(commands, program.shell, async (command, typed) => {
    code = await run(command, typed, program.shell);
  });
  try {
    await parser.parseAsync([...unknownFirst(argv, commands)], { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    return thrown.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  return code;
}

/** Help for what does not exist would be help for something else; without its option the word itself is refused. */
function unknownFirst(argv: readonly string[], commands: readonly Command[]): readonly string[] {
  const [noun = '-', verb = '-'] = argv;
  const own = commands.filter((command) => nounOf(command) === noun);
  if (!noun.startsWith('-') && own.length === 0) return [noun];
  const verbs = own.flatMap((command) => verbOf(command) ?? []);
  return verb.startsWith('-') || verbs.length === 0 || verbs.includes(verb) ? argv : [noun, verb];
}

/** Sorted, but for those about the program itself: they stand in the order of a first use. */
export async function allCommands(program: Program): Promise<readonly Command[]> {
  const [operations, { operationCommand }] = await Promise.all([
    program.operations(),
    import('./operation-command.ts'),
  ]);
  const speaking = { findSocket: program.findSocket, asCommands: toolsAsCommands(operations) };
  const taken = new Set(program.commands.map(({ name }) => name));
  const made = operations.map((operation) => operationCommand(operation, speaking));
  const others = [...program.commands, ...made.filter(({ name }) => !taken.has(name))];
  const { true: own = [], false: rest = [] } = Object.groupBy(others, ({ group }) => `${group === 'Run'}`);
  return [...own, ...rest.toSorted((a, b) => (a.name < b.name ? -1 : 1))];
}

async function run(command: Command, typed: TypedCommand, shell: Shell): Promise<number> {
  const { values, fromInput, problems } = readValues(command, typed.values);
  if (problems.length > 0) throw new Halt(problems.join('\nstack: '), EXIT.usage);
  const read =
    fromInput === undefined
      ? {}
      : { [fromInput.name]: await inputFor(shell, fromInput, { command, values }) };
  if (command.asks !== undefined && !typed.yes) await confirm(shell, printable(command.asks));
  const { json, yes } = typed;
  return command.run({
    shell,
    values: { ...values, ...read },
    json,
    yes,
    config: configFor(typed.config, shell),
  });
}

type Asking = { readonly command: Command; readonly values: Given['values'] };

async function inputFor(shell: Shell, parameter: Parameter, { command, values }: Asking): Promise<unknown> {
  const subject = command.positionals.flatMap((positional) => values[positional.name] ?? []).join(' ');
  const question = subject === '' ? parameter.name : `${parameter.name} of ${printable(subject)}`;
  const hidden = parameter.kind === 'secret' && shell.inputIsTerminal;
  const typed = hidden ? await readHidden(shell, question) : await readInput(shell);
  // A body of a call goes as it is; of everything else, the line break at its end is the editor's.
  const text = parameter.kind === 'value' ? typed : typed.replace(/\r?\n$/, '');
  const name = spoken(command, parameter);
  if (text === '') throw new Halt(`${name}: nothing came by standard input`, EXIT.usage);
  const read = readValue(parameter, text);
  if ('problem' in read) throw new Halt(`${name}: ${read.problem}`, EXIT.usage);
  return read.value;
}

/** A variable that is set to nothing is not set. */
const configFor = (typed: string | undefined, shell: Shell): string =>
  typed ?? (shell.environment(CONFIG_VARIABLE) || CONFIG_DEFAULT);

/** On a line that is still being typed: behind the option or its `=`, which bash makes a word of its own. */
function typedConfig(words: readonly string[]): string | undefined {
  const plain = words.filter((word) => word !== '=');
  const at = plain.indexOf('--config');
  const glued = plain.find((word) => word.startsWith('--config='))?.slice('--config='.length);
  return glued ?? (at < 0 ? undefined : plain[at + 1]);
}

/** Silent whatever happens: what is printed here would land in the line being typed. */
async function answerCompletion(words: readonly string[], program: Program): Promise<number> {
  const { shell } = program;
  try {
    const config = configFor(typedConfig(words), shell);
    const ask = async (
      source: Parameters<ReturnType<typeof askNamesAt>>[0],
    ): Promise<readonly Candidate[]> => {
      try {
        return await askNamesAt(await program.findSocket(config))(source);
      } catch {
        return [];
      }
    };
    const found = await complete(await allCommands(program), words, ask);
    for (const { word, note } of found) say(shell, `${word}\t${printable(note)}`);
  } catch {
    // No candidates.
  }
  return EXIT.done;
}
