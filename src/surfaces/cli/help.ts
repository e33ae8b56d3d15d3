// Help: the whole program on one screen, a noun with its verbs, and, by the parser, one verb. No line is wider than 80
// columns, so that it reads the same everywhere.
import type { Command, Group } from './command.ts';

export const HELP_COLUMNS = 80;
const TERM_COLUMNS = 14;
const GROUPS: Readonly<Record<Group, string>> = {
  Run: 'Run',
  Look: 'Look at the running appliance',
  Change: 'Change the running appliance',
};

export const nounOf = ({ name }: Pick<Command, 'name'>): string => name.split(' ')[0] ?? '';
export const verbOf = ({ name }: Pick<Command, 'name'>): string | undefined => name.split(' ')[1];

export function rootHelp(commands: readonly Command[]): string {
  const groups = (Object.keys(GROUPS) as Group[]).flatMap((group) => {
    const inGroup = commands.filter((command) => command.group === group);
    return inGroup.length === 0 ? [] : [GROUPS[group], ...groupLines(inGroup), ''];
  });
  return [
    'stack: a self-hosted control plane for AI agents',
    '',
    'Usage: stack COMMAND [VERB] [OPTIONS]',
    '',
    ...groups,
    'Options of every command',
    item('--config FILE', 'which installation; else $STACK_CONFIG, else config.yaml'),
    item('--json', 'print exactly what the appliance answered'),
    item('-h, --help', 'what a command does, its options and an example'),
    '',
    'A value - is read from standard input. Secrets are read from there only.',
    '',
    'Exit codes: 0 done, 1 refused or verification failed, 2 wrong usage or config,',
    '3 appliance not reachable or data held by another, 78 unsupported runtime',
    '',
  ].join('\n');
}

/** A command of one word with what it does; a noun with its verbs. */
function groupLines(commands: readonly Command[]): readonly string[] {
  const nouns = Map.groupBy(commands, nounOf);
  return [...nouns].map(([noun, members]) => {
    const verbs = members.flatMap((member) => verbOf(member) ?? []);
    return item(noun, verbs.length > 0 ? verbs.join(', ') : brief(members[0]?.summary ?? ''));
  });
}

export function nounHelp(noun: string, commands: readonly Command[]): string {
  const own = commands.filter((command) => nounOf(command) === noun);
  const groups = (['Look', 'Change', 'Run'] as const).flatMap((group) => {
    const inGroup = own.filter((command) => command.group === group);
    const lines = inGroup.map((command) => item(verbOf(command) ?? '', command.summary));
    return lines.length === 0 ? [] : [group, ...lines, ''];
  });
  return [
    `Usage: stack ${noun} VERB [OPTIONS]`,
    '',
    ...groups,
    'Example',
    ...exampleOf(own)
      .split('\n')
      .map((line) => `  ${line}`),
    '',
    `\`stack ${noun} VERB --help\` says more.`,
    '',
  ].join('\n');
}

const exampleOf = (commands: readonly Command[]): string =>
  (commands.find(({ group }) => group === 'Look') ?? commands[0])?.example ?? '';

const brief = (summary: string): string => summary.split('. ')[0]?.replace(/\.$/, '') ?? '';

function item(term: string, text: string): string {
  const width = HELP_COLUMNS - TERM_COLUMNS - 2;
  const [first = '', ...rest] = wrap(text, width);
  const indent = ' '.repeat(TERM_COLUMNS + 2);
  const head = `  ${term.padEnd(TERM_COLUMNS)}`;
  return [
    term.length < TERM_COLUMNS ? head + first : `  ${term}\n${indent}${first}`,
    ...rest.map((line) => indent + line),
  ].join('\n');
}

export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length > width && line !== '') {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
