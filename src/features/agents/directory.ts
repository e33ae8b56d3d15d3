// Agents as they are now: the stored row under the live config, which decides grants and, where it says so, the mode.
import { AGENTS_MAX } from '#kernel/limits.ts';
import type { Statement } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { type Agent, type AgentSettings, stricter } from './model.ts';
import { type AgentRow, agentBy, agentsAfter, countAgents, insertAgent } from './store.ts';

export type Ceilings = {
  readonly agents: ReadonlyMap<string, AgentSettings>;
  readonly ceiling: AgentSettings;
};

export type AgentDirectory = {
  readonly find: (idOrName: string) => Agent | undefined;
  /** Why no new agent may have this name, though `find` knows none; undefined when it may. */
  readonly obstacle: (name: string) => Promise<'name of a dropped agent' | 'too many agents' | undefined>;
  /** By name, after `cursor`. */
  readonly list: (page: { readonly limit: number; readonly cursor: string }) => Promise<readonly Agent[]>;
};

export function createAgentDirectory(reader: Reader, settings: () => Ceilings): AgentDirectory {
  const live = (row: AgentRow | undefined): Agent | undefined =>
    row === undefined ? undefined : agentOf(row, settings());
  return {
    find: (idOrName) => live(agentBy(reader, idOrName)),
    obstacle: async (name) => {
      if (agentBy(reader, name) !== undefined) return 'name of a dropped agent';
      return (await countAgents(reader)) >= AGENTS_MAX ? 'too many agents' : undefined;
    },
    list: async ({ limit, cursor }) => {
      const found: Agent[] = [];
      let rows: readonly AgentRow[] = [];
      let after = cursor;
      // Rows that the config has dropped must not shorten a page: a short page says that the list has ended.
      do {
        rows = await agentsAfter(reader, after, limit);
        found.push(...rows.map(live).filter((agent) => agent !== undefined));
        after = rows.at(-1)?.name ?? after;
      } while (found.length < limit && rows.length === limit);
      return found.slice(0, limit);
    },
  };
}

/** `undefined`: the row came from a config that no longer names it. */
export function agentOf(row: AgentRow, { agents, ceiling }: Ceilings): Agent | undefined {
  const named = agents.get(row.name);
  if (row.source === 'config' && named === undefined) return undefined;
  const own = named ?? ceiling;
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    // Contract 2: the live config is a ceiling, also for agents that registered before it was tightened.
    mode: named?.mode ?? stricter(row.mode, (named ?? ceiling).mode ?? row.mode),
    onWarning: row.on_warning,
    onCritical: row.on_critical,
    status: row.status,
    source: named === undefined ? 'api' : 'config',
    grants: own.services,
    createdAtMs: row.created_at,
  };
}

/** Rows for agents of the config that have none yet: they exist without registering. */
export async function missingAgents(
  { agents }: Ceilings,
  { reader, host }: { readonly reader: Reader; readonly host: Host },
): Promise<readonly { readonly name: string; readonly id: string; readonly statement: Statement }[]> {
  const created = [];
  for (const [name, settings] of agents) {
    if (agentBy(reader, name) !== undefined) continue;
    const id = host.id('agt');
    const row: AgentRow = {
      id,
      name,
      description: '',
      mode: settings.mode ?? 'enforced',
      on_warning: 'notify',
      on_critical: 'notify',
      status: 'active',
      source: 'config',
      created_at: host.nowMs(),
    };
    created.push({ name, id, statement: insertAgent(row) });
  }
  return created;
}

/** Ids of agents that there were by the config alone, and are no more. */
export function droppedAgents(
  { before, after }: { readonly before: Ceilings['agents']; readonly after: Ceilings['agents'] },
  reader: Reader,
): readonly string[] {
  return [...before.keys()].flatMap((name) => {
    const row = after.has(name) ? undefined : agentBy(reader, name);
    return row?.source === 'config' ? [row.id] : [];
  });
}
