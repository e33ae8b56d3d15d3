// Agents: register, list, read, change, delete, unblock. Agents are named by id or name everywhere.
import { z } from 'zod';
import { Fault } from '#kernel/errors.ts';
import { AGENTS_MAX, ID_CHARS_MAX, LIST_PAGE, LIST_PAGE_MAX } from '#kernel/limits.ts';
import { type Caller, type Operation, operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Statement } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { AgentDirectory, Ceilings } from './directory.ts';
import { type Agent, looser } from './model.ts';
import { newAgent, sameAgent } from './register.ts';
import { AGENT_EXAMPLE, agentFields, agentShape, showAgent } from './shape.ts';
import { type AgentRow, deleteAgent, insertAgentWithin, updateAgent } from './store.ts';

type Deps = {
  readonly directory: AgentDirectory;
  readonly settings: () => Ceilings;
  readonly host: Host;
  /** Lets X-Stack-Agent have a passport again after a revocation; part of unblocking and of deleting. */
  readonly releaseStanding?: (agentId: string) => Statement;
  /** Its own keys go with it. */
  readonly forgetKeys?: (agentId: string) => readonly Statement[];
};

const id = z.string().min(1).max(ID_CHARS_MAX).describe('Agent id or name.');
const agentOnly = z.strictObject({ id });

export function agentOperations(deps: Deps): readonly Operation[] {
  return [registering(deps), listing(deps), reading(deps), changing(deps), deleting(deps), unblocking(deps)];
}

function registering({ directory, settings, host }: Deps): Operation {
  return operation({
    name: 'stack_register_agent',
    action: 'agent.register',
    summary: 'Register an agent by name. Registering the same agent again answers the agent that is there.',
    effect: 'write',
    callers: ['key', 'person'],
    scope: 'agents:write',
    input: agentFields,
    output: agentShape,
    example: {
      input: { name: AGENT_EXAMPLE.name, description: AGENT_EXAMPLE.description, on_critical: 'block' },
      output: AGENT_EXAMPLE,
    },
    errors: ['FORBIDDEN', 'CONFLICT'],
    statuses: [201, 200],
    idempotent: true,
    route: { method: 'POST', path: '/v1/agents/register' },
    toolset: 'default',
    line: 'operations',
    run: async ({ caller, input, nowMs }) => {
      const found = directory.find(input.name);
      if (caller.acting !== undefined && caller.acting.agentId !== found?.id) return foreign();
      if (found !== undefined) {
        const conflict = new Fault('CONFLICT', { detail: `agent ${input.name} exists and differs` });
        return sameAgent(found, input) ? ok({ output: showAgent(found), changes: [] }) : refuse(conflict);
      }
      const obstacle = await directory.obstacle(input.name);
      if (obstacle !== undefined) return refuse(OBSTACLES[obstacle](input.name));
      const row = newAgent(input, { id: host.id('agt'), nowMs, ceiling: settings().ceiling });
      if (!row.ok) return row;
      const agent: Agent = {
        id: row.value.id,
        name: row.value.name,
        description: row.value.description,
        mode: row.value.mode,
        onWarning: row.value.on_warning,
        onCritical: row.value.on_critical,
        status: 'active',
        source: 'api',
        grants: settings().ceiling.services,
        createdAtMs: nowMs,
      };
      const entry = { agent_id: agent.id, detail: { name: agent.name, mode: agent.mode } };
      return ok({
        output: showAgent(agent),
        status: 201,
        changes: [insertAgentWithin(row.value, AGENTS_MAX)],
        entry,
      });
    },
  });
}

const OBSTACLES = {
  'name of a dropped agent': (name: string) =>
    new Fault('CONFLICT', {
      detail: `agent ${name} came from the config, which no longer names it`,
      metadata: { reason: 'The name belongs to an agent that the config no longer lists.' },
      next: `Register under another name, or ask the operator to put agents.${name} back into the config.`,
    }),
  'too many agents': () =>
    new Fault('CONFLICT', {
      detail: `there are ${AGENTS_MAX} agents`,
      metadata: { reason: 'There are as many agents as this appliance holds.', agents_max: AGENTS_MAX },
      next: 'Use an agent that is there (stack_list_agents), or delete one that is no longer needed with stack_delete_agent.',
    }),
} as const;

