// A mission reports on its way and at its end. A report in time extends the lease of an enforced passport; one that is missed
// lets it die. Checkout ends it for good, with all that was delegated from it.
import { z } from 'zod';
import type { Agent } from '#features/agents/model.ts';
import { Fault } from '#kernel/errors.ts';
import {
  CHECKPOINT_ACTIONS_MAX,
  CHECKPOINT_SUMMARY_CHARS_MAX,
  ID_CHARS_MAX,
  LIST_MEMBERS_MAX,
  SERVICE_NAME_CHARS_MAX,
} from '#kernel/limits.ts';
import { type Caller, type Operation, operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Statement } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { isPastGrace, leaseEnd, wholeSeconds } from './lease.ts';
import { tokenOf } from './mint.ts';
import {
  blocks,
  countsAgainst,
  missionProblem,
  type Noticed,
  noticed,
  type Report,
  reported,
} from './mission.ts';
import { chainAbove, type LivePassport, type PassportKeys } from './model.ts';
import { PASSPORT_EXAMPLE, TOKEN_EXAMPLE } from './shape.ts';
import { checkOut, descendsFrom, extendLease, type PassportRow, passportBy, wasHandedOn } from './store.ts';
import type { PassportVerifier } from './verify.ts';

export type MissionDeps = {
  readonly reader: Reader;
  readonly host: Host;
  readonly keys: PassportKeys;
  readonly issuer: () => string;
  readonly findAgent: (idOrName: string) => Agent | undefined;
  readonly verifier: PassportVerifier;
  /** Its passports stop at their next check, and it gets no other until a person unblocks it. */
  readonly blockAgent: (agentId: string) => Statement;
  /** Whether the log has an event of this passport. */
  readonly wasNoticed: (jti: string) => Promise<boolean>;
};

const jti = z.string().max(ID_CHARS_MAX).describe('Id of the passport, pp_….');
const names = z.array(z.string().max(SERVICE_NAME_CHARS_MAX)).max(LIST_MEMBERS_MAX);
const count = z.number().int().min(0).max(CHECKPOINT_ACTIONS_MAX);
const summary = z.string().max(CHECKPOINT_SUMMARY_CHARS_MAX).optional();

const checkpointInput = z.strictObject({
  jti,
  services_used: names.describe('Services used since the last report; an empty list for none.'),
  actions_count: count.describe('Actions taken since the last report.'),
  delegated_to: z
    .array(z.string().max(ID_CHARS_MAX))
    .max(LIST_MEMBERS_MAX)
    .optional()
    .describe('Agents that a part was handed on to, by id.'),
  summary: summary.describe('What was done, in words for people.'),
});

const eventShape = z.strictObject({
  type: z.literal('credential_outside_scope').describe('What was noticed.'),
  severity: z.enum(['warning', 'critical']).describe('critical in enforced mode, warning in logged mode.'),
  services: z.array(z.string()).describe('Services that were used and never declared.'),
});
const events = z.array(eventShape).describe('What was noticed in this report; it stands in the log.');

const checkpointOutput = z.strictObject({
  jti: z.string().describe('The passport. It stays the same, and the token that is out works on here.'),
  session_id: z.string().describe('Its session (mission).'),
  expires_at: z.string().describe('When it ends now, RFC 3339 UTC.'),
  token: z
    .string()
    .nullable()
    .describe(
      'The passport signed anew, for services that verify it by themselves; null if the agent is blocked.',
    ),
  events,
});

const checkoutOutput = z.strictObject({
  jti: z.string().describe('The passport that has ended.'),
  session_id: z.string().describe('Its session (mission).'),
  checked_out_at: z.string().describe('When, RFC 3339 UTC.'),
  bucket: z
    .enum(['clean', 'flagged', 'blocked'])
    .describe(
      'clean: nothing was noticed. flagged: a person should look. blocked: the agent gets no passport for now.',
    ),
  events,
});

export function missionOperations(deps: MissionDeps): readonly Operation[] {
  return [checkpointing(deps), checkingOut(deps)];
}

