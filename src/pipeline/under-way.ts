// Calls under way, and how they are cut: what ends a passport is durable, and in the same step every call under it loses its
// connection to the service and to its caller (invariant 6). A call is here from the moment its passport was found live.
import type { Cut } from '#features/passports/revoke.ts';
import { Fault } from '#kernel/errors.ts';
import type { Job } from '#kernel/job.ts';
import { CUT_LOOK_EVERY_MS } from '#kernel/limits.ts';
import { type Result, refuse } from '#kernel/result.ts';
import type { EntryDraft } from '#kernel/unit.ts';
import type { Handle, Waiting } from '#platform/net/exchange.ts';

/** Whoever passes a call's answer on to its caller. */
export type Passing = {
  /** Ends it; whether some of it has been passed on already. */
  readonly cut: () => boolean;
};

/** One call. Made for each, so it is one small object and nothing else. */
export class CallUnderWay implements Handle {
  /** Moves on when another passport takes the place of this one. */
  jti: string | null;
  readonly kind: 'request' | 'stream' | 'tool';
  /** Why it was cut; whoever is about to take its next step looks here. */
  fault: Fault | undefined = undefined;
  /** What the call waits for just now. */
  waiting: Waiting | undefined = undefined;
  passing: Passing | undefined = undefined;

  constructor(jti: string | null, kind: CallUnderWay['kind']) {
    this.jti = jti;
    this.kind = kind;
  }
}

export type UnderWay = {
  readonly begin: (call: CallUnderWay) => void;
  readonly end: (call: CallUnderWay) => void;
  /** For every unit that has become durable. */
  readonly committed: (entries: readonly EntryDraft[]) => void;
  /** What was cut when these became durable. */
  readonly cutBy: (entries: readonly EntryDraft[]) => Cut;
  /** Cuts what is under way on a passport that is not live any more, for whatever reason. */
  readonly look: (live: (jti: string) => Result<unknown>) => void;
};

type Counts = { requests: number; streams: number; calls: number };
const none = (): Counts => ({ requests: 0, streams: 0, calls: 0 });

/** Entries that say that a passport has ended. */
const ENDING: ReadonlySet<string> = new Set([
  'passport.revoke',
  'passport.revoke_cascade',
  'passport.checkout',
]);

export function createUnderWay(): UnderWay {
  const calls = new Set<CallUnderWay>();
  const counted = new WeakMap<readonly EntryDraft[], Counts>();
  const cutAll = (ended: ReadonlySet<string>): Counts => {
    const counts = none();
    for (const call of calls)
      if (call.jti !== null && call.fault === undefined && ended.has(call.jti))
        counts[cut(call, revoked(call.jti))] += 1;
    return counts;
  };
  return {
    begin: (call) => void calls.add(call),
    end: (call) => void calls.delete(call),
    committed: (entries) => {
      if (calls.size > 0) moveOn(calls, entries);
      const ended = endedBy(entries);
      if (ended !== undefined) counted.set(entries, cutAll(ended));
    },
    cutBy: (entries) => counted.get(entries) ?? none(),
    look: (live) => {
      for (const call of calls) {
        if (call.jti === null || call.fault !== undefined) continue;
        const judged = live(call.jti);
        if (!judged.ok && ends(call, judged.fault)) cut(call, over(judged.fault));
      }
    },
  };
}

export const lookJob = (underWay: UnderWay, live: (jti: string) => Result<unknown>): Job => ({
  name: 'cut calls whose passport is over',
  everyMs: CUT_LOOK_EVERY_MS,
  run: async () => underWay.look(live),
});

/** `detail.from` is the passport that was there before; of an issue, that of the mission before under X-Stack-Agent. */
const MOVING: ReadonlySet<string> = new Set(['passport.checkpoint', 'passport.refresh', 'passport.issue']);

/** A renewal or a refresh carries on what was begun: such a call is under the new passport from now on. */
function moveOn(calls: Iterable<CallUnderWay>, entries: readonly EntryDraft[]): void {
  for (const { action, passport_jti, detail } of entries) {
    if (!MOVING.has(action) || passport_jti === null) continue;
    for (const call of calls) if (call.jti === detail['from']) call.jti = passport_jti;
  }
}

/** Asked of every unit there is: nearly always one entry, of another action. */
function endedBy(entries: readonly EntryDraft[]): ReadonlySet<string> | undefined {
  let ended: Set<string> | undefined;
  for (const { action, outcome, passport_jti } of entries) {
    if (!ENDING.has(action) || outcome !== 'success' || passport_jti === null) continue;
    ended ??= new Set();
    ended.add(passport_jti);
  }
  return ended;
}

/** A call that was begun in time may end: it has seconds. A stream may have minutes, and has not (mcp M010). */
const ends = ({ kind }: CallUnderWay, { code }: Fault): boolean =>
  code !== 'PASSPORT_EXPIRED' || kind === 'stream';

const NEXT =
  'The call was cut while it was under way. If metadata.sent is true it may have taken effect: look at the service, and do not repeat it.';

/** Of a call of which nothing has left; see `asCut` for the others. */
const UNSENT = { sent: false, reason: 'cut' };
const revoked = (jti: string): Fault =>
  new Fault('PASSPORT_REVOKED', { detail: `cut: ${jti} was revoked`, metadata: UNSENT, next: NEXT });
const over = ({ code, detail = '' }: Fault): Fault =>
  new Fault(code, { detail: `cut: ${detail}`, metadata: UNSENT, next: NEXT });

/** What it was, for whoever asked for the cut. */
function cut(call: CallUnderWay, fault: Fault): keyof Counts {
  call.fault = fault;
  call.waiting?.cut(fault);
  const begun = call.passing?.cut() === true;
  if (call.kind === 'tool') return 'calls';
  return begun ? 'streams' : 'requests';
}

/** The end of a call that was cut, whatever broke first: what is known of its sending stays. */
export function asCut({ fault }: CallUnderWay, { metadata }: Fault): Fault | undefined {
  if (fault === undefined) return undefined;
  const { upstream_status } = metadata;
  return new Fault(fault.code, {
    ...(fault.detail === undefined ? {} : { detail: fault.detail }),
    metadata: {
      ...fault.metadata,
      sent: metadata['sent'] === true,
      ...(upstream_status === undefined ? {} : { upstream_status }),
    },
    next: fault.next,
  });
}

/** What is awaited, or why it was cut; nothing has been sent yet. */
export function untilCut<T>(call: CallUnderWay, awaited: Promise<Result<T>>): Promise<Result<T>> {
  if (call.fault !== undefined) return Promise.resolve(refuse(call.fault));
  const cutting = new Promise<Result<T>>((settle) => {
    call.waiting = { cut: (fault) => settle(refuse(fault)) };
  });
  return Promise.race([awaited, cutting]).finally(() => {
    call.waiting = undefined;
  });
}
