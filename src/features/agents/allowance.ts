// How many calls each agent has made, held against its limits. Counted at the moment a call is let go, in one step without
// an await, so that of any number at once exactly as many pass as the limit says.
import { AGENTS_MAX, CALLS_WINDOW_MS, RETRY_AFTER_SECONDS } from '#kernel/limits.ts';
import type { AgentLimits } from './model.ts';

/** Wall clock and a clock that never goes back, ms. */
export type Moment = { readonly nowMs: number; readonly monotonicMs: number };
/** A limit that has no room, and when it has some again. */
export type UsedUp = {
  readonly limit: keyof AgentLimits;
  readonly value: number;
  readonly retryAfterSeconds: number;
};

/** An agent and the limits in force for it. */
export type Limited = { readonly agentId: string; readonly limits: AgentLimits };

export type Allowances = {
  /** The count of the day must be read first: after a start, and after the limit was changed. */
  readonly lacksDay: (agent: Limited) => boolean;
  /** `calls` of the day in UTC that `nowMs` lies in. */
  readonly readDay: (agent: Limited, day: Day) => void;
  /** Counts a call, or says which limit is used up; of several the one that takes longest to free, as a rule. */
  readonly take: (agent: Limited, at: Moment) => UsedUp | undefined;
  /** A call has ended, however. */
  readonly end: (agentId: string) => void;
  /** A call that was counted did not leave: its place in the minute and the day is free again. */
  readonly undo: (agentId: string) => void;
};
type Day = { readonly nowMs: number; readonly calls: number };

/** Times of the newest calls in a ring as large as the limit; `next` is the oldest once it is full. */
type Minute = { times: number[]; next: number; readonly limit: number };
type DayCount = { number: number; calls: number; readonly limit: number };
type State = { open: number; minute: Minute | undefined; day: DayCount | undefined };

const DAY_MS = 86_400_000;
const MS_PER_SECOND = 1_000;
export const dayStartMs = (nowMs: number): number => Math.floor(nowMs / DAY_MS) * DAY_MS;

export function createAllowances(): Allowances {
  const states = new Map<string, State>();
  const stateOf = (agentId: string): State => {
    const known = states.get(agentId);
    if (known !== undefined) return known;
    if (states.size >= AGENTS_MAX) forgetOne(states);
    const fresh: State = { open: 0, minute: undefined, day: undefined };
    states.set(agentId, fresh);
    return fresh;
  };
  return {
    lacksDay: ({ agentId, limits: { calls_per_day: limit } }) =>
      limit !== undefined && states.get(agentId)?.day?.limit !== limit,
    readDay: ({ agentId, limits: { calls_per_day: limit } }, { nowMs, calls }) => {
      if (limit === undefined) return;
      stateOf(agentId).day = { number: Math.floor(nowMs / DAY_MS), calls, limit };
    },
    take: ({ agentId, limits }, at) => {
      const state = stateOf(agentId);
      fit(state, { limits, nowMs: at.nowMs });
      const used = timeUsed(state, at) ?? concurrencyUsed(state, limits);
      if (used !== undefined) return used;
      state.open += 1;
      if (state.minute !== undefined) push(state.minute, at.monotonicMs);
      if (state.day !== undefined) state.day.calls += 1;
      return undefined;
    },
    end: (agentId) => {
      const state = states.get(agentId);
      if (state !== undefined) state.open -= 1;
    },
    undo: (agentId) => {
      const state = states.get(agentId);
      if (state?.minute !== undefined) pop(state.minute);
      if (state?.day !== undefined) state.day.calls -= 1;
    },
  };
}

/** There are no more agents than this; who is over it was deleted. A state with open calls still counts. */
function forgetOne(states: Map<string, State>): void {
  for (const [agentId, { open }] of states) {
    if (open > 0) continue;
    states.delete(agentId);
    return;
  }
}

type Present = { readonly limits: AgentLimits; readonly nowMs: number };

/** Brings the counts to the limits in force and to the day. */
function fit(state: State, { limits, nowMs }: Present): void {
  const perMinute = limits.calls_per_minute;
  if (perMinute === undefined) state.minute = undefined;
  else if (state.minute?.limit !== perMinute) state.minute = ringOf(state.minute, perMinute);
  // What was not counted meanwhile would be missing: it is read anew when there is a limit again.
  if (limits.calls_per_day === undefined) state.day = undefined;
  const number = Math.floor(nowMs / DAY_MS);
  // A clock that was set back begins no day anew.
  if (state.day !== undefined && number > state.day.number) Object.assign(state.day, { number, calls: 0 });
}

function ringOf(before: Minute | undefined, limit: number): Minute {
  const { times = [], next = 0 } = before ?? {};
  return { times: [...times.slice(next), ...times.slice(0, next)].slice(-limit), next: 0, limit };
}

function push(minute: Minute, monotonicMs: number): void {
  if (minute.times.length < minute.limit) {
    minute.times.push(monotonicMs);
    return;
  }
  minute.times[minute.next] = monotonicMs;
  minute.next = (minute.next + 1) % minute.limit;
}

/** What the newest one replaced was older than the window. */
function pop(minute: Minute): void {
  if (minute.times.length < minute.limit) {
    minute.times.pop();
    return;
  }
  minute.next = (minute.next + minute.limit - 1) % minute.limit;
  minute.times[minute.next] = Number.NEGATIVE_INFINITY;
}

const waitOf = (ms: number): number => Math.max(1, Math.ceil(ms / MS_PER_SECOND));

/** A call that waits for the end of another may come again soon; for the end of a day it need not. */
function timeUsed({ minute, day }: State, at: Moment): UsedUp | undefined {
  if (day !== undefined && day.calls >= day.limit) {
    const retryAfterSeconds = waitOf((day.number + 1) * DAY_MS - at.nowMs);
    return { limit: 'calls_per_day', value: day.limit, retryAfterSeconds };
  }
  if (minute === undefined || minute.times.length < minute.limit) return undefined;
  const waitMs = (minute.times[minute.next] ?? 0) + CALLS_WINDOW_MS - at.monotonicMs;
  if (waitMs <= 0) return undefined;
  return { limit: 'calls_per_minute', value: minute.limit, retryAfterSeconds: waitOf(waitMs) };
}

function concurrencyUsed({ open }: State, { concurrency }: AgentLimits): UsedUp | undefined {
  if (concurrency === undefined || open < concurrency) return undefined;
  return { limit: 'concurrency', value: concurrency, retryAfterSeconds: RETRY_AFTER_SECONDS };
}
