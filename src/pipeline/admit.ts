// Step 5: was this call made already, and may this agent make one more now? Counts it in one step without an await, and gives
// it back when the call has ended. Only two kinds wait: a call under an idempotency key, for what is kept under it, and the
// first one of an agent with a limit per day, for the log, which has the count of the day.
import {
  type Allowances,
  createAllowances,
  dayStartMs,
  type Limited,
  type UsedUp,
} from '#features/agents/allowance.ts';
import { createMissionBudgets, type Mission, type MissionBudgets } from '#features/agents/mission-budget.ts';
import type { AgentLimits } from '#features/agents/model.ts';
import { intentsOf, intentsOfMission } from '#features/audit/store.ts';
import { handedOn } from '#features/passports/store.ts';
import { Fault } from '#kernel/errors.ts';
import { INTENTS_COUNTED_AT_ONCE } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import type { Authority } from './authenticate.ts';
import type { Watched } from './detect.ts';
import type { Claim, Earlier, Once } from './once.ts';

declare const admitted: unique symbol;
/** The call is counted. Whoever has it must say when it has ended. */
export type Admitted = {
  readonly [admitted]: true;
  readonly from: Watched;
  /** Once, however the call ends. */
  readonly leave: () => void;
  /** Before `leave`, where the log did not take the intent: the call was none. */
  readonly undo: () => void;
  readonly claim: Claim | undefined;
};
export type Admission = Result<Admitted> | Earlier;

type Deps = {
  /** The limits in force for an agent of this name. */
  readonly limits: (agentName: string) => AgentLimits | undefined;
  readonly reader: Reader;
  readonly host: Pick<Host, 'nowMs' | 'monotonicMs'>;
  readonly once: Pick<Once, 'look'>;
};
export type Admit = (from: Watched) => Admission | Promise<Admission>;

export function createAdmit({ limits, reader, host, once }: Deps): Admit {
  const allowances = createAllowances();
  const budgets = createMissionBudgets();
  const missions = createMissionCounts(budgets, reader);
  const counts = createDayCounts(allowances, { reader, host });
  const take = (from: Watched, agent: Limited): Result<Admitted> => {
    const used = allowances.take(agent, { nowMs: host.nowMs(), monotonicMs: host.monotonicMs() });
    if (used !== undefined) return refuse(limited(used));
    const { agentId } = agent;
    return done(from, { leave: () => allowances.end(agentId), undo: () => allowances.undo(agentId) });
  };
  const count = (from: Watched): Result<Admitted> | Promise<Result<Admitted>> => {
    const { passport } = from.from.from.from;
    const { agentId, agentName } = passport;
    if (agentId === null) return done(from, FREE);
    const held = agentName === null ? undefined : limits(agentName);
    const agent = held === undefined ? undefined : { agentId, limits: held };
    const charged = chargedBy(passport, limits);
    if (charged.length > 0) return within(from, { agent, charged });
    if (agent === undefined) return done(from, FREE);
    if (!allowances.lacksDay(agent)) return take(from, agent);
    return counts.read(agent).then(() => take(from, agent));
  };
  /** The budgets first, since they are given back where another limit has no room. */
  const within = async (from: Watched, { agent, charged }: Budgeted): Promise<Result<Admitted>> => {
    for (const one of charged) if (budgets.lacks(one)) await missions.read(one, one.budget);
    if (agent !== undefined && allowances.lacksDay(agent)) await counts.read(agent);
    const full = takeAll(budgets, charged);
    if (full !== undefined) return refuse(usedUp(from, { ...full, nowMs: host.nowMs() }));
    const taken = agent === undefined ? done(from, FREE) : take(from, agent);
    if (!taken.ok) {
      for (const one of charged) budgets.undo(one);
      return taken;
    }
    const { undo } = taken.value;
    const undoAll = (): void => {
      undo();
      for (const one of charged) budgets.undo(one);
    };
    return ok({ ...taken.value, undo: undoAll });
  };
  const countOnce = async (from: Watched, key: string): Promise<Admission> => {
    const found = await once.look(from, key);
    if (!found.ok || 'kept' in found) return found;
    if (from.from.spent !== undefined) return refuse(from.from.spent);
    const counted = await count(from);
    return counted.ok ? ok(under(counted.value, found.value)) : counted;
  };
  return (from) => {
    const key = from.from.from.call.idempotency_key;
    return key === undefined ? count(from) : countOnce(from, key);
  };
}

type Budgeted = { readonly agent: Limited | undefined; readonly charged: readonly Charged[] };
type Charged = Mission & { readonly budget: number };
const NOBODY: readonly Charged[] = [];
const NO_AGENTS: NonNullable<Authority['above']> = [];
const MS_PER_SECOND = 1_000;

/** The agent itself, and each that handed its passport on: who delegates has the token of the child as well. */
function chargedBy(passport: Authority, limits: Deps['limits']): readonly Charged[] {
  const { agentId, agentName, sessionId } = passport;
  const above = passport.above ?? NO_AGENTS;
  const own = agentName === null ? undefined : limits(agentName)?.calls_per_mission;
  if (own === undefined && above.length === 0) return NOBODY;
  return [{ agentId, agentName }, ...above].flatMap((one) => {
    const budget = one.agentName === null ? undefined : limits(one.agentName)?.calls_per_mission;
    if (budget === undefined || one.agentId === null) return [];
    return [{ agentId: one.agentId, sessionId: sessionId ?? '', budget }];
  });
}

