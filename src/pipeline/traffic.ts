// The traffic line: authenticate → authorize → gate → detect → intend → inject → forward → scrub → detect → settle.
// Each step takes the previous step's result as its type, so that a step cannot be skipped without a compile error.
import { asFault, Fault } from '#kernel/errors.ts';
import { CALLS_IN_FLIGHT_MAX, RETRY_AFTER_SECONDS } from '#kernel/limits.ts';
import type { Caller, Trace } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Authenticated, Authenticator } from './authenticate.ts';
import { type Asked, type Authorize, askedOf } from './authorize.ts';
import type { CallAnswer, CallInput } from './call.ts';
import { detectOutgoing, type OutgoingDetector } from './detect.ts';
import type { Forward } from './forward.ts';
import { gate } from './gate.ts';
import type { InjectStep } from './inject.ts';
import { detectIncoming, type IncomingDetector } from './inspect.ts';
import { actorOf, type Intend, type Intended } from './intend.ts';
import type { Recorder } from './record.ts';
import type { Scrub } from './scrub.ts';
import type { Settle } from './settle.ts';

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

export type Journey = {
  readonly caller: Caller;
  readonly call: CallInput;
  readonly trace: Trace;
  readonly signal: AbortSignal;
};

export type Traffic = {
  readonly send: (journey: Journey) => Promise<Result<CallAnswer>>;
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

async function travel(steps: Steps, journey: Journey): Promise<Result<CallAnswer>> {
  const { caller, call, trace, signal } = journey;
  const authenticated = await steps.authenticator.agent(caller, call.passport, trace);
  if (!authenticated.ok) return deny(steps, journey, { fault: authenticated.fault });
  const known = authenticated.value;
  const authorized = steps.authorize(known, call);
  if (!authorized.ok) return deny(steps, journey, { ...authorized, known });
  const asked = askedOf(authorized.value);
  const gated = gate(authorized.value);
  if (!gated.ok) return deny(steps, journey, { ...gated, known, asked });
  const watched = detectOutgoing(steps.detectors, gated.value);
  if (!watched.ok) return deny(steps, journey, { ...watched, known, asked });
  const intended = await steps.intend(watched.value, trace);
  if (!intended.ok) return intended;
  const answer = await venture(steps, intended.value, { signal, bodyCharsMax: call.max_body_chars });
  if (!answer.ok) steps.settle.failure(intended.value, answer.fault);
  return answer.ok ? answer : refuse(withEntry(answer.fault, intended.value));
}

type Out = { readonly signal: AbortSignal; readonly bodyCharsMax: number | undefined };

/** Everything after the durable intent; whatever is thrown here still ends in an outcome entry. */
async function venture(steps: Steps, intended: Intended, out: Out): Promise<Result<CallAnswer>> {
  let sent = false;
  try {
    const injected = steps.inject(intended);
    if (!injected.ok) return injected;
    sent = true;
    const forwarded = await steps.forward(injected.value, out.signal);
    if (!forwarded.ok) return forwarded;
    const scrubbed = await steps.scrub(forwarded.value);
    if (!scrubbed.ok) return scrubbed;
    const inspected = detectIncoming(steps.detectors, scrubbed.value);
    if (!inspected.ok) return inspected;
    return ok(steps.settle.success(inspected.value, intended, out.bodyCharsMax));
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
  journey: Journey,
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
