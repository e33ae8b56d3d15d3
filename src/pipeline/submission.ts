// A call becomes a question for a person: a row with the call sealed in it, as it would leave. Nothing of it is in the log.
import type { ApprovalBook } from '#features/approvals/book.ts';
import { type Card, type CardBinding, definitionHash, sha256 } from '#features/approvals/model.ts';
import { approvals, insertApproval, type Shown, type Waiting, waiting } from '#features/approvals/store.ts';
import type { Announce } from '#features/notifications/announce.ts';
import { approvalRule } from '#features/policy/decide.ts';
import { Fault } from '#kernel/errors.ts';
import {
  APPROVAL_PENDING_BYTES_PER_AGENT_MAX,
  APPROVALS_PENDING_MAX,
  APPROVALS_PENDING_PER_AGENT_MAX,
  RETRY_AFTER_SECONDS,
} from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { EntryDraft, Statement } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import type { Authorized } from './authorize.ts';
import { hashOf, urlOf } from './shape.ts';

export type SubmissionDeps = {
  readonly book: ApprovalBook;
  readonly reader: Reader;
  readonly host: Pick<Host, 'id'>;
  readonly announce: Announce;
  readonly mintedBy: (jti: string) => string;
  readonly pendingMs: () => number;
  readonly missionEndMs: (row: Pick<Shown, 'passport_jti'>) => number | undefined;
  readonly extend: (row: Pick<Shown, 'passport_jti'>, untilMs: number) => readonly Statement[];
};

export type Submitted = {
  readonly call: Authorized;
  readonly structured: boolean;
  readonly reason: string;
  readonly nowMs: number;
};
export type Question = {
  readonly row: Shown;
  readonly changes: readonly Statement[];
  readonly entry: Partial<EntryDraft>;
};
export type Submission = (submitted: Submitted) => Promise<Result<Question>>;

export const createSubmission =
  (deps: SubmissionDeps): Submission =>
  async (submitted) => {
    const { call } = submitted;
    const full = overLimit(await waiting(deps.reader, call.from.passport.agentId ?? ''), call);
    if (full !== undefined) return refuse(full);
    const { row, body } = newApproval(deps, submitted);
    const { target, action } = call;
    return ok({
      row,
      changes: [
        insertApproval({ ...withoutOutcome(row), body }),
        ...deps.extend(row, row.expires_at),
        ...deps.announce('approval.pending', row),
      ],
      entry: {
        ...{ approval_id: row.id, agent_id: row.agent_id, session_id: row.session_id },
        ...{ passport_jti: row.passport_jti, service: row.service, service_action: action },
        ...{ method: row.method, host: target.url.host, path: target.url.path },
      },
    });
  };

type Asked = Pick<Submitted, 'call' | 'structured'>;

/** The same call of the same session that waits already: an agent that tries again is not to fill the person's list. */
export async function sameWaiting(
  { book, reader }: Pick<SubmissionDeps, 'book' | 'reader'>,
  { call, structured }: Asked,
): Promise<string | undefined> {
  const { agentId, sessionId } = call.from.passport;
  const rows = await approvals(reader, {
    ...{ agentId: agentId ?? '', sessionId: sessionId ?? '', mintedBy: undefined, open: true },
    ...{ before: undefined, limit: APPROVALS_PENDING_PER_AGENT_MAX },
  });
  const wanted = hashOf(call, structured);
  return rows.find((row) => book.state(row).status === 'pending' && book.card(row).callHash === wanted)?.id;
}

const withoutOutcome = ({ outcome: _outcome, ...row }: Shown): Omit<Shown, 'outcome'> => row;

function newApproval(deps: SubmissionDeps, submitted: Submitted) {
  const { call, nowMs } = submitted;
  const { passport } = call.from;
  const binding: CardBinding = {
    id: deps.host.id('apr'),
    agent_id: passport.agentId ?? '',
    session_id: passport.sessionId ?? '',
    service: call.call.service,
    method: call.call.method,
  };
  const sealed = deps.book.seal(binding, { card: cardOf(submitted), body: call.payload.body });
  const passport_jti = passport.jti ?? '';
  const missionEndMs = deps.missionEndMs({ passport_jti });
  const row: Shown = {
    ...binding,
    ...{ agent_name: passport.agentName ?? '', passport_jti, minted_by: deps.mintedBy(passport_jti) },
    ...{ action: call.action, status: 'pending', ended: null, ended_at: null, uses_left: 0, free: '[]' },
    created_at: nowMs,
    expires_at: Math.min(nowMs + deps.pendingMs(), missionEndMs ?? Number.POSITIVE_INFINITY),
    ...{ opened_at: null, decided_at: null, decided_by: null, note: null, receipt: null, outcome: null },
    body_bytes: call.payload.body?.length ?? 0,
    card: sealed.card,
  };
  return { row, body: sealed.body };
}

/** Headers as the caller gave them: what the service fixes is put in again when the call is made. */
function cardOf({ call, structured, reason }: Submitted): Card {
  const { service, payload } = call;
  const fixed = new Set(service.service.headersFixed.map(([name]) => name.toLowerCase()));
  const rule = approvalRule(service, call.view);
  return {
    url: urlOf(call),
    headers: payload.headers.filter(([name]) => !fixed.has(name.toLowerCase())),
    reason,
    structured,
    rule: rule ?? null,
    bodySha256: payload.body === undefined ? null : sha256(payload.body),
    definitionHash: definitionHash(service.service),
    callHash: hashOf(call, structured),
  };
}

function overLimit({ ofAgent, bytes, ofAll }: Waiting, { payload }: Authorized): Fault | undefined {
  const of = (limit: string, value: number): Fault =>
    new Fault('RATE_LIMITED', {
      detail: `${limit} of ${value}`,
      metadata: { limit, value, retry_after_seconds: RETRY_AFTER_SECONDS },
      next: 'So many calls wait for a person already. Poll those that were submitted before you submit another.',
    });
  if (ofAgent >= APPROVALS_PENDING_PER_AGENT_MAX)
    return of('approvals_pending', APPROVALS_PENDING_PER_AGENT_MAX);
  if (ofAll >= APPROVALS_PENDING_MAX) return of('approvals_pending_in_all', APPROVALS_PENDING_MAX);
  const size = bytes + (payload.body?.length ?? 0);
  return size > APPROVAL_PENDING_BYTES_PER_AGENT_MAX
    ? of('approvals_pending_bytes', APPROVAL_PENDING_BYTES_PER_AGENT_MAX)
    : undefined;
}