function checkpointing(deps: MissionDeps): Operation {
  return operation({
    name: 'stack_checkpoint',
    action: 'passport.checkpoint',
    summary:
      'Report progress on a mission: services used and actions taken since the last report. In enforced mode do it before ' +
      'expires_at; each report extends the passport, a missed one lets it die.',
    effect: 'write',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'passports:write',
    input: checkpointInput,
    output: checkpointOutput,
    example: {
      input: { jti: PASSPORT_EXAMPLE.jti, services_used: ['billing'], actions_count: 3 },
      output: {
        jti: PASSPORT_EXAMPLE.jti,
        session_id: PASSPORT_EXAMPLE.session_id,
        expires_at: '2026-11-23T09:50:00.000Z',
        token: TOKEN_EXAMPLE,
        events: [],
      },
    },
    errors: ['NOT_FOUND', 'FORBIDDEN', 'CHECKPOINT_NOT_AVAILABLE'],
    route: { method: 'POST', path: '/v1/passports/:jti/checkpoint' },
    toolset: 'default',
    line: 'operations',
    run: async ({ caller, input }) => {
      const row = rowOf(deps, { caller, input });
      if (!row.ok) return row;
      const live = deps.verifier.byJti(input.jti);
      if (!live.ok) return live;
      if (live.value.mode === 'standard') return refuse(new Fault('CHECKPOINT_NOT_AVAILABLE'));
      const extended = extend(deps, row.value, live.value);
      const chain = chainAbove(live.value);
      const token = tokenOf(extended, { key: deps.keys.current(), issuer: deps.issuer(), chain });
      if (!token.ok) return token;
      const seen = noticed(extended, { mode: live.value.mode, used: input.services_used });
      const judged = judge(deps, { row: extended, caller }, seen);
      const output = {
        ...shown(extended),
        expires_at: new Date(extended.expires_at).toISOString(),
        token: judged.isBlocked ? null : token.value,
        events: seen,
      };
      return ok({
        output,
        changes: [extendLease(extended), ...judged.changes],
        ends: judged.ends,
        entry: { ...about(extended), detail: { ...reported(input), expires_at: output.expires_at } },
        events: judged.events,
      });
    },
  });
}

const shown = (row: PassportRow) => ({ jti: row.jti, session_id: row.session_id });
const about = (row: PassportRow) => ({
  agent_id: row.agent_id,
  session_id: row.session_id,
  passport_jti: row.jti,
});

/** Only an enforced lease hangs on reports; a longer one that it has already is not cut. */
function extend({ host }: MissionDeps, row: PassportRow, live: LivePassport): PassportRow {
  const nowMs = wholeSeconds(host.nowMs());
  const { mode, parentEndsAtMs, missionEndsAtMs } = live;
  const term = { mode, ttlSeconds: row.ttl_seconds, checkpointInterval: row.checkpoint_interval };
  const end = leaseEnd({ ...term, missionEndsAtMs, parentEndsAtMs }, nowMs);
  const expires_at = mode === 'enforced' ? Math.max(row.expires_at, end) : row.expires_at;
  return { ...row, expires_at, last_checkpoint_at: nowMs };
}

type Reporting = { readonly row: PassportRow; readonly caller: Caller };

function judge(deps: MissionDeps, { row, caller }: Reporting, seen: readonly Noticed[]) {
  const agent = deps.findAgent(row.agent_id);
  const counts =
    agent !== undefined && countsAgainst({ caller, row, isHandedOn: wasHandedOn(deps.reader, row) });
  const isBlocked = counts && blocks(agent, seen);
  return {
    isBlocked,
    changes: isBlocked ? [deps.blockAgent(row.agent_id)] : [],
    ends: isBlocked
      ? ({ of: 'agent', id: row.agent_id, reason: 'the agent was blocked' } as const)
      : undefined,
    events: seen.map(({ type, severity, services }) => ({
      ...about(row),
      action: `event.${type}`,
      detail: {
        severity,
        services: reported({ services_used: services, actions_count: 0 }).services_used,
        blocked: isBlocked,
      },
    })),
  };
}

