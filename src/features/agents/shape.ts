// The agent as callers see it, and the fields they may give (contract 4).
import { z } from 'zod';
import { AGENT_DESCRIPTION_CHARS_MAX, AGENT_NAME_CHARS_MAX } from '#kernel/limits.ts';
import { type Agent, MODES } from './model.ts';

/** Product facts 1.4. */
export const AGENT_NAME = /^[a-z0-9][a-z0-9-]*[a-z0-9]$/;

const reaction = z.enum(['notify', 'block']);

export const agentFields = z.strictObject({
  name: z
    .string()
    .max(AGENT_NAME_CHARS_MAX)
    .regex(AGENT_NAME)
    .describe('Lower-case letters, digits and dashes.'),
  description: z
    .string()
    .max(AGENT_DESCRIPTION_CHARS_MAX)
    .optional()
    .describe('What the agent is for, in words for people.'),
  accountability_mode: z
    .enum(MODES)
    .optional()
    .describe('How strictly the agent is held; enforced if left out. A key may only make it stricter.'),
  on_warning: reaction.optional().describe('What a warning about the agent does; notify if left out.'),
  on_critical: reaction
    .optional()
    .describe('What a critical event about the agent does; notify if left out.'),
  credential_access: z
    .enum(['direct', 'proxy_preferred', 'proxy_only'])
    .optional()
    .describe('Accepted for older callers; credentials never leave, so it is always proxy_only.'),
});

export const agentShape = z.strictObject({
  id: z.string().describe('Id of the agent, agt_….'),
  name: z.string().describe('Name, unique in this appliance.'),
  description: z.string().describe('What the agent is for; may be empty.'),
  accountability_mode: z.enum(MODES).describe('How strictly the agent is held.'),
  on_warning: reaction.describe('What a warning about the agent does.'),
  on_critical: reaction.describe('What a critical event about the agent does.'),
  credential_access: z.literal('proxy_only').describe('Always proxy_only: credentials never leave.'),
  status: z
    .enum(['active', 'blocked'])
    .describe('A blocked agent gets no passport until a person unblocks it.'),
  source: z.enum(['api', 'config']).describe('Registered by a call, or written in the YAML.'),
  services: z
    .array(
      z.strictObject({
        service: z.string().describe('Name of the service.'),
        scopes: z.array(z.string()).describe('Granted scopes, service:resource:verb.'),
      }),
    )
    .describe('What the agent is granted, by service.'),
  created_at: z.string().describe('When it came to be, RFC 3339 UTC.'),
});

export const AGENT_EXAMPLE: z.output<typeof agentShape> = {
  id: 'agt_3f9a1c5e7b2d4860a1b2c3d4e5f60718',
  name: 'support-bot',
  description: 'Answers questions about invoices.',
  accountability_mode: 'enforced',
  on_warning: 'notify',
  on_critical: 'block',
  credential_access: 'proxy_only',
  status: 'active',
  source: 'api',
  services: [{ service: 'billing', scopes: ['billing:invoices:*'] }],
  created_at: '2026-11-23T09:30:00.000Z',
};

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
