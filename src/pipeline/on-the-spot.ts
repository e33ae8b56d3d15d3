// A rule may ask that a call which comes without an approval is submitted at once, so that its refusal carries the approval_id and
// the agent has only to poll.
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Host } from '#platform/host/host.ts';
import type { Authorize, Authorized } from './authorize.ts';
import type { Committer } from './commit.ts';
import type { DraftEntry } from './record.ts';
import { headerValue } from './request.ts';
import { structuredBody } from './shape.ts';
import { type Submission, type SubmissionDeps, sameWaiting } from './submission.ts';

type Deps = Pick<SubmissionDeps, 'book' | 'reader'> & {
  readonly submission: Submission;
  readonly authorize: Authorize;
  readonly committer: Pick<Committer, 'commit'>;
  readonly draft: DraftEntry;
  readonly host: Pick<Host, 'nowMs'>;
  readonly wake: () => void;
};

/** The id under which the call waits for a person. */
export type OnTheSpot = (call: Authorized) => Promise<Result<string>>;

export const createOnTheSpot =
  (deps: Deps): OnTheSpot =>
  async (given) => {
    const asked = canonical(deps, given);
    if (!asked.ok) return asked;
    const known = await sameWaiting(deps, asked.value);
    if (known !== undefined) return ok(known);
    const question = await deps.submission({ ...asked.value, reason: '', nowMs: deps.host.nowMs() });
    if (!question.ok) return question;
    const { row, changes, entry } = question.value;
    const { kind, id } = given.from.caller;
    const said = { action: 'approval.submit', outcome: 'success', actor: { kind, id } } as const;
    const committed = await deps.committer.commit({
      statements: changes,
      entries: [deps.draft({ ...said, ...entry })],
    });
    if (!committed.ok) return committed;
    deps.wake();
    return ok(row.id);
  };

type Asked = { readonly call: Authorized; readonly structured: boolean };

/** As stack_submit_intent would store it: a JSON value in its canonical form. */
function canonical({ authorize }: Deps, given: Authorized): Result<Asked> {
  const { call, payload, from } = given;
  const type = headerValue(payload.headers, 'content-type');
  const body = structuredBody(call.body, type);
  if (body === undefined) return ok({ call: given, structured: false });
  if ('problem' in body)
    return refuse(
      new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: 'body', message: body.problem }] } }),
    );
  const typed = headerValue(
    call.headers.map(([name, value]) => [name, String(value)] as const),
    'content-type',
  );
  const headers =
    typed === undefined ? [...call.headers, ['content-type', 'application/json'] as const] : call.headers;
  const { body: _value, ...rest } = call;
  const again = authorize(from, { ...rest, headers, bytes: body.bytes });
  if (!again.ok) return again;
  if ('unread' in again) throw new Error('a body that was given is there');
  return ok({ call: again.value, structured: true });
}
