// Noun and verb of an operation. The route names the noun; the name of the tool names the verb, without saying the noun twice.
import type { Operation } from '#kernel/operation.ts';

type Named = Pick<Operation, 'name' | 'route'>;

/** Where what follows from route and name would read badly. */
const NAMES: Readonly<Record<string, string>> = {
  stack_get_jwks: 'passports jwks',
  stack_get_passport_report: 'passports report',
  stack_list_active_passports: 'passports list',
  stack_verify_chain: 'audit verify',
  stack_list_catalogue: 'services catalogue',
  stack_list_connected: 'services connected',
  stack_list_deliveries: 'notifications list',
};

/** `agents register` of stack_register_agent at POST /v1/agents/register. */
export function commandName(operation: Named): string {
  const known = NAMES[operation.name];
  if (known !== undefined) return known;
  const [noun = '', ...rest] = operation.route.path.replace(/^\/v1\//, '').split('/');
  const words = operation.name.replace(/^stack_/, '').split('_');
  const tail = rest.at(-1) ?? '';
  // The route has found the shorter word already: /v1/passports/revoke-session, /v1/vault/rotate.
  if (tail.split('-')[0] === words[0]) return `${noun} ${tail}`;
  const verb = words.filter((word) => word !== noun && `${word}s` !== noun);
  return `${noun} ${verb.join('-')}`;
}

/** Texts of the appliance name tools, for agents; here they are named as the commands they are. */
export function toolsAsCommands(operations: readonly Named[]): (text: string) => string {
  const commands = new Map(operations.map((one) => [one.name, `\`stack ${commandName(one)}\``]));
  return (text) => text.replaceAll(/\bstack_[a-z_]+\b/g, (name) => commands.get(name) ?? name);
}
