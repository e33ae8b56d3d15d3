// The traffic line: authenticate → authorize → gate → detect → intend → inject → forward → scrub → detect → deliver →
// settle. Both forms of a call travel it; they differ in where the answer is delivered to. Each step takes the previous step's result as its type, so that a step cannot be skipped without a compile error.
import { asFault, Fault } from '#kernel/errors.ts';
import { CALLS_IN_FLIGHT_MAX, RETRY_AFTER_SECONDS } from '#kernel/limits.ts';
import type { Caller, Trace } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Authenticated, Authenticator } from './authenticate.ts';
import { type Asked, type Authorize, askedOf } from './authorize.ts';
import type { Call } from './call.ts';
import type { Delivery } from './deliver.ts';
import { detectOutgoing, type OutgoingDetector } from './detect.ts';
import type { Forward } from './forward.ts';
import { gate } from './gate.ts';
import type { InjectStep } from './inject.ts';
import { detectIncoming, type IncomingDetector } from './inspect.ts';
import { actorOf, type Intend, type Intended } from './intend.ts';
import type { Recorder } from './record.ts';
import type { Scrub } from './scrub.ts';
import type { Settle } from './settle.ts';
import { readWhole } from './upload.ts';

type Steps = {
  readonly authenticator: Pick<Authenticator, 'agent'>;
  readonly authorize: Authorize;
  readonly detectors: readonly (OutgoingDetector & IncomingDetector)[];
  readonly intend: Intend;
  readonly inject: InjectStep;
  readonly forward: Forward;
  readonly scrub: Scrub;
  readonly settle: Settle;
  readonly recorder: Recorder;
};

export type Journey<T> = {
  readonly caller: Caller;
  readonly call: Call;
  readonly trace: Trace;
  readonly signal: AbortSignal;
  readonly to: Delivery<T>;
};

export type Traffic = {
  readonly send: <T>(journey: Journey<T>) => Promise<Result<T>>;
  /** Calls under way. */
  readonly inFlight: () => number;
};

export function createTraffic(steps: Steps): Traffic {
  let inFlight = 0;
  return {
    inFlight: () => inFlight,
    send: async (journey) => {
      if (inFlight >= CALLS_IN_FLIGHT_MAX) {
        return refuse(new Fault('RATE_LIMITED', { metadata: { retry_after_seconds: RETRY_AFTER_SECONDS } }));
      }
      inFlight += 1;
      try {
        return await travel(steps, journey);
      } finally {
        inFlight -= 1;
      }
    },
  };
}

async function travel<T>(steps: Steps, journey: Journey<T>): Promise<Result<T>> {
  const { caller, call, trace } = journey;
  const authenticated = await steps.authenticator.agent(caller, call.passport, trace);
  if (!authenticated.ok) return deny(steps, journey, { fault: authenticated.fault });
  const known = authenticated.value;
  const authorized = steps.authorize(known, call);
  if (!authorized.ok) return deny(steps, journey, { ...authorized, known });
  if ('unread' in authorized) return travelRead(steps, journey, { known, upload: authorized.unread });
  const asked = askedOf(authorized.value);
  const gated = gate(authorized.value);
  if (!gated.ok) return deny(steps, journey, { ...gated, known, asked });
  const watched = detectOutgoing(steps.detectors, gated.value);
  if (!watched.ok) return deny(steps, journey, { ...watched, known, asked });
  const intended = await steps.intend(watched.value, trace);
  if (!intended.ok) return intended;
  const answer = await venture(steps, intended.value, journey);
  if (!answer.ok) steps.settle.failure(intended.value, answer.fault);
  return answer.ok ? answer : refuse(withEntry(answer.fault, intended.value));
}

type Reading = { readonly known: Authenticated; readonly upload: Parameters<typeof readWhole>[0] };

/** Passport and config may be others when the body is there, so the call starts over with it. */
async function travelRead<T>(
  steps: Steps,
  journey: Journey<T>,
  { known, upload }: Reading,
): Promise<Result<T>> {
  const body = await readWhole(upload);
  if (!body.ok) return deny(steps, journey, { ...body, known });
  const { upload: _read, ...call } = journey.call;
  return travel(steps, { ...journey, call: { ...call, bytes: body.value } });
}

/** Everything after the durable intent; whatever is thrown here still ends in an outcome entry. */
async function venture<T>(
  steps: Steps,
  intended: Intended,
  { signal, to }: Pick<Journey<T>, 'signal' | 'to'>,
): Promise<Result<T>> {
  let sent = false;
  try {
    const injected = steps.inject(intended);
    if (!injected.ok) return injected;
    sent = true;
    const forwarded = await steps.forward(injected.value, { signal, streams: to.streams });
    if (!forwarded.ok) return forwarded;
    const scrubbed = steps.scrub(forwarded.value);
    if (!scrubbed.ok) return scrubbed;
    const inspected = detectIncoming(steps.detectors, scrubbed.value);
    if (!inspected.ok) return inspected;
    const delivered = await to.deliver(inspected.value, intended.intent.entry_id);
    if (!delivered.ok) return delivered;
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

/** The caller can find the call in the log by its intent entry, whatever its end. */
const withEntry = (fault: Fault, intended: Intended): Fault =>
  new Fault(fault.code, {
    ...(fault.detail === undefined ? {} : { detail: fault.detail }),
    metadata: { ...fault.metadata, entry_id: intended.intent.entry_id },
    next: fault.next,
    cause: fault.cause,
  });

type Refusal = { readonly fault: Fault; readonly known?: Authenticated; readonly asked?: Asked };

async function deny(
  steps: Steps,
  journey: Journey<unknown>,
  { fault, known, asked }: Refusal,
): Promise<Result<never>> {
  const { caller, call, trace } = journey;
  const fields = {
    service: call.service,
    method: call.method,
    ...(known === undefined ? {} : actorOf(known)),
    ...asked,
  };
  await steps.recorder.denial({ action: 'credential.proxy', caller, fault, trace, fields });
  return refuse(fault);
}
