// The traffic line: authenticate → authorize → gate → detect → admit → intend → inject → forward → scrub → detect →
// deliver → settle. Both forms of a call travel it; they differ in where the answer is delivered to. Each step takes the
// previous step's result as its type, so that a step cannot be skipped without a compile error.
import { APPROVAL_ID } from '#features/approvals/model.ts';
import { asFault, Fault } from '#kernel/errors.ts';
import { IDEMPOTENCY_TRIES } from '#kernel/limits.ts';
import type { Caller, Trace } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Admit, Admitted } from './admit.ts';
import type { Authenticated, Authenticator } from './authenticate.ts';
import { type Asked, type Authorize, askedOf } from './authorize.ts';
import type { Call } from './call.ts';
import type { Delivery } from './deliver.ts';
import { detectOutgoing, type OutgoingDetector, type Watched } from './detect.ts';
import type { Forward } from './forward.ts';
import type { Gate } from './gate.ts';
import type { InjectStep } from './inject.ts';
import { detectIncoming, type IncomingDetector } from './inspect.ts';
import { actorOf, type Intend, type Intended } from './intend.ts';
import type { Earlier } from './once.ts';
import { noPlace, type Places } from './places.ts';
import type { Recorder } from './record.ts';
import type { Scrub } from './scrub.ts';
import type { Settle } from './settle.ts';
import type { Turns } from './turns.ts';
import { asCut, CallUnderWay, type UnderWay, untilCut } from './under-way.ts';
import { readWhole } from './upload.ts';

type Steps = {
  readonly turns: Turns;
  readonly places: Places;
  readonly authenticator: Pick<Authenticator, 'agent'>;
  readonly authorize: Authorize;
  readonly gate: Gate;
  readonly detectors: readonly (OutgoingDetector & IncomingDetector)[];
  readonly admit: Admit;
  readonly intend: Intend;
  readonly inject: InjectStep;
  readonly forward: Forward;
  readonly scrub: Scrub;
  readonly settle: Settle;
  readonly recorder: Recorder;
  readonly underWay: Pick<UnderWay, 'begin' | 'end'>;
};

export type Journey<T> = {
  readonly caller: Caller;
  readonly call: Call;
  readonly trace: Trace;
  readonly signal: AbortSignal;
  readonly to: Delivery<T>;
  /** An agent's tool asked for it. */
  readonly tool?: true | undefined;
  /** How often it may begin anew, where another call has taken what it needs. */
  readonly tries?: number;
};
/** Its way can be cut at every step. */
type Travelling<T> = Omit<Journey<T>, 'tool'> & { readonly way: CallUnderWay };

export type Traffic = { readonly send: <T>(journey: Journey<T>) => Promise<Result<T>> };

export const createTraffic = (steps: Steps): Traffic => ({ send: (journey) => travel(steps, journey) });

async function travel<T>(steps: Steps, journey: Journey<T>): Promise<Result<T>> {
  const { caller, call, trace, signal, to } = journey;
  const authenticated = await steps.authenticator.agent(caller, call.passport, trace);
  if (!authenticated.ok) return deny(steps, journey, { fault: authenticated.fault });
  const known = authenticated.value;
  const way = wayOf(journey, known);
  // In the turn in which its passport was found live: whatever ends that passport from here on finds the call.
  steps.underWay.begin(way);
  try {
    return await inPlace(steps, { caller, call, trace, signal, to, way }, known);
  } finally {
    steps.underWay.end(way);
  }
}

function wayOf<T>({ tool, to }: Journey<T>, { passport: { jti } }: Authenticated): CallUnderWay {
  const kind = to.streams ? 'stream' : 'request';
  const way = new CallUnderWay(jti, tool === true ? 'tool' : kind);
  way.passing = to.passing;
  return way;
}

async function inPlace<T>(steps: Steps, journey: Travelling<T>, known: Authenticated): Promise<Result<T>> {
  // Held from before its body is read to the last byte of its answer.
  const holder = known.passport.agentId ?? journey.caller.id;
  const turn = steps.turns.take(holder);
  if (turn !== undefined) await turn;
  if (!steps.places.enter(holder)) return deny(steps, journey, { fault: noPlace(), known });
  try {
    return await proceed(steps, journey, known);
  } finally {
    steps.places.leave(holder);
  }
}

