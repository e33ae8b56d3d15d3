// The judge of a run, by its evidence alone. What is said to callers and written down has to be true on any machine; how fast
// and how large the appliance may be (issue and security plan 5.2, 5.6) is judged of what was built, where nothing else runs.
import { median, percentile } from '#test/bench/statistics.ts';
import type { Call, Evidence, Outage, Trace } from './evidence.ts';

export type Verdict = {
  /** What must hold. */
  readonly claim: string;
  readonly found: string;
  /** Each thing that contradicts it; none is what is wanted. */
  readonly faults: readonly string[];
};

type Claim = (evidence: Evidence) => Verdict;

/** An outcome does not hold up its answer: a kill so soon after an answer may still have taken it. */
const SETTLED_MS = 2_000;
/** Of an act that was under way when the process was killed. */
const isHit = ({ sentMs, endMs }: Call, outages: readonly Outage[], graceMs = 0): boolean =>
  outages.some(({ fromMs, toMs }) => sentMs <= toMs && endMs + graceMs >= fromMs);

const verdict = (claim: string, found: string, faults: readonly string[] = []): Verdict => ({
  claim,
  found,
  faults,
});

const counted = (calls: readonly Call[]): string =>
  [...Map.groupBy(calls, ({ kind }) => kind)].map(([kind, { length }]) => `${length} ${kind}`).join(', ');

/** Only a kill may cost a call its answer, and nothing may give it another one. A refusal is an answer, if it is true. */
const answers: Claim = ({ calls, outages }) => {
  const faults = calls.flatMap((call) => {
    if (call.kind === 'right' || call.kind === 'refused') return [];
    return call.kind === 'cut' && isHit(call, outages) ? [] : [`${call.kind}: ${call.why}`];
  });
  return verdict(
    'every call has its own answer or a refusal, but for those that a kill met',
    counted(calls),
    faults,
  );
};

type Told = { readonly call: Call; readonly trace: Trace | undefined; readonly isHit: boolean };

function callFault({ call, trace, isHit: isExcused }: Told, jti: string | undefined): string | undefined {
  const { kind, mark } = call;
  if (trace === undefined) return kind === 'right' ? `${mark} was answered and is not in the log` : undefined;
  if (trace.jti !== jti) return `${mark} stands there as a call of another agent`;
  const [outcome] = trace.outcomes;
  if (trace.intents !== 1 || trace.outcomes.length !== 1)
    return `${mark} has ${trace.intents} intents and ${trace.outcomes.length} outcomes`;
  const mayBe = kind === 'refused' ? outcome !== 'success' : outcome !== 'pending';
  const isTrue = kind === 'right' && !isExcused ? outcome === 'success' : mayBe;
  return isTrue ? undefined : `${mark} was ${kind}, and the log says ${outcome}`;
}

const logged: Claim = ({ calls, outages, jtis, log }) => {
  const made = new Set(calls.map(({ mark }) => mark));
  const foreign = [...log.traces.keys()].filter((mark) => !made.has(mark));
  const faults = calls.flatMap((call) => {
    const told = { call, trace: log.traces.get(call.mark), isHit: isHit(call, outages, SETTLED_MS) };
    return callFault(told, jtis[call.agent]) ?? [];
  });
  return verdict(
    'the log has each call exactly once: its intent, its outcome, its passport',
    `${log.traces.size} calls in ${log.entries} entries`,
    [...faults, ...foreign.map((mark) => `${mark} was never made`)],
  );
};

const sent: Claim = ({ calls, received, bare, log }) => {
  const times = Map.groupBy(received, (mark) => mark);
  const faults = [...times].flatMap(([mark, { length }]) => [
    ...(log.traces.has(mark) ? [] : [`${mark} left without an intent`]),
    ...(length === 1 ? [] : [`${mark} left ${length} times`]),
  ]);
  const lost = calls.filter(({ kind, mark }) => kind === 'right' && !times.has(mark));
  const denied = calls.filter(({ kind, mark }) => kind === 'refused' && times.has(mark));
  return verdict('what left had its intent, left once, and with its credential', `${received.length} left`, [
    ...faults,
    ...lost.map(({ mark }) => `${mark} was answered and had never left`),
    ...denied.map(({ mark }) => `${mark} was refused and had left`),
    ...(bare === 0 ? [] : [`${bare} came without the credential of their service`]),
  ]);
};

const chain: Claim = ({ log, remains }) =>
  verdict(
    'the chain verifies while it is written and afterwards, by two readers',
    `${log.walks} walks, the slowest ${Math.round(log.slowestWalkMs)} ms; ${log.pages} pages`,
    [...log.faults, ...remains.chainFaults],
  );

const secrets: Claim = ({ remains }) =>
  verdict(
    'no credential, passport or key in any file and in the process log',
    `${remains.leaks.length}`,
    remains.leaks,
  );

const acts: Claim = ({ acts: { rotations, reloads, kills, faults }, remains }) =>
  verdict(
    'rotations, reloads and starts succeed, and it ends as told without a word of trouble',
    `${rotations} rotations, ${reloads} reloads, ${kills} kills`,
    [...faults, ...remains.faults],
  );

/** What holds on any machine. */
export const judgeTruth = (evidence: Evidence): readonly Verdict[] =>
  [answers, logged, sent, chain, secrets, acts].map((claim) => claim(evidence));

