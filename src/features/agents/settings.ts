// The `agents` section of the config. Descriptions are the manual.
import { z } from 'zod';
import { isScope } from '#features/policy/model.ts';
import {
  CALLS_PER_AGENT_IN_FLIGHT_MAX,
  CALLS_PER_DAY_MAX,
  CALLS_PER_MINUTE_MAX,
  CALLS_PER_MISSION_MAX,
} from '#kernel/limits.ts';
import { MODES } from './model.ts';

/** A limit of nothing would be an agent that is there and can do nothing; that is said by granting nothing. */
const count = (max: number, text: string) => z.int().min(1, text).max(max, text).optional();

export const agentSettings = z.strictObject({
  mode: z.enum(MODES).optional().describe('enforced (default), logged or standard.'),
  services: z
    .record(z.string(), z.array(z.string().refine(isScope, 'must be a scope service:resource:verb')))
    .default({})
    .describe('Per service, the scopes this agent is granted: service:resource:verb with * parts.'),
  limits: z
    .strictObject({
      calls_per_minute: count(
        CALLS_PER_MINUTE_MAX,
        `must be a whole number from 1 to ${CALLS_PER_MINUTE_MAX}`,
      ).describe('Calls in any 60 seconds.'),
      concurrency: count(
        CALLS_PER_AGENT_IN_FLIGHT_MAX,
        `must be a whole number from 1 to ${CALLS_PER_AGENT_IN_FLIGHT_MAX}, the places of one agent`,
      ).describe('Calls under way at once.'),
      calls_per_day: count(
        CALLS_PER_DAY_MAX,
        `must be a whole number from 1 to ${CALLS_PER_DAY_MAX}`,
      ).describe('Calls from one midnight UTC to the next.'),
      calls_per_mission: count(
        CALLS_PER_MISSION_MAX,
        `must be a whole number from 1 to ${CALLS_PER_MISSION_MAX}`,
      ).describe('Calls of this agent in one mission, with all its checkpoints and refreshes.'),
    })
    .prefault({})
    .describe(
      'How many calls this agent may make; under "*", each agent registered by a call. None if left out.',
    ),
});