async function proceed<T>(steps: Steps, journey: Travelling<T>, known: Authenticated): Promise<Result<T>> {
  if (journey.call.bare === true) return proceedStored(steps, journey, known);
  const authorized = steps.authorize(known, journey.call);
  if (!authorized.ok) return deny(steps, journey, { ...authorized, known });
  if ('unread' in authorized) return proceedRead(steps, journey, { known, upload: authorized.unread });
  const asked = askedOf(authorized.value);
  const passing = steps.gate.pass(authorized.value);
  const gated = passing instanceof Promise ? await passing : passing;
  if (!gated.ok) return deny(steps, journey, { ...gated, known, asked });
  const watched = detectOutgoing(steps.detectors, gated.value);
  if (!watched.ok) return deny(steps, journey, { ...watched, known, asked });
  const { tries = IDEMPOTENCY_TRIES } = journey;
  return count(steps, journey, { watched: watched.value, known, asked, tries });
}

type Ready = {
  readonly watched: Watched;
  readonly known: Authenticated;
  readonly asked: Asked;
  readonly tries: number;
};

async function count<T>(steps: Steps, journey: Travelling<T>, ready: Ready): Promise<Result<T>> {
  const counted = steps.admit(ready.watched);
  const admission = counted instanceof Promise ? await counted : counted;
  if (!admission.ok) return deny(steps, journey, { ...ready, ...admission });
  if ('kept' in admission) return replay(steps, journey, { ...ready, earlier: admission });
  const admitted = admission.value;
  let answer: Result<T>;
  try {
    answer = await depart(steps, journey, admitted);
  } finally {
    admitted.leave();
  }
  // Of several calls under one key that came together, another has the key now: its row is the answer.
  const taken = !answer.ok && answer.fault.code === 'CONFLICT' && ready.tries > 1;
  if (!taken) return answer;
  // Of several under one approval another has had its use, or the passport has ended: the gate says so.
  if (ready.watched.from.ticket !== undefined)
    return proceedAgain(steps, { ...journey, tries: ready.tries - 1 });
  return count(steps, journey, { ...ready, tries: ready.tries - 1 });
}

/** From the first step, in the place that the call has. */
async function proceedAgain<T>(steps: Steps, journey: Travelling<T>): Promise<Result<T>> {
  const again = await steps.authenticator.agent(journey.caller, journey.call.passport, journey.trace);
  if (!again.ok) return deny(steps, journey, { fault: again.fault });
  journey.way.jti = again.value.passport.jti;
  return proceed(steps, journey, again.value);
}

/** Of a call that names its approval and nothing else, the stored one travels on. */
async function proceedStored<T>(
  steps: Steps,
  journey: Travelling<T>,
  known: Authenticated,
): Promise<Result<T>> {
  const stored = await steps.gate.recall(known, journey.call);
  if (!stored.ok) return deny(steps, journey, { ...stored, known });
  return proceed(steps, { ...journey, call: stored.value }, known);
}

/** Nothing is sent; that the answer was given once more stands in the log. */
async function replay<T>(
  steps: Steps,
  { caller, call, trace, to, way }: Travelling<T>,
  { known, asked, earlier }: Ready & { readonly earlier: Earlier },
): Promise<Result<T>> {
  const { kept, status } = earlier;
  const said = { service: call.service, method: call.method, ...approvalOf(call) };
  const fields = { ...said, ...actorOf(known), ...asked, status };
  const recorded = await steps.recorder.replay({ caller, trace, fields, intent: kept.entryId });
  if (!recorded.ok) return recorded;
  // What was revoked while this waited is shown no answer, not even an old one.
  return way.fault === undefined ? to.replay(kept) : refuse(way.fault);
}

async function depart<T>(steps: Steps, journey: Travelling<T>, admitted: Admitted): Promise<Result<T>> {
  const intended = await steps.intend(admitted, journey.trace);
  if (!intended.ok) {
    admitted.undo();
    return intended;
  }
  const answer = await venture(steps, intended.value, journey);
  if (answer.ok) return answer;
  const fault = asCut(journey.way, answer.fault) ?? answer.fault;
  steps.settle.failure(intended.value, fault);
  return refuse(withEntry(fault, intended.value));
}