type Bound = { readonly claim: string; readonly most: number; readonly unit: string };

/** Security plan 5.6: over what the upstream took. */
const ADDED_P99: Bound = { claim: 'p99 of a call over its upstream', most: 250, unit: 'ms' };
/** Security plan 5.6. */
const LOOP_P99: Bound = { claim: 'event-loop delay, p99 of each ten seconds', most: 100, unit: 'ms' };
/** Health checks wait for a second; no stall may be as long. */
const LOOP_MAX: Bound = { claim: 'event-loop delay, longest', most: 1_000, unit: 'ms' };
/** All three of the issue. */
const IDLE: Bound = { claim: 'memory before anybody came', most: 128, unit: 'MB' };
const CROWDED: Bound = { claim: 'memory at its most', most: 300, unit: 'MB' };
const GROWTH: Bound = { claim: 'growth of memory', most: 5, unit: '%' };
/** Security plan 5.2. */
const START: Bound = { claim: 'ready again after a kill', most: 5_000, unit: 'ms' };
/** Calls arrive by chance; fewer than this, and it was another load. */
const RATE_SHARE_LEAST = 0.95;
const CALLS_FROM = 100_000;
const CALLS_TO = 300_000;
const WINDOW_MS = 30_000;

function within(value: number, { claim, most, unit }: Bound): Verdict {
  const found = `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
  return verdict(`${claim}: at most ${most} ${unit}`, found, value <= most ? [] : [found]);
}

const most = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), 0);

/** Of a new process nothing is warm, and everybody comes at once; after so long it must be as quick as before. */
const RECOVERED_MS = 10_000;

export function addedMs({ calls, outages }: Evidence): Float64Array {
  const isDisturbed = ({ dueMs }: Call): boolean =>
    outages.some(({ fromMs, toMs }) => dueMs >= fromMs && dueMs <= toMs + RECOVERED_MS);
  const added = calls.flatMap((call) =>
    call.kind === 'right' && !isDisturbed(call) ? [call.endMs - call.dueMs - call.ownMs] : [],
  );
  return Float64Array.from(added).sort();
}

/** In percent from the first median to the second, each of half a minute; nothing where no process lived that long. */
export function growthOf({
  settings,
  calls,
  samples,
  beganMs,
  endedMs,
  outages,
}: Evidence): number | undefined {
  if (outages.length > 0) return undefined;
  const ends = calls.map(({ endMs }) => endMs).sort((a, b) => a - b);
  const warmMs = beganMs + settings.warmUpS * 1_000;
  const fromMs = (ends.length > CALLS_TO ? ends[CALLS_FROM] : undefined) ?? warmMs;
  const toMs = ends[CALLS_TO] ?? endedMs;
  const windowMs = Math.min(WINDOW_MS, (toMs - fromMs) / 3);
  const at = (sinceMs: number): number =>
    median(
      samples.flatMap(({ atMs, rssMb }) => (atMs >= sinceMs && atMs <= sinceMs + windowMs ? [rssMb] : [])),
    );
  return (at(toMs - windowMs) / at(fromMs) - 1) * 100;
}

const load: Claim = ({ settings, calls, beganMs, endedMs }) => {
  const perS = (calls.length * 1_000) / (endedMs - beganMs);
  const found = `${perS.toFixed(0)} calls/s`;
  const isMet = perS >= settings.perS * RATE_SHARE_LEAST;
  return verdict(`the load was ${settings.perS} calls/s`, found, isMet ? [] : [found]);
};

/** The load is far below what is refused. */
const taken: Claim = ({ calls, outages }) => {
  const refused = calls.flatMap((call) =>
    call.kind === 'refused' && !isHit(call, outages) ? [call.why] : [],
  );
  return verdict('no call is refused', `${refused.length} refused`, refused);
};

const connected: Claim = ({
  settings: { agents },
  samples,
  beganMs,
  endedMs,
  outages,
  connectionsOpened,
}) => {
  const during = samples.filter(({ atMs }) => atMs >= beganMs && atMs <= endedMs);
  const least = during.reduce((fewest, { connections }) => Math.min(fewest, connections), agents);
  const isMet = outages.length > 0 || (least === agents && connectionsOpened === agents);
  const found = `${least} at least, ${connectionsOpened} opened`;
  return verdict(`${agents} connections stay open until a kill`, found, isMet ? [] : [found]);
};

/** What holds of what was built, on a machine that does nothing else. */
export function judgeSize(evidence: Evidence): readonly Verdict[] {
  const { samples, loop, acts: done, idleMb } = evidence;
  const growth = growthOf(evidence);
  return [
    load(evidence),
    taken(evidence),
    connected(evidence),
    within(percentile(addedMs(evidence), 0.99), ADDED_P99),
    within(most(loop.map(({ p99Ms }) => p99Ms)), LOOP_P99),
    within(most(loop.map(({ maxMs }) => maxMs)), LOOP_MAX),
    within(idleMb, IDLE),
    within(most(samples.map(({ rssMb }) => rssMb)), CROWDED),
    ...(growth === undefined ? [] : [within(growth, GROWTH)]),
    ...(done.kills === 0 ? [] : [within(done.slowestStartMs, START)]),
  ];
}
