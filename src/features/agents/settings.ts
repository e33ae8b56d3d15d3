// The `agents` section of the config. Descriptions are the manual.
import { z } from 'zod';
import { isScope } from '#features/policy/model.ts';
import { MODES } from './model.ts';

export const agentSettings = z.strictObject({
  mode: z.enum(MODES).optional().describe('enforced (default), logged or standard.'),
  services: z
    .record(z.string(), z.array(z.string().refine(isScope, 'must be a scope service:resource:verb')))
    .default({})
    .describe('Per service, the scopes this agent is granted: service:resource:verb with * parts.'),
});
