// One example for every command, of values that read like real ones. Where what follows from the schema would teach
// nothing, it stands here.
import type { Operation } from '#kernel/operation.ts';
import { type Command, flagOf, type Parameter } from './command.ts';

const WRITTEN: Readonly<Record<string, string>> = {
  stack_issue_passport:
    `stack passports issue --agent support-bot \\\n` +
    `  --intent '{"summary": "answer a ticket", "services": ["billing"]}'`,
  stack_proxy_request:
    `stack proxy request --service billing --method POST --path /invoices \\\n` +
    `  --body '{"customer": "c_7"}' --passport pp_4097d043…`,
  stack_set_secret:
    'stack secrets set billing            # asks, without showing it\nstack secrets set billing < token.txt',
  stack_verify_passport: 'stack passports verify < token.txt',
  stack_update_agent: 'stack agents update support-bot --accountability-mode logged',
  stack_list_audit: 'stack audit list --agent-id agt_4097d043… --limit 50',
};

const IDS: Readonly<Record<string, string>> = {
  agents: 'support-bot',
  keys: 'key_4097d043…',
  passports: 'pp_4097d043…',
  secrets: 'billing',
  services: 'billing',
};

type Bare = Pick<Command, 'name' | 'positionals' | 'options'>;

export function exampleOf(operation: Operation, { name, positionals, options }: Bare): string {
  const written = WRITTEN[operation.name];
  if (written !== undefined) return written;
  const noun = name.split(' ')[0] ?? '';
  const needed = options.filter(({ required, kind }) => required && kind !== 'secret');
  const words = [
    `stack ${name}`,
    ...positionals.map((parameter) => sample(parameter, noun)),
    ...needed.map((parameter) =>
      parameter.kind === 'flag' ? flagOf(parameter) : `${flagOf(parameter)} ${sample(parameter, noun)}`,
    ),
  ];
  return words.join(' ');
}

function sample({ choices, completes, kind, name }: Parameter, noun: string): string {
  if (choices?.[0] !== undefined) return choices[0];
  if (completes !== undefined) return IDS[completes] ?? name;
  if (kind === 'number') return '10';
  if (kind === 'json') return `'{…}'`;
  return (name === 'name' ? IDS[noun] : undefined) ?? name.toUpperCase();
}
