// Registering an agent: new, the same again, or a contradiction. Never below the ceiling's mode (contract 2).

import type { z } from 'zod';
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { type Agent, type AgentSettings, looser } from './model.ts';
import type { agentFields } from './shape.ts';
import type { AgentRow } from './store.ts';

type Fields = z.infer<typeof agentFields>;

/** Whether the fields that were given say what the agent already is. */
export function sameAgent(agent: Agent, fields: Omit<Fields, 'name'>): boolean {
  const said = [
    [fields.description, agent.description],
    [fields.accountability_mode, agent.mode],
    [fields.on_warning, agent.onWarning],
    [fields.on_critical, agent.onCritical],
  ];
  return said.every(([given, present]) => given === undefined || given === present);
}

export function newAgent(
  fields: Fields,
  made: { readonly id: string; readonly nowMs: number; readonly ceiling: AgentSettings },
): Result<AgentRow> {
  const mode = fields.accountability_mode ?? made.ceiling.mode ?? 'enforced';
  if (made.ceiling.mode !== undefined && looser(mode, made.ceiling.mode)) {
    return refuse(
      new Fault('FORBIDDEN', { detail: `mode ${mode} is looser than agents."*".mode ${made.ceiling.mode}` }),
    );
  }
  return ok({
    id: made.id,
    name: fields.name,
    description: fields.description ?? '',
    mode,
    on_warning: fields.on_warning ?? 'notify',
    on_critical: fields.on_critical ?? 'notify',
    status: 'active',
    source: 'api',
    created_at: made.nowMs,
  });
}
