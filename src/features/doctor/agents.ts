// Agents under the appliance's own user: such a program can open the root key's file and the local socket, so that it is
// the operator, whatever its passport says.
import type { Client, Program } from '#platform/host/processes.ts';
import type { Finding } from './model.ts';

/** Programs that are agents by their name. */
const AGENT_NAMES = new Set([
  'aider',
  'claude',
  'codex',
  'cursor-agent',
  'gemini',
  'goose',
  'opencode',
  'openclaw',
]);
/** Operators type their key into these. */
const SHELLS = new Set(['bash', 'dash', 'fish', 'ksh', 'sh', 'tmux', 'zsh', 'screen', 'login', 'su', 'sudo']);
/** Of these it is the script that tells which program it is. */
const INTERPRETERS = new Set(['node', 'nodejs']);
const KEY_VARIABLE = 'STACK_API_KEY';
const ROOT = 0;

type Seen = {
  /** User of the appliance. */
  readonly uid: number;
  readonly programs: readonly Program[];
  readonly clients: readonly Client[];
  /** Of the program that asks. */
  readonly self: number;
  /** Of the appliance. */
  readonly appliance: readonly number[];
};

export function examineAgents({ uid, programs, clients, ...own }: Seen): readonly Finding[] {
  const isOurs = ours(programs, own);
  const started = startersOf(programs, own.appliance);
  const connected = clients
    .filter(({ program, ...client }) => client.uid === uid && !(program !== undefined && isOurs(program)))
    .map(({ program }) => (program === undefined ? 'a program' : shown(program)));
  const known = programs
    .filter((program) => program.uid === uid && !isOurs(program))
    .filter((program) => isNamed(program) || (holdsKey(program) && !started.has(program.pid)))
    .map(shown);
  const using = new Set(connected);
  const all = [...new Set([...connected, ...known])];
  const found: Finding[] = all.map((name) => ({
    topic: 'agents',
    level: 'problem',
    // Whoever only started a program from a shell with the key must recognize what is meant.
    message: `${name} ${using.has(name) ? 'uses the appliance' : `is an agent or has ${KEY_VARIABLE}`} and runs as the appliance's own user, so it can read the root key and use the local socket`,
    next: 'Run agents as another user than the appliance.',
  }));
  if (uid === ROOT)
    found.push({
      topic: 'agents',
      level: 'warning',
      message: 'the appliance runs as root',
      next: 'Give it a user of its own; README shows a systemd unit.',
    });
  if (found.length > 0) return found;
  return [{ topic: 'agents', level: 'ok', message: "no agent seen under the appliance's own user" }];
}

const shown = ({ pid, names }: Program): string => `${names[0] ?? 'a program'} (pid ${pid})`;

/**
 * The appliance, the program that asks, and whatever else is the same program: a command in which the operator has yet to type
 * something, and the file that waits for the newer Node it has handed over to.
 */
function ours(programs: readonly Program[], { self, appliance }: Pick<Seen, 'self' | 'appliance'>) {
  const pids = [self, ...appliance];
  const same = new Set(programs.filter(({ pid }) => pids.includes(pid)).map(programOf));
  return (program: Program): boolean => pids.includes(program.pid) || same.has(programOf(program));
}

const programOf = ({ names: [command = '', script = ''] }: Program): string =>
  INTERPRETERS.has(command) ? script : command;

/** Who started the appliance: npm and its launcher have the operator's environment, key and all, and only wait. */
function startersOf(programs: readonly Program[], appliance: readonly number[]): ReadonlySet<number> {
  const parents = new Map(programs.map(({ pid, parent }) => [pid, parent]));
  const found = new Set<number>();
  for (const one of appliance)
    for (let pid = parents.get(one); pid !== undefined && !found.has(pid); pid = parents.get(pid))
      found.add(pid);
  return found;
}

const isNamed = ({ names }: Program): boolean => names.some((name) => AGENT_NAMES.has(name));

const holdsKey = ({ names, variables }: Program): boolean =>
  variables.includes(KEY_VARIABLE) && !SHELLS.has((names[0] ?? '').replace(/^-/, ''));