const foreign = (): Result<never> =>
  refuse(
    new Fault('FORBIDDEN', { detail: 'the transport says which agent acts; it may not act for another' }),
  );

function listing({ directory }: Deps): Operation {
  return operation({
    name: 'stack_list_agents',
    action: 'agent.list',
    summary: 'List the agents with their modes and grants.',
    effect: 'read',
    callers: ['key', 'person'],
    scope: 'agents:read',
    input: z.strictObject({
      limit: z.number().int().min(1).max(LIST_PAGE_MAX).default(LIST_PAGE).describe('Agents per page.'),
      cursor: z.string().max(ID_CHARS_MAX).optional().describe('next_cursor of the page before.'),
    }),
    output: z.strictObject({
      agents: z.array(agentShape).describe('Agents of this page, by name.'),
      next_cursor: z.string().nullable().describe('Give it as cursor for the next page; null at the end.'),
    }),
    example: { input: { limit: 20 }, output: { agents: [AGENT_EXAMPLE], next_cursor: null } },
    errors: [],
    route: { method: 'GET', path: '/v1/agents' },
    toolset: 'agents',
    line: 'operations',
    run: async ({ caller, input }) => {
      if (caller.bound === true) return ok({ output: await ownAgent(directory, caller), changes: [] });
      const found = await directory.list({ limit: input.limit, cursor: input.cursor ?? '' });
      const next_cursor = found.length === input.limit ? (found.at(-1)?.name ?? null) : null;
      return ok({ output: { agents: found.map(showAgent), next_cursor }, changes: [] });
    },
  });
}

/** A bound key sees no other agent, not even its name. */
async function ownAgent(directory: AgentDirectory, { acting }: Caller) {
  const own = acting === undefined ? undefined : directory.find(acting.agentId);
  return { agents: own === undefined ? [] : [showAgent(own)], next_cursor: null };
}

/** The agent, if this caller may see or act on it. */
async function reach({ directory }: Deps, caller: Caller, idOrName: string): Promise<Result<Agent>> {
  const agent = directory.find(idOrName);
  if (caller.bound === true && agent?.id !== caller.acting?.agentId) return foreign();
  if (agent === undefined) return refuse(new Fault('NOT_FOUND', { detail: `no agent ${idOrName}` }));
  return caller.acting !== undefined && caller.acting.agentId !== agent.id ? foreign() : ok(agent);
}

function reading(deps: Deps): Operation {
  return operation({
    name: 'stack_get_agent',
    action: 'agent.read',
    summary: 'Read one agent.',
    effect: 'read',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'agents:read',
    input: agentOnly,
    output: agentShape,
    example: { input: { id: 'support-bot' }, output: AGENT_EXAMPLE },
    errors: ['NOT_FOUND', 'FORBIDDEN'],
    route: { method: 'GET', path: '/v1/agents/:id' },
    toolset: 'agents',
    line: 'operations',
    run: async ({ caller, input }) => {
      const agent = await reach(deps, caller, input.id);
      return agent.ok ? ok({ output: showAgent(agent.value), changes: [] }) : agent;
    },
  });
}

function changing(deps: Deps): Operation {
  return operation({
    name: 'stack_update_agent',
    action: 'agent.update',
    summary:
      'Change an agent. A key may only make it stricter; what the config sets cannot be changed by a call.',
    effect: 'write',
    callers: ['key', 'person'],
    scope: 'agents:write',
    input: agentFields.omit({ name: true }).extend({ id }),
    output: agentShape,
    example: { input: { id: 'support-bot', on_critical: 'block' }, output: AGENT_EXAMPLE },
    errors: ['NOT_FOUND', 'FORBIDDEN', 'CONFLICT'],
    idempotent: true,
    route: { method: 'PATCH', path: '/v1/agents/:id' },
    toolset: 'agents',
    line: 'operations',
    run: async ({ caller, input }) => {
      const found = await reach(deps, caller, input.id);
      if (!found.ok) return found;
      const agent = found.value;
      const next: Agent = {
        ...agent,
        description: input.description ?? agent.description,
        mode: input.accountability_mode ?? agent.mode,
        onWarning: input.on_warning ?? agent.onWarning,
        onCritical: input.on_critical ?? agent.onCritical,
      };
      const refusal = changeProblem(deps, caller, { agent, next });
      if (refusal !== undefined) return refuse(refusal);
      return ok({
        output: showAgent(next),
        changes: changeOf(agent.id, input),
        entry: { agent_id: agent.id, detail: { mode: next.mode } },
      });
    },
  });
}

