// The agent as callers see it, and the fields they may give (contract 4).
import { z } from 'zod';
import { AGENT_DESCRIPTION_CHARS_MAX, AGENT_NAME_CHARS_MAX } from '#kernel/limits.ts';
import { type Agent, MODES } from './model.ts';

/** Product facts 1.4. */
export const AGENT_NAME = /^[a-z0-9][a-z0-9-]*[a-z0-9]$/;

export const agentFields = z.strictObject({
  name: z
    .string()
    .max(AGENT_NAME_CHARS_MAX)
    .regex(AGENT_NAME)
    .describe('Lower-case letters, digits and dashes.'),
  description: z.string().max(AGENT_DESCRIPTION_CHARS_MAX).optional(),
  accountability_mode: z.enum(MODES).optional().describe('enforced unless said otherwise.'),
  on_warning: z.enum(['notify', 'block']).optional(),
  on_critical: z.enum(['notify', 'block']).optional(),
  credential_access: z
    .enum(['direct', 'proxy_preferred', 'proxy_only'])
    .optional()
    .describe('Accepted for older callers; credentials never leave, so it is always proxy_only.'),
});

export const agentShape = z.strictObject({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  accountability_mode: z.enum(MODES),
  on_warning: z.enum(['notify', 'block']),
  on_critical: z.enum(['notify', 'block']),
  credential_access: z.literal('proxy_only'),
  status: z.enum(['active', 'blocked']),
  source: z.enum(['api', 'config']),
  services: z.array(z.strictObject({ service: z.string(), scopes: z.array(z.string()) })),
  created_at: z.string(),
});

export function showAgent(agent: Agent): z.infer<typeof agentShape> {
  return {
    id: agent.id,
    name: agent.name,
    description: agent.description,
    accountability_mode: agent.mode,
    on_warning: agent.onWarning,
    on_critical: agent.onCritical,
    credential_access: 'proxy_only',
    status: agent.status,
    source: agent.source,
    services: agent.grants.map(({ service, scopes }) => ({ service, scopes: [...scopes] })),
    created_at: new Date(agent.createdAtMs).toISOString(),
  };
}
