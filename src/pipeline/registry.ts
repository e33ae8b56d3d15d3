// All operations in one place, found by tool name or walked by a surface. A name or route that stands twice is our mistake.
import { assert } from '#kernel/assert.ts';
import type { Operation } from '#kernel/operation.ts';

export type Registry = {
  readonly all: readonly Operation[];
  readonly byName: (name: string) => Operation | undefined;
  /** Tools of `/mcp`, in the order of contract 5. */
  readonly defaultTools: readonly Operation[];
};

/** The order in which agents meet the tools (contract 5). */
const DEFAULT_ORDER = [
  'stack_list_services',
  'stack_register_agent',
  'stack_issue_passport',
  'stack_delegate_passport',
  'stack_refresh_passport',
  'stack_revoke_passport',
  'stack_get_passport_report',
  'stack_proxy_request',
  'stack_simulate_intent',
  'stack_submit_intent',
  'stack_get_intent_approval',
  'stack_checkpoint',
  'stack_checkout',
] as const;

export function createRegistry(operations: readonly Operation[]): Registry {
  const names = new Map<string, Operation>();
  const routes = new Set<string>();
  for (const operation of operations) {
    const route = `${operation.route.method} ${operation.route.path}`;
    assert(!names.has(operation.name) && !routes.has(route), `operation ${operation.name} stands twice`);
    names.set(operation.name, operation);
    routes.add(route);
  }
  const defaultTools = DEFAULT_ORDER.map((name) => {
    const tool = names.get(name);
    assert(tool !== undefined && tool.toolset === 'default', `default tool ${name} is missing`);
    return tool;
  });
  return { all: operations, byName: (name) => names.get(name), defaultTools };
}
