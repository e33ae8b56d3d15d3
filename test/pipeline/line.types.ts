// Skipping a step of the traffic line does not compile. Each line below is an error that tsc must report;
// `npm run check` fails if one of them starts to compile.

import type { Trace } from '#kernel/operation.ts';
import type { Admit } from '#pipeline/admit.ts';
import type { Authenticated } from '#pipeline/authenticate.ts';
import type { Authorize, Authorized } from '#pipeline/authorize.ts';
import type { Call } from '#pipeline/call.ts';
import type { Delivery } from '#pipeline/deliver.ts';
import { detectOutgoing, type Watched } from '#pipeline/detect.ts';
import type { Forward, Forwarded } from '#pipeline/forward.ts';
import type { Gate, Gated } from '#pipeline/gate.ts';
import type { Injected, InjectStep } from '#pipeline/inject.ts';
import { detectIncoming, type Inspected } from '#pipeline/inspect.ts';
import type { Intend, Intended } from '#pipeline/intend.ts';
import type { Scrub, Scrubbed } from '#pipeline/scrub.ts';
import type { Settle } from '#pipeline/settle.ts';

type Line = {
  authorize: Authorize;
  gate: Gate;
  admit: Admit;
  intend: Intend;
  inject: InjectStep;
  forward: Forward;
  scrub: Scrub;
  settle: Settle;
  trace: Trace;
  signal: AbortSignal;
  call: Call;
  authenticated: Authenticated;
  authorized: Authorized;
  gated: Gated;
  watched: Watched;
  intended: Intended;
  injected: Injected;
  forwarded: Forwarded;
  scrubbed: Scrubbed;
  inspected: Inspected;
  to: Delivery<void>;
};

export function skips(line: Line): void {
  // @ts-expect-error authorize without authenticate
  line.authorize({ caller: line.authenticated.caller, passport: line.authenticated.passport }, line.call);
  // @ts-expect-error gate without authorize
  void line.gate.pass(line.authenticated);
  // @ts-expect-error detect without gate
  detectOutgoing([], line.authorized);
  // @ts-expect-error admit without detect
  void line.admit(line.gated);
  // @ts-expect-error intend without admit
  void line.intend(line.watched, line.trace);
  // @ts-expect-error inject without a durable intent
  line.inject(line.watched);
  // @ts-expect-error forward without inject
  void line.forward(line.intended, { signal: line.signal, streams: false });
  // @ts-expect-error scrub without forward
  line.scrub(line.injected);
  // @ts-expect-error an answer that was not scrubbed cannot be inspected
  detectIncoming([], line.forwarded);
  // @ts-expect-error an answer that was not inspected cannot be delivered
  void line.to.deliver(line.scrubbed, 'aud_1');
  // @ts-expect-error an answer that was not delivered cannot be settled as one
  line.settle.success(line.inspected, line.intended);
  // @ts-expect-error a step's result cannot be made by hand
  const forged: Watched = { from: line.gated };
  void forged;
}