type Given = Omit<z.infer<typeof agentFields>, 'name'>;

/** Only what was given: a mode that stands in the config must not be carried into the row. */
function changeOf(agentId: string, given: Given): readonly Statement[] {
  const change: Partial<AgentRow> = {};
  if (given.description !== undefined) change.description = given.description;
  if (given.accountability_mode !== undefined) change.mode = given.accountability_mode;
  if (given.on_warning !== undefined) change.on_warning = given.on_warning;
  if (given.on_critical !== undefined) change.on_critical = given.on_critical;
  return Object.keys(change).length === 0 ? [] : [updateAgent(agentId, change)];
}

type Change = { readonly agent: Agent; readonly next: Agent };

function changeProblem({ settings }: Deps, caller: Caller, { agent, next }: Change): Fault | undefined {
  if (next.mode !== agent.mode && settings().agents.get(agent.name)?.mode !== undefined) {
    return new Fault('CONFLICT', {
      detail: 'the mode is set in the config',
      next: 'Change agents.NAME.mode in the config.',
    });
  }
  const eased = (from: string, to: string): boolean => from === 'block' && to === 'notify';
  const easier =
    looser(next.mode, agent.mode) ||
    eased(agent.onWarning, next.onWarning) ||
    eased(agent.onCritical, next.onCritical);
  return caller.kind === 'key' && easier
    ? new Fault('FORBIDDEN', { detail: 'a key may only make an agent stricter' })
    : undefined;
}

function deleting(deps: Deps): Operation {
  return operation({
    name: 'stack_delete_agent',
    action: 'agent.delete',
    summary:
      'Delete an agent. Its passports end, with all that were delegated from them, and what is open under them is cut.',
    effect: 'destroy',
    callers: ['key', 'person'],
    scope: 'agents:write',
    input: agentOnly,
    output: z.strictObject({
      id: z.string().describe('Id of the agent that is gone.'),
      deleted: z.boolean().describe('Always true; a refusal is an error.'),
    }),
    example: { input: { id: 'support-bot' }, output: { id: AGENT_EXAMPLE.id, deleted: true } },
    errors: ['NOT_FOUND', 'FORBIDDEN', 'CONFLICT'],
    route: { method: 'DELETE', path: '/v1/agents/:id' },
    toolset: 'agents',
    line: 'operations',
    run: async ({ caller, input }) => {
      const found = await reach(deps, caller, input.id);
      if (!found.ok) return found;
      const agent = found.value;
      if (agent.source === 'config') {
        return refuse(
          new Fault('CONFLICT', {
            detail: 'the agent is in the config',
            next: 'Remove it from agents in the config.',
          }),
        );
      }
      // Its id never comes back: a bar on its header would only keep the row of the passport for ever.
      const released = deps.releaseStanding?.(agent.id);
      return ok({
        output: { id: agent.id, deleted: true },
        changes: [
          ...(released === undefined ? [] : [released]),
          ...(deps.forgetKeys?.(agent.id) ?? []),
          deleteAgent(agent.id),
        ],
        ends: { of: 'agent', id: agent.id, reason: 'Agent deleted' },
        entry: { agent_id: agent.id },
      });
    },
  });
}

function unblocking(deps: Deps): Operation {
  return operation({
    name: 'stack_unblock_agent',
    action: 'agent.unblock',
    summary: 'Let a blocked agent have passports again.',
    effect: 'write',
    callers: ['person'],
    scope: 'agents:write',
    input: agentOnly,
    output: agentShape,
    example: { input: { id: 'support-bot' }, output: AGENT_EXAMPLE },
    errors: ['NOT_FOUND'],
    idempotent: true,
    route: { method: 'POST', path: '/v1/agents/:id/unblock' },
    toolset: null,
    line: 'operations',
    run: async ({ caller, input }) => {
      const found = await reach(deps, caller, input.id);
      if (!found.ok) return found;
      const agent: Agent = { ...found.value, status: 'active' };
      const released = deps.releaseStanding?.(agent.id);
      const changes = [
        updateAgent(agent.id, { status: 'active' }),
        ...(released === undefined ? [] : [released]),
      ];
      return ok({ output: showAgent(agent), changes, entry: { agent_id: agent.id } });
    },
  });
}
