// The operations line: authenticate → allow → parse → run → record. One line for every verb, whatever surface it came by.
import type { z } from 'zod';
import type { Revoker } from '#features/passports/revoke.ts';
import { asFault, Fault, stackOf } from '#kernel/errors.ts';
import type { Caller, Operation, Outcome, Trace } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { EntryDraft, Unit } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Log } from '#platform/log/log.ts';
import type { Authenticator, Presented } from './authenticate.ts';
import type { Committer } from './commit.ts';
import { traceOf } from './intend.ts';
import type { Meter } from './measure.ts';
import { noPlace, type Places } from './places.ts';
import { type DraftEntry, layerOf, type Recorder } from './record.ts';
import type { Turns } from './turns.ts';

export type Arrival = {
  readonly presented: Presented;
  readonly trace: Trace;
  readonly signal: AbortSignal;
  /** Where the bytes came from: the peer's address, or `local`. For the record of refused credentials. */
  readonly source: string;
  /** An agent calls a tool. */
  readonly tool?: true | undefined;
};

export type Answer = { readonly output: unknown; readonly status: number };

export type OperationLine = {
  /** Step 1 alone, for surfaces that must refuse before they read a body. */
  readonly authenticate: (arrival: Arrival) => Promise<Result<Caller>>;
  /** Steps 1 and 2: who calls, and may they? Before the body is read, so that a stranger is told 401 and nothing else. */
  readonly admit: (operation: Operation, arrival: Arrival) => Result<Caller> | Promise<Result<Caller>>;
  /** Asks again whether the caller may; a surface cannot forget it. */
  readonly invoke: (operation: Operation, input: unknown, from: From) => Promise<Result<Answer>>;
};

type Deps = {
  readonly authenticator: Authenticator;
  readonly committer: Committer;
  readonly revoker: Revoker;
  readonly recorder: Recorder;
  readonly draft: DraftEntry;
  readonly host: Host;
  readonly log: Log;
  /** Called after the changes of an action are durable, such as to load a new secret. */
  readonly committed: (action: string) => Promise<void>;
  readonly measure: Pick<Meter, 'operation' | 'refusal'>;
  readonly places: Places;
  readonly turns: Turns;
};

type From = Arrival & { readonly caller: Caller };

const AUTHENTICATION_CODES = new Set(['UNAUTHORIZED', 'INVALID_API_KEY', 'PASSPORT_INVALID']);

export function createOperationLine(deps: Deps): OperationLine {
  return {
    authenticate: async (arrival) => {
      const caller = await identify(deps, arrival);
      if (!caller.ok) deps.measure.refusal(caller.fault.code);
      return caller;
    },
    admit: (operation, arrival) => {
      const caller = callerOf(deps, arrival);
      const allowed = caller.ok ? allow(operation, caller.value) : caller;
      if (caller.ok && allowed.ok) return caller;
      return turnAway(deps, operation, { arrival, caller, allowed });
    },
    invoke: async (operation, input, from) => {
      const run = () => travel(deps, operation, { input, from });
      // A call has its place on the traffic line.
      const step = operation.line === 'traffic' ? run : () => inPlace(deps, operation, { from, run });
      const answer = await guard(deps, from.trace, step);
      deps.measure.operation(operation.name, answer.ok ? undefined : answer.fault);
      return answer;
    },
  };
}

async function identify(deps: Deps, arrival: Arrival): Promise<Result<Caller>> {
  const caller = callerOf(deps, arrival);
  // A disk that cannot be read says nothing about the credential.
  if (!caller.ok && caller.fault.status < 500)
    await deps.recorder.refusedCredential(arrival.source, caller.fault);
  return caller;
}

type NotAdmitted = {
  readonly arrival: Arrival;
  readonly caller: Result<Caller>;
  readonly allowed: Result<unknown>;
};

/** Whoever is refused waits until it is recorded. */
async function turnAway(
  deps: Deps,
  operation: Operation,
  { arrival, caller, allowed }: NotAdmitted,
): Promise<Result<Caller>> {
  const refused = await guard(deps, arrival.trace, async () => {
    if (!caller.ok) await deps.recorder.refusedCredential(arrival.source, caller.fault);
    if (!caller.ok || allowed.ok) return caller;
    const from = { ...arrival, caller: caller.value };
    const run = () => deny(deps, operation, { from, fault: allowed.fault });
    return inPlace(deps, operation, { from, run });
  });
  if (!refused.ok) deps.measure.operation(operation.name, refused.fault);
  return refused;
}

function callerOf(deps: Deps, { presented, trace }: Arrival): Result<Caller> {
  try {
    return deps.authenticator.caller(presented);
  } catch (thrown) {
    return unexpected(deps, trace, thrown);
  }
}

async function guard<T>(deps: Deps, trace: Trace, step: () => Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await step();
  } catch (thrown) {
    return unexpected(deps, trace, thrown);
  }
}

/** Whatever is thrown becomes INTERNAL: logged whole, shown as nothing but where to find it (invariant 10). */
function unexpected(deps: Deps, { traceId: trace_id }: Trace, thrown: unknown): Result<never> {
  const fault = asFault(thrown);
  if (fault.code !== 'INTERNAL') return refuse(fault);
  deps.log.error('unexpected error', { trace_id, error: stackOf(fault.cause ?? fault) });
  return refuse(new Fault('INTERNAL', { cause: fault.cause ?? fault, metadata: { trace_id } }));
}

type Request = { readonly input: unknown; readonly from: From };