type Reading = { readonly known: Authenticated; readonly upload: Parameters<typeof readWhole>[0] };

/** Passport and config may be others when the body is there, so the call starts over with it, in its place. */
async function proceedRead<T>(
  steps: Steps,
  journey: Travelling<T>,
  { known, upload }: Reading,
): Promise<Result<T>> {
  const body = await untilCut(journey.way, readWhole(upload));
  if (!body.ok) return deny(steps, journey, { ...body, known });
  const { upload: _read, ...call } = journey.call;
  const again = await steps.authenticator.agent(journey.caller, call.passport, journey.trace);
  if (!again.ok) return deny(steps, journey, { fault: again.fault });
  journey.way.jti = again.value.passport.jti;
  return proceed(steps, { ...journey, call: { ...call, bytes: body.value } }, again.value);
}

/** Everything after the durable intent; whatever is thrown here still ends in an outcome entry. */
async function venture<T>(
  steps: Steps,
  intended: Intended,
  { signal, to, way }: Pick<Travelling<T>, 'signal' | 'to' | 'way'>,
): Promise<Result<T>> {
  let sent = false;
  try {
    if (way.fault !== undefined) return refuse(way.fault);
    const injected = steps.inject(intended);
    if (!injected.ok) return injected;
    sent = true;
    const forwarded = await steps.forward(injected.value, {
      signal: intended.claim === undefined ? signal : neverGone(),
      streams: to.streams,
      handle: way,
    });
    if (!forwarded.ok) return forwarded;
    const scrubbed = steps.scrub(forwarded.value);
    if (!scrubbed.ok) return scrubbed;
    const inspected = detectIncoming(steps.detectors, scrubbed.value);
    if (!inspected.ok) return inspected;
    const delivered = await to.deliver(inspected.value, intended.intent.entry_id);
    if (!delivered.ok) return delivered;
    if (way.fault !== undefined) return refuse(wholeAndCut(way.fault, scrubbed.value.status));
    return ok(steps.settle.success(delivered.value, intended));
  } catch (thrown) {
    const { detail, cause } = asFault(thrown);
    return refuse(
      new Fault('INTERNAL', {
        detail: detail ?? 'thrown on the traffic line',
        cause,
        metadata: { sent, trace_id: intended.intent.trace_id },
      }),
    );
  }
}

/** The service has answered whole; its caller was not to have it any more. */
const wholeAndCut = ({ code }: Fault, status: number): Fault =>
  new Fault(code, { metadata: { sent: true, upstream_status: status } });

/** Under an idempotency key the call goes on without its caller, whose second try will ask for the answer. */
const neverGone = (): AbortSignal => new AbortController().signal;

/** The caller can find the call in the log by its intent entry, whatever its end. */
const withEntry = (fault: Fault, intended: Intended): Fault =>
  new Fault(fault.code, {
    ...(fault.detail === undefined ? {} : { detail: fault.detail }),
    metadata: { ...fault.metadata, entry_id: intended.intent.entry_id },
    next: fault.next,
    cause: fault.cause,
  });

/** Only what has the shape of one of ours: the rest is text of the caller's. */
const approvalOf = ({ approval_id: id }: Call): { approval_id?: string } =>
  id !== undefined && APPROVAL_ID.test(id) ? { approval_id: id } : {};

type Refusal = { readonly fault: Fault; readonly known?: Authenticated; readonly asked?: Asked };

async function deny(
  steps: Steps,
  journey: Pick<Journey<unknown>, 'caller' | 'call' | 'trace'>,
  { fault, known, asked }: Refusal,
): Promise<Result<never>> {
  const { caller, call, trace } = journey;
  const fields = {
    ...(call.bare === true ? {} : { service: call.service, method: call.method }),
    ...approvalOf(call),
    ...(known === undefined ? {} : actorOf(known)),
    ...asked,
  };
  await steps.recorder.denial({ action: 'credential.proxy', caller, fault, trace, fields });
  return refuse(fault);
}