type Asked = { readonly caller: Caller; readonly input: { readonly jti: string } };

function rowOf({ reader }: MissionDeps, { caller, input: { jti } }: Asked): Result<PassportRow> {
  const row = passportBy(reader, jti);
  if (row === undefined) return refuse(new Fault('NOT_FOUND', { detail: 'no such passport' }));
  const above = caller.acting?.passportJti;
  const isBelow = above !== undefined && descendsFrom(reader, { jti, above });
  const problem = missionProblem(caller, { row, isBelow });
  return problem === undefined ? ok(row) : refuse(problem);
}

function checkingOut(deps: MissionDeps): Operation {
  return operation({
    name: 'stack_checkout',
    action: 'passport.checkout',
    summary:
      'Report the end of a mission. The passport ends for good, with all that were delegated from it; what was noticed is ' +
      'said in bucket.',
    effect: 'write',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'passports:write',
    input: checkpointInput.extend({
      services_used: names.optional().describe('Services used since the last report.'),
      actions_count: count.optional().describe('Actions taken since the last report.'),
      outcome: z.enum(['success', 'failure']).optional().describe('Whether the mission did what it was for.'),
      summary: summary.describe('What came of it, in words for people.'),
    }),
    output: checkoutOutput,
    example: {
      input: { jti: PASSPORT_EXAMPLE.jti, outcome: 'success', summary: 'Invoice in_7 was answered.' },
      output: {
        jti: PASSPORT_EXAMPLE.jti,
        session_id: PASSPORT_EXAMPLE.session_id,
        checked_out_at: '2026-11-23T09:41:00.000Z',
        bucket: 'clean',
        events: [],
      },
    },
    errors: ['NOT_FOUND', 'FORBIDDEN', 'CHECKPOINT_NOT_AVAILABLE'],
    route: { method: 'POST', path: '/v1/passports/:jti/checkout' },
    toolset: 'default',
    line: 'operations',
    run: async ({ caller, input, nowMs }) => {
      const row = rowOf(deps, { caller, input });
      if (!row.ok) return row;
      const problem = endProblem(row.value, nowMs);
      if (problem !== undefined) return refuse(problem);
      const report: Report = {
        ...input,
        services_used: input.services_used ?? [],
        actions_count: input.actions_count ?? 0,
      };
      const seen = noticed(row.value, { mode: row.value.mode, used: report.services_used });
      const judged = judge(deps, { row: row.value, caller }, seen);
      const flagged = seen.length > 0 || (await deps.wasNoticed(input.jti));
      const bucket = judged.isBlocked ? 'blocked' : flagged ? 'flagged' : 'clean';
      const output = {
        ...shown(row.value),
        checked_out_at: new Date(nowMs).toISOString(),
        bucket,
        events: seen,
      } as const;
      return ok({
        output,
        changes: [checkOut(row.value.jti, nowMs), ...judged.changes],
        ends: judged.ends,
        entry: {
          ...about(row.value),
          detail: { ...reported(report), result: input.outcome ?? null, bucket },
        },
        events: judged.events,
      });
    },
  });
}

/** A mission whose passport has lapsed may still say what came of it; one that was ended has said it, or is not asked. */
function endProblem(row: PassportRow, nowMs: number): Fault | undefined {
  if (row.mode === 'standard') return new Fault('CHECKPOINT_NOT_AVAILABLE');
  if (row.revoked_at !== null)
    return new Fault('PASSPORT_REVOKED', { detail: row.revoke_reason ?? 'revoked' });
  if (row.ended_at !== null)
    return new Fault('PASSPORT_REVOKED', { detail: `ended by ${row.ended_by ?? ''}` });
  return isPastGrace(row, nowMs) ? new Fault('PASSPORT_EXPIRED', { detail: 'ended a day ago' }) : undefined;
}