type Turn<T> = { readonly from: From; readonly run: () => Promise<Result<T>> };

/** No caller's verbs, nor its refusals, leave no room for those of another. */
async function inPlace<T>(deps: Deps, operation: Operation, { from, run }: Turn<T>): Promise<Result<T>> {
  const holder = from.caller.acting?.agentId ?? from.caller.id;
  const turn = deps.turns.take(holder);
  if (turn !== undefined) await turn;
  if (!deps.places.enter(holder)) return deny(deps, operation, { from, fault: noPlace() });
  try {
    return await run();
  } finally {
    deps.places.leave(holder);
  }
}

async function travel(deps: Deps, operation: Operation, { input, from }: Request): Promise<Result<Answer>> {
  const allowed = allow(operation, from.caller);
  if (!allowed.ok) return deny(deps, operation, { from, fault: allowed.fault });
  const parsed = parse(operation, input);
  if (!parsed.ok) return parsed;
  const { caller, trace, signal, tool } = from;
  const outcome = await operation.run({
    caller,
    input: parsed.value,
    nowMs: deps.host.nowMs(),
    trace,
    signal,
    tool,
  });
  // The traffic line keeps its own record; see traffic.ts.
  if (operation.line === 'traffic') return outcome.ok ? ok(answerOf(outcome.value)) : outcome;
  if (!outcome.ok) return deny(deps, operation, { from, fault: outcome.fault });
  return record(deps, operation, { from, outcome: outcome.value });
}

const answerOf = (outcome: Outcome<unknown>): Answer => ({
  output: outcome.output,
  status: outcome.status ?? 200,
});

function allow(operation: Operation, caller: Caller): Result<void> {
  if (operation.callers === 'anyone' || operation.callers.includes(caller.kind))
    return caller.readOnly === true ? allowReading(operation) : ok(undefined);
  if (caller.kind === 'anonymous') return refuse(new Fault('UNAUTHORIZED'));
  const detail = `${operation.name} is not for callers of kind ${caller.kind}`;
  return refuse(new Fault('FORBIDDEN', { detail, metadata: { callers: operation.callers } }));
}

/** On the traffic line the method of the call decides; see authorize.ts. */
function allowReading({ name, effect, line }: Operation): Result<void> {
  if (effect === 'read' || line === 'traffic') return ok(undefined);
  const next = 'This key may only read. Ask the operator for a key that may change something.';
  return refuse(new Fault('FORBIDDEN', { detail: `${name} changes something, the key is read-only`, next }));
}

function parse(operation: Operation, input: unknown): Result<Record<string, unknown>> {
  const parsed = operation.input.safeParse(input);
  if (parsed.success) return ok(parsed.data);
  return refuse(new Fault('INVALID_REQUEST', { metadata: { issues: parsed.error.issues.map(issueOf) } }));
}

/** Names the place and the rule; never the value, which may be a secret. */
function issueOf(issue: z.core.$ZodIssue): { path: string; message: string } {
  return { path: issue.path.map(String).join('.'), message: issue.message };
}

async function deny(
  deps: Deps,
  operation: Operation,
  { from, fault }: { from: From; fault: Fault },
): Promise<Result<never>> {
  if (from.caller.kind === 'anonymous') {
    if (AUTHENTICATION_CODES.has(fault.code)) await deps.recorder.refusedCredential(from.source, fault);
  } else if (fault.status < 500) {
    await deps.recorder.denial({ action: operation.action, caller: from.caller, fault, trace: from.trace });
  }
  return refuse(fault);
}

type Done = { readonly from: From; readonly outcome: Outcome<unknown> };

/** No state changes without its entry in the same unit (invariant 1); reads change nothing and are not chained. */
async function record(deps: Deps, operation: Operation, { from, outcome }: Done): Promise<Result<Answer>> {
  const nothing = outcome.committed === true || operation.effect === 'read';
  if (nothing && outcome.changes.length === 0) return ok(answerOf(outcome));
  const fields = entryFields(operation, from, outcome);
  const events = (outcome.events ?? []).map((event) => deps.draft({ ...fields, detail: {}, ...event }));
  const entries = [deps.draft(fields), ...events];
  const committed = await commit(deps, { from, outcome }, { statements: outcome.changes, entries });
  if (!committed.ok) return committed;
  await deps.committed(operation.action);
  return ok(answerOf(outcome));
}

function commit(
  { committer, revoker }: Deps,
  { from: { caller, trace }, outcome: { ends } }: Done,
  unit: Unit,
): Promise<Result<unknown>> {
  if (ends === undefined) return committer.commit(unit);
  const { of, id, reason } = ends;
  const actor = { kind: caller.kind, id: caller.id };
  const order = { reason, actor, trace, beside: unit, reopens: true } as const;
  return of === 'agent'
    ? revoker.revoke({ ...order, kind: 'agent_ended', selection: { by: 'agents', agentIds: [id] } })
    : revoker.revoke({ ...order, kind: 'key_ended', selection: { by: 'anyone', mintedBy: id } });
}

function entryFields(operation: Operation, from: From, outcome: Outcome<unknown>): Partial<EntryDraft> {
  const { caller } = from;
  return {
    layer: layerOf(operation.action),
    action: operation.action,
    outcome: 'success',
    actor: { kind: caller.kind, id: caller.id },
    agent_id: caller.acting?.agentId ?? null,
    session_id: caller.acting?.sessionId ?? null,
    passport_jti: caller.acting?.passportJti ?? null,
    ...traceOf(from.trace),
    ...outcome.entry,
  };
}
