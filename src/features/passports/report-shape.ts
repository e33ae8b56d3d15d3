// The report of a mission as callers see it, field by field (contract 4).
import { z } from 'zod';
import { MODES } from '#features/agents/model.ts';
import { listedShape, PASSPORT_EXAMPLE } from './shape.ts';

const text = (says: string) => z.string().describe(says);
const maybe = (says: string) => z.string().nullable().describe(says);
const count = (says: string) => z.number().int().min(0).describe(says);
const maybeCount = (says: string) => z.number().int().min(0).nullable().describe(says);
const at = text('When, RFC 3339 UTC.');

const call = z.strictObject({
  at,
  entry_id: text('Its entry in the log.'),
  agent_id: maybe('Agent that made it.'),
  agent_name: maybe('Its name.'),
  passport_jti: maybe('Passport that it was made with.'),
  service: maybe('Service that was called.'),
  action: maybe('Action of the service.'),
  method: maybe('HTTP method.'),
  path: maybe('Path, without the query.'),
  outcome: z
    .enum(['pending', 'success', 'failure', 'blocked', 'unknown'])
    .describe('pending: under way. blocked: refused before anything left.'),
  status: maybeCount('HTTP status that the service answered.'),
  error_code: maybe('Code of the refusal or failure.'),
  duration_ms: maybeCount('Milliseconds that it took.'),
  bytes_in: maybeCount('Bytes of the answer.'),
  bytes_out: maybeCount('Bytes of the request body.'),
});

const event = z.strictObject({
  at,
  type: text('What was noticed.'),
  severity: maybe('info, warning or critical.'),
  passport_jti: maybe('Passport under which it was noticed.'),
  services: z.array(z.string()).describe('Services that it is about.'),
});

const delegation = z.strictObject({
  at,
  jti: text('Passport that was delegated.'),
  parent_jti: maybe('Passport that it was delegated from.'),
  agent_id: maybe('Agent that got it.'),
  agent_name: maybe('Its name.'),
  intent: maybe('What it was for.'),
  scopes: z.array(z.string()).describe('Scopes that were handed on.'),
});

const checkpoint = z.strictObject({
  at,
  passport_jti: maybe('Passport that reported.'),
  services_used: z.array(z.string()).describe('Services used, as the agent said.'),
  actions_count: maybeCount('Actions taken, as the agent said.'),
  summary: maybe('What was done, in words of the agent.'),
});

export const reportShape = z.strictObject({
  passport: listedShape
    .extend({
      agent_name: text('Name of the agent.'),
      mode: z.enum(MODES).describe('Mode under which it was issued.'),
      depth: count('Hops from the first passport of the mission.'),
      issued_at: text('When the mission began, RFC 3339 UTC.'),
    })
    .describe('The passport that was asked for.'),
  intent: z
    .strictObject({
      summary: text('What the agent said it is going to do.'),
      services: z.array(z.string()).describe('Services it said it needs.'),
      will_delegate: z.boolean().describe('Whether it meant to pass a part on.'),
      estimated_duration_seconds: maybeCount('How long it may take, as the agent said.'),
    })
    .nullable()
    .describe('Null where none was declared.'),
  calls: z.array(call).describe('The newest calls, the older first.'),
  approvals: z
    .array(z.strictObject({ approval_id: text('Id of the approval.') }))
    .describe('None in this version.'),
  events: z.array(event).describe('What was noticed.'),
  delegations: z.array(delegation).describe('What was handed on to other agents.'),
  checkpoints: z.array(checkpoint).describe('Reports of the agents on their way.'),
  totals: z
    .strictObject({
      calls: count('Calls, also those that were refused.'),
      success: count('Answered with a status below 400.'),
      failure: count('Answered with 400 or more, or not at all.'),
      blocked: count('Refused before anything left.'),
      unknown: count('Sent, and nobody knows what came of it.'),
      pending: count('Under way.'),
      bytes_in: count('Bytes of all answers.'),
      bytes_out: count('Bytes of all request bodies.'),
      duration_ms: count('Milliseconds of all calls together.'),
      complete: z
        .boolean()
        .describe('false: the mission has more entries than a report reads; these are the newest.'),
    })
    .describe('Counts over the whole mission.'),
  outcome: z
    .strictObject({
      status: z
        .enum(['active', 'checked_out', 'expired', 'missed_checkpoint', 'revoked', 'parent_ended'])
        .describe('Where the mission stands.'),
      at: maybe('When it ended, RFC 3339 UTC; null while it is active.'),
      reason: maybe('Why it was revoked.'),
      result: maybe('success or failure, as the agent said at checkout.'),
      summary: maybe('What came of it, in words of the agent.'),
    })
    .describe('How it ended, or that it has not.'),
  markdown: text('The same for people, as Markdown.'),
});
export type MissionReport = z.output<typeof reportShape>;

export const REPORT_EXAMPLE: MissionReport = {
  passport: {
    ...PASSPORT_EXAMPLE,
    agent_name: 'support-bot',
    mode: 'enforced',
    depth: 0,
    issued_at: '2026-11-23T09:30:00.000Z',
  },
  intent: {
    summary: 'Answer a question about invoice in_7',
    services: ['billing'],
    will_delegate: false,
    estimated_duration_seconds: null,
  },
  calls: [],
  approvals: [],
  events: [],
  delegations: [],
  checkpoints: [],
  totals: {
    calls: 0,
    success: 0,
    failure: 0,
    blocked: 0,
    unknown: 0,
    pending: 0,
    bytes_in: 0,
    bytes_out: 0,
    duration_ms: 0,
    complete: true,
  },
  outcome: { status: 'active', at: null, reason: null, result: null, summary: null },
  markdown: '# Mission of support-bot',
};
