// A command from an operation: what was typed becomes the request that REST would get, sent over the local socket, and
// the answer is shown. With `--json` it is printed as it came.
import { COMMAND_TIMEOUT_MS } from '#kernel/limits.ts';
import type { Operation } from '#kernel/operation.ts';
import { askSocket, type SocketText } from '#platform/net/local-socket.ts';
import type { Command, Given, Parameter } from './command.ts';
import { exampleOf } from './examples.ts';
import { EXIT } from './exit.ts';
import { fieldsOf, pathParameters } from './fields.ts';
import { Halt } from './halt.ts';
import { commandName } from './naming.ts';
import { present, presentRefusal } from './present.ts';
import { printable, printableJson } from './printable.ts';
import { say, tell } from './shell.ts';

/** The socket of the installation that a config file describes. */
export type FindSocket = (config: string) => Promise<string>;

export type Speaking = {
  readonly findSocket: FindSocket;
  /** Names of tools in a text of the appliance, as commands. */
  readonly asCommands: (text: string) => string;
};

export function operationCommand(operation: Operation, { findSocket, asCommands }: Speaking): Command {
  const asks = questionOf(operation);
  const { positionals, options } = fieldsOf(operation);
  const worded = (parameter: Parameter): Parameter => ({
    ...parameter,
    description: asCommands(parameter.description),
  });
  const bare = {
    name: commandName(operation),
    group: operation.effect === 'read' ? ('Look' as const) : ('Change' as const),
    summary: asCommands(operation.summary),
    positionals: positionals.map(worded),
    options: options.map(worded),
    ...(asks === undefined ? {} : { asks }),
  };
  const command: Command = {
    ...bare,
    example: exampleOf(operation, bare),
    run: async (given) => {
      const answer = await send(operation, given, findSocket);
      return show(given, answer, (envelope) => presentRefusal(envelope, { command, asCommands }));
    },
  };
  return command;
}

/** Verbs that reach further than their name says. */
const FURTHER: Readonly<Record<string, string>> = {
  stack_delete_agent: 'This also ends every passport of the agent.',
  stack_delete_secret: 'This destroys every version of it; calls that need it are refused from now on.',
};

function questionOf({ name, effect, line, route }: Operation): string | undefined {
  const many = effect === 'destroy' && line === 'operations' && pathParameters(route.path).length === 0;
  return FURTHER[name] ?? (many ? 'This ends more than one thing at once.' : undefined);
}

type Answer = { readonly refused: boolean; readonly text: string };

async function send(operation: Operation, given: Given, findSocket: FindSocket): Promise<Answer> {
  const socket = await findSocket(given.config);
  const call = { ...requestOf(operation, given.values), timeoutMs: COMMAND_TIMEOUT_MS };
  const answer = await askSocket(socket, call);
  if (answer.kind !== 'answer') throw unreachable(answer, { socket, config: given.config });
  return { refused: answer.status >= REFUSED_FROM, text: answer.text };
}

/** HTTP statuses from here on are refusals. */
const REFUSED_FROM = 400;

export type SentRequest = { readonly method: string; readonly route: string; readonly body?: unknown };

/** As REST reads it: parameters of the path, then the query of a GET, else the body. */
export function requestOf({ route }: Pick<Operation, 'route'>, values: Given['values']): SentRequest {
  const inPath = pathParameters(route.path);
  const path = route.path.replaceAll(/:([a-z_]+)/g, (_, name: string) =>
    encodeURIComponent(String(values[name] ?? '')),
  );
  const rest = Object.entries(values).filter(([name]) => !inPath.includes(name));
  if (route.method !== 'GET')
    return {
      method: route.method,
      route: path,
      ...(rest.length > 0 ? { body: Object.fromEntries(rest) } : {}),
    };
  const query = new URLSearchParams(
    rest.map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();
  return { method: 'GET', route: query === '' ? path : `${path}?${query}` };
}

function unreachable(answer: SocketText, { socket, config }: { socket: string; config: string }): Halt {
  const said = {
    answer: '',
    absent: `nothing listens on ${socket}\n  next: start it with \`stack serve --config ${config}\`, or name its config with --config`,
    forbidden: `${socket} belongs to another user\n  next: run this as the user whom the appliance runs as`,
    broken: `${answer.kind === 'broken' ? answer.reason : ''}\n  next: look whether it was done before you repeat it`,
  };
  return new Halt(said[answer.kind], EXIT.unreachable);
}

type Refusal = (envelope: unknown) => readonly string[];

function show({ shell, json }: Given, { refused, text }: Answer, refusal: Refusal): number {
  const value = parse(text);
  if (json) say(shell, printableJson(text));
  else if (refused) for (const line of refusal(value)) tell(shell, line);
  else {
    const { lines, hints } = present(value, shell.columns);
    for (const line of lines) say(shell, line);
    for (const hint of hints) tell(shell, hint);
  }
  return refused || failedVerification(value) ? EXIT.refused : EXIT.done;
}

/** Of an answer that is none of ours. */
const SHOWN_CHARS = 200;

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Halt(`the appliance answered no JSON: ${printable(text.slice(0, SHOWN_CHARS))}`, EXIT.refused);
  }
}

/** An answer that says "not valid" is an answer, and a failed verification (contract 1). */
const failedVerification = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'valid' in value && value.valid === false;
