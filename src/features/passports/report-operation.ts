// The report of a mission: who may read it, and from what it is made.
import { z } from 'zod';
import { Fault } from '#kernel/errors.ts';
import { ID_CHARS_MAX, REPORT_CALLS_MAX, REPORT_PASSPORTS_MAX } from '#kernel/limits.ts';
import { type Caller, type Operation, operation } from '#kernel/operation.ts';
import { ok, refuse } from '#kernel/result.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { type MissionEntry, reportOf } from './report.ts';
import { markdownOf } from './report-markdown.ts';
import { REPORT_EXAMPLE, reportShape } from './report-shape.ts';
import { type PassportRow, passportBy, sessionPassports } from './store.ts';
import type { PassportVerifier } from './verify.ts';

type Deps = {
  readonly reader: Reader;
  readonly verifier: Pick<PassportVerifier, 'byJti'>;
  /** The newest entries of a session in the order of the log, and whether there are older ones. */
  readonly missionLog: (
    sessionId: string,
  ) => Promise<{ readonly entries: readonly MissionEntry[]; readonly isCut: boolean }>;
};

export function reportOperation({ reader, verifier, missionLog }: Deps): Operation {
  return operation({
    name: 'stack_get_passport_report',
    action: 'passport.report',
    summary:
      'Read what became of a mission: intent, calls, delegations, checkpoints, events, totals and outcome, as data and as ' +
      'Markdown.',
    effect: 'read',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'passports:read',
    input: z.strictObject({
      jti: z.string().max(ID_CHARS_MAX).describe('Id of any passport of the mission, pp_….'),
    }),
    output: reportShape,
    example: { input: { jti: REPORT_EXAMPLE.passport.jti }, output: REPORT_EXAMPLE },
    errors: ['NOT_FOUND', 'FORBIDDEN'],
    route: { method: 'GET', path: '/v1/passports/:jti/report' },
    toolset: 'default',
    line: 'operations',
    run: async ({ caller, input, nowMs }) => {
      const row = passportBy(reader, input.jti);
      const problem = row === undefined ? undefined : readProblem(caller, row);
      if (row === undefined || problem !== undefined)
        return refuse(problem ?? new Fault('NOT_FOUND', { detail: 'no such passport' }));
      const rows = await sessionPassports(reader, { sessionId: row.session_id, limit: REPORT_PASSPORTS_MAX });
      const log = await missionLog(row.session_id);
      const isLive = (jti: string): boolean => verifier.byJti(jti).ok;
      const story = reportOf(row, { ...log, rows }, { nowMs, isLive, callsMax: REPORT_CALLS_MAX });
      return ok({ output: { ...story, markdown: markdownOf(story) }, changes: [] });
    },
  });
}

/** Contract 2: a person all, a key its own doings, a passport its own session. */
function readProblem(caller: Caller, row: PassportRow): Fault | undefined {
  const { kind, acting } = caller;
  if (kind === 'person') return undefined;
  const same = acting?.sessionId !== undefined && acting.sessionId === row.session_id;
  if (kind === 'passport' && !same) return new Fault('NOT_FOUND', { detail: 'of another session' });
  if (kind === 'passport') return undefined;
  const own = row.minted_by === caller.id || (kind === 'agent_key' && acting?.agentId === row.agent_id);
  if (!own && !same) return new Fault('NOT_FOUND', { detail: 'minted by another caller' });
  const foreign = acting !== undefined && acting.agentId !== row.agent_id && !same;
  return foreign ? new Fault('FORBIDDEN', { detail: 'the transport names another agent' }) : undefined;
}