/** All of them or none, in one step; the one that has no room. */
function takeAll(budgets: MissionBudgets, charged: readonly Charged[]): Charged | undefined {
  for (const [at, one] of charged.entries()) {
    if (budgets.take(one, one.budget)) continue;
    for (const before of charged.slice(0, at)) budgets.undo(before);
    return one;
  }
  return undefined;
}

function usedUp(from: Watched, { budget: value, nowMs }: Charged & { readonly nowMs: number }): Fault {
  const leftMs = (from.from.from.from.passport.missionEndsAtMs ?? 0) - nowMs;
  const retryAfterSeconds = Math.max(1, Math.ceil(leftMs / MS_PER_SECOND));
  return limited({ limit: 'calls_per_mission', value, retryAfterSeconds });
}

type Ending = Pick<Admitted, 'leave' | 'undo'>;
const FREE: Ending = { leave: () => undefined, undo: () => undefined };
const done = (from: Watched, ending: Ending): Result<Admitted> =>
  ok({ from, ...ending, claim: undefined } as Admitted);

function under(counted: Admitted, claim: Claim): Admitted {
  const undo = (): void => {
    counted.undo();
    claim.lost();
  };
  return { ...counted, undo, claim };
}

/** Several calls of one agent wait for one reading: a second one would undo what was counted since the first. */
function createDayCounts(allowances: Allowances, { reader, host }: Pick<Deps, 'reader' | 'host'>) {
  const reading = new Map<string, Promise<void>>();
  const readOnce = async (agent: Limited): Promise<void> => {
    const nowMs = host.nowMs();
    const calls = await callsToday(reader, { ...agent, sinceMs: dayStartMs(nowMs) });
    allowances.readDay(agent, { nowMs, calls });
  };
  return {
    read: (agent: Limited): Promise<void> => {
      const known = reading.get(agent.agentId);
      if (known !== undefined) return known;
      const fresh = readOnce(agent).finally(() => reading.delete(agent.agentId));
      reading.set(agent.agentId, fresh);
      return fresh;
    },
  };
}

/** As above: what a mission has made so far stands in the log, however often the process has been started since. */
function createMissionCounts(budgets: MissionBudgets, reader: Reader) {
  const reading = new Map<string, Promise<void>>();
  const count = async (mission: Mission, most: number): Promise<void> => {
    let calls = 0;
    let beforeSeq = Number.MAX_SAFE_INTEGER;
    const jtis = await handedOn(reader, mission);
    while (calls < most) {
      const page = await intentsOfMission(reader, {
        ...mission,
        jtis,
        beforeSeq,
        limit: INTENTS_COUNTED_AT_ONCE,
      });
      calls += page.length;
      if (page.length < INTENTS_COUNTED_AT_ONCE) break;
      beforeSeq = page.at(-1)?.seq ?? 0;
      await new Promise<void>((next) => setImmediate(next));
    }
    budgets.read(mission, calls);
  };
  return {
    read: (mission: Mission, most: number): Promise<void> => {
      const id = `${mission.agentId} ${mission.sessionId}`;
      const known = reading.get(id);
      if (known !== undefined) return known;
      const fresh = count(mission, most).finally(() => reading.delete(id));
      reading.set(id, fresh);
      return fresh;
    },
  };
}

type Since = { readonly sinceMs: number };

/** Newest first, and no more than the limit: what an agent did before today is not looked at. */
async function callsToday(reader: Reader, { agentId, limits, sinceMs }: Limited & Since): Promise<number> {
  let calls = 0;
  let beforeSeq = Number.MAX_SAFE_INTEGER;
  while (calls < (limits.calls_per_day ?? 0)) {
    const page = await intentsOf(reader, { agentId, beforeSeq, limit: INTENTS_COUNTED_AT_ONCE });
    const ofToday = page.filter(({ timestamp }) => timestamp >= sinceMs);
    calls += ofToday.length;
    if (page.length < INTENTS_COUNTED_AT_ONCE || ofToday.length === 0) return calls;
    beforeSeq = page.at(-1)?.seq ?? 0;
    await new Promise<void>((next) => setImmediate(next));
  }
  return calls;
}

const NEXT: Readonly<Record<keyof AgentLimits, (value: number) => string>> = {
  calls_per_minute: (value) =>
    `This agent may make ${value} calls a minute. Wait as long as Retry-After says, then send the call again.`,
  concurrency: (value) =>
    `This agent may have ${value} calls under way. Send the call again when one of them has ended.`,
  calls_per_day: (value) =>
    `This agent may make ${value} calls a day (UTC). Wait as long as Retry-After says, or ask the operator to raise calls_per_day.`,
  calls_per_mission: (value) =>
    `This agent, or one that handed its passport on, may make ${value} calls in one mission, and they are made. Check out and say what is left; another mission needs a passport issued with a declared intent.`,
};

function limited({ limit, value, retryAfterSeconds }: UsedUp): Fault {
  const metadata = { limit, value, retry_after_seconds: retryAfterSeconds };
  return new Fault('RATE_LIMITED', { detail: `${limit} of ${value}`, metadata, next: NEXT[limit](value) });
}
