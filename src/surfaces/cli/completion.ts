// What could come next on a command line: nouns, verbs, options, choices, and names that the running appliance knows.
// Nobody is told why there are none; a key press is no place for an error.
import { COMPLETION_TIMEOUT_MS } from '#kernel/limits.ts';
import { askSocket } from '#platform/net/local-socket.ts';
import { type Command, flagOf, type Parameter, type Source } from './command.ts';
import { nounOf, verbOf } from './help.ts';

export type Candidate = { readonly word: string; readonly note: string };
/** Names of one source; empty where nothing runs. */
export type AskNames = (source: Source) => Promise<readonly Candidate[]>;

/** A shell would take other characters for its own. */
const SAFE = /^[\w@%+=.,/-]{1,100}$/;
const COMMON: readonly Candidate[] = [
  { word: '--json', note: 'print exactly the answer' },
  { word: '--config', note: 'config file of the installation' },
  { word: '--help', note: 'what it does' },
];

/** `words` are those behind the program's name; the last one is being typed and may be empty. */
export async function complete(
  commands: readonly Command[],
  words: readonly string[],
  ask: AskNames,
): Promise<readonly Candidate[]> {
  const typed = words.filter((word, at) => word !== '=' || at === words.length - 1);
  const prefix = typed.at(-1) === '=' ? '' : (typed.at(-1) ?? '');
  const found = await candidates(commands, { before: typed.slice(0, -1), prefix }, ask);
  return found.filter(({ word }) => word.startsWith(prefix) && (word.startsWith('-') || SAFE.test(word)));
}

type Typing = { readonly before: readonly string[]; readonly prefix: string };

async function candidates(
  commands: readonly Command[],
  typing: Typing,
  ask: AskNames,
): Promise<readonly Candidate[]> {
  const [noun, verb, ...rest] = typing.before;
  if (noun === undefined) return nouns(commands);
  const alone = commands.find(({ name }) => name === noun);
  if (alone !== undefined) return within(alone, { ...typing, before: typing.before.slice(1) }, ask);
  const verbs = commands.filter((command) => nounOf(command) === noun);
  if (verb === undefined)
    return verbs.map(({ name, summary }) => ({ word: name.split(' ')[1] ?? '', note: summary }));
  const chosen = verbs.find((command) => verbOf(command) === verb);
  return chosen === undefined ? [] : within(chosen, { ...typing, before: rest }, ask);
}

function nouns(commands: readonly Command[]): readonly Candidate[] {
  const known = Map.groupBy(commands, nounOf);
  return [...known].map(([word, members]) => {
    const verbs = members.flatMap((member) => verbOf(member) ?? []);
    return { word, note: verbs.length > 0 ? verbs.join(', ') : (members[0]?.summary ?? '') };
  });
}

async function within(
  command: Command,
  { before, prefix }: Typing,
  ask: AskNames,
): Promise<readonly Candidate[]> {
  const glued = /^(--[a-z-]+)=/.exec(prefix);
  const last = glued?.[1] ?? before.at(-1) ?? '';
  const option = command.options.find((candidate) => flagOf(candidate) === last && takesValue(candidate));
  if (option !== undefined) {
    const values = await valuesOf(option, ask);
    return glued === null ? values : values.map(({ word, note }) => ({ word: `${last}=${word}`, note }));
  }
  if (last === '--config') return [];
  const positional = command.positionals[positionalsIn(command, before)];
  const values = positional === undefined || prefix.startsWith('-') ? [] : await valuesOf(positional, ask);
  return values.length > 0 ? values : optionsOf(command, before);
}

const takesValue = ({ kind }: Parameter): boolean => kind !== 'flag' && kind !== 'secret';

/** How many positionals are typed already: what is neither an option nor the value of one. */
function positionalsIn(command: Command, before: readonly string[]): number {
  const valued = new Set(['--config', ...command.options.filter(takesValue).map(flagOf)]);
  return before.filter((word, at) => !word.startsWith('-') && !valued.has(before[at - 1] ?? '')).length;
}

function optionsOf(command: Command, before: readonly string[]): readonly Candidate[] {
  const own = command.options
    .filter(({ kind }) => kind !== 'secret')
    .filter((option) => option.kind === 'list' || !before.includes(flagOf(option)))
    .map((option) => ({ word: flagOf(option), note: option.description }));
  const yes = command.asks === undefined ? [] : [{ word: '--yes', note: 'do not ask' }];
  return [...own, ...yes, ...COMMON.filter(({ word }) => !before.includes(word))];
}

async function valuesOf({ choices, completes }: Parameter, ask: AskNames): Promise<readonly Candidate[]> {
  if (choices !== undefined) return choices.map((word) => ({ word, note: '' }));
  return completes === undefined ? [] : ask(completes);
}

type Place = { readonly route: string; readonly list: string; readonly word: string; readonly note: string };

const PLACES: Readonly<Record<Source, Place>> = {
  agents: { route: '/v1/agents?limit=100', list: 'agents', word: 'name', note: 'description' },
  services: { route: '/v1/services', list: 'services', word: 'name', note: 'title' },
  secrets: { route: '/v1/secrets?limit=100', list: 'secrets', word: 'name', note: 'service' },
  keys: { route: '/v1/keys?limit=100', list: 'keys', word: 'id', note: 'name' },
  passports: { route: '/v1/passports?limit=100', list: 'passports', word: 'jti', note: 'agent_id' },
};

export function askNamesAt(socket: string): AskNames {
  return async (source) => {
    const { route, list, word, note } = PLACES[source];
    const answer = await askSocket(socket, { method: 'GET', route, timeoutMs: COMPLETION_TIMEOUT_MS });
    if (answer.kind !== 'answer' || answer.status !== 200) return [];
    const rows = (JSON.parse(answer.text) as Record<string, readonly Record<string, unknown>[]>)[list] ?? [];
    return rows.map((row) => ({ word: String(row[word]), note: String(row[note] ?? '') }));
  };
}
