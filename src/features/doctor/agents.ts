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
const KEY_VARIABLE = 'STACK_API_KEY';
const ROOT = 0;

type Seen = {
  /** User of the appliance. */
  readonly uid: number;
  readonly programs: readonly Program[];
  readonly clients: readonly Client[];
  /** Ours: the appliance, and the program that asks. */
  readonly own: readonly number[];
};

export function examineAgents({ uid, programs, clients, own }: Seen): readonly Finding[] {
  const connected = clients
    .filter((client) => client.uid === uid && !own.includes(client.program?.pid ?? 0))
    .map(({ program }) => (program === undefined ? 'a program' : shown(program)));
  const known = programs
    .filter((program) => program.uid === uid && !own.includes(program.pid) && isAgent(program))
    .map(shown);
  const all = [...new Set([...connected, ...known])];
  const found: Finding[] = all.map((name) => ({
    topic: 'agents',
    level: 'problem',
    message: `${name} uses the appliance and runs as the appliance's own user, so it can read the root key and use the local socket`,
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

function isAgent({ names, variables }: Program): boolean {
  if (names.some((name) => AGENT_NAMES.has(name))) return true;
  return variables.includes(KEY_VARIABLE) && !SHELLS.has((names[0] ?? '').replace(/^-/, ''));
}
