// Passports as callers give and see them (contract 4).
import { z } from 'zod';
import { OPERATORS } from '#features/policy/model.ts';
import {
  CONSTRAINT_VALUE_CHARS_MAX,
  ID_CHARS_MAX,
  INTENT_SUMMARY_CHARS_MAX,
  LIST_MEMBERS_MAX,
  MISSION_SECONDS_MAX,
  PASSPORT_TTL_SECONDS_MAX,
  PASSPORT_TTL_SECONDS_MIN,
  SCOPE_CHARS_MAX,
  SERVICE_NAME_CHARS_MAX,
} from '#kernel/limits.ts';
import { type PassportRow, servicesOf } from './store.ts';

const scalar = z.union([z.string().max(CONSTRAINT_VALUE_CHARS_MAX), z.number(), z.boolean(), z.null()]);

export const issueInput = z.strictObject({
  agent_id: z.string().max(ID_CHARS_MAX).optional().describe('Agent by id. Give agent_id or agent.'),
  agent: z.string().max(ID_CHARS_MAX).optional().describe('Agent by name.'),
  intent: z
    .strictObject({
      summary: z.string().min(1).max(INTENT_SUMMARY_CHARS_MAX).describe('What the mission is.'),
      services: z
        .array(z.string().max(SERVICE_NAME_CHARS_MAX))
        .max(LIST_MEMBERS_MAX)
        .describe('Services the mission needs.'),
      will_delegate: z.boolean().optional(),
      estimated_duration_seconds: z.number().int().min(1).max(MISSION_SECONDS_MAX).optional(),
    })
    .optional()
    .describe('Required unless the agent is in standard mode.'),
  scopes: z
    .array(z.string().max(SCOPE_CHARS_MAX))
    .max(LIST_MEMBERS_MAX)
    .optional()
    .describe('service:resource:verb; all grants if left out.'),
  constraints: z
    .array(
      z.strictObject({
        service: z.string().max(SERVICE_NAME_CHARS_MAX),
        path: z.string().max(SCOPE_CHARS_MAX),
        op: z.enum(OPERATORS),
        value: z.union([scalar, z.array(scalar).max(LIST_MEMBERS_MAX)]).optional(),
      }),
    )
    .max(LIST_MEMBERS_MAX)
    .optional()
    .describe('Every call must meet all of them.'),
  ttl_seconds: z.number().int().min(PASSPORT_TTL_SECONDS_MIN).max(PASSPORT_TTL_SECONDS_MAX).optional(),
  checkpoint_interval_seconds: z
    .number()
    .int()
    .min(PASSPORT_TTL_SECONDS_MIN)
    .max(PASSPORT_TTL_SECONDS_MAX)
    .optional(),
});

const serviceShape = z.strictObject({
  service: z.string(),
  scopes: z.array(z.string()),
  constraints: z.array(z.record(z.string(), z.unknown())),
});
const listed = z.strictObject({
  jti: z.string(),
  session_id: z.string(),
  agent_id: z.string(),
  expires_at: z.string(),
  services: z.array(serviceShape),
});

export const issueOutput = listed.extend({ token: z.string() });
export const listOutput = z.strictObject({ passports: z.array(listed), next_cursor: z.string().nullable() });
export const verifyOutput = z.strictObject({
  valid: z.boolean(),
  claims: z.record(z.string(), z.unknown()).optional(),
  code: z.string().optional(),
});
const count = z.number().int();
export const revokeOutput = z.strictObject({
  revoked: z.array(z.string()),
  cascaded: count,
  cut: z.strictObject({ requests: count, streams: count, calls: count, approvals: count }),
  took_ms: count,
});

export function showListed(row: PassportRow): z.infer<typeof listed> {
  return {
    jti: row.jti,
    session_id: row.session_id,
    agent_id: row.agent_id,
    expires_at: new Date(row.expires_at).toISOString(),
    services: servicesOf(row).map(({ service, scopes, constraints }) => ({
      service,
      scopes: [...scopes],
      constraints: constraints.map((constraint) => ({ ...constraint })),
    })),
  };
}

export const showIssued = (row: PassportRow, token: string): z.infer<typeof issueOutput> => ({
  token,
  ...showListed(row),
});
