// The judge of the endurance run goes red on each fault that it is there for, and on nothing else: evidence is made up here,
// one fault at a time.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Call, Evidence, Trace } from './evidence.ts';
import { type Received, readingOf } from './forms.ts';
import { judgeSize, judgeTruth, type Verdict } from './judge.ts';
import { tallyLog } from './log-reader.ts';
import { reportText } from './report.ts';
import { crowd, soak } from './settings.ts';
import { CANARY } from './shop.ts';

const SECONDS = 60;
const SETTINGS = { ...crowd(1), agents: 10, perS: 10 };
const MARKS = Array.from({ length: SECONDS * 10 }, (_, at) => `c${at + 1}`);

/** One call each 100 ms, which takes 30 ms, of which the upstream has 10. */
const right = (mark: string, at: number): Call => {
  const dueMs = at * 100;
  const when = { dueMs, sentMs: dueMs + 1, endMs: dueMs + 30 };
  return { mark, agent: at % 10, form: 'path', ...when, kind: 'right', ownMs: 10 };
};
const traceOf = ({ agent }: Call, more: Partial<Trace> = {}): Trace => ({
  jti: `pp_${agent}`,
  intents: 1,
  outcomes: ['success'],
  ...more,
});

const CALLS = MARKS.map(right);
const [FIRST] = CALLS;
assert.ok(FIRST);
const TRACES = new Map(CALLS.map((call) => [call.mark, traceOf(call)]));

function evidence(more: Partial<Evidence> = {}): Evidence {
  return {
    settings: SETTINGS,
    beganMs: 0,
    endedMs: SECONDS * 1_000,
    calls: CALLS,
    jtis: Array.from({ length: 10 }, (_, agent) => `pp_${agent}`),
    outages: [],
    log: log(),
    received: MARKS,
    bare: 0,
    idleMb: 100,
    samples: Array.from({ length: SECONDS }, (_, at) => sample(at, 200)),
    loop: [{ p99Ms: 5, maxMs: 50 }],
    cpuMs: 600,
    connectionsOpened: 10,
    acts: { rotations: 0, reloads: 0, kills: 0, slowestStartMs: 0, faults: [] },
    remains: { faults: [], chainFaults: [], leaks: [] },
    ...more,
  };
}

const sample = (second: number, rssMb: number) => ({ atMs: second * 1_000, pid: 1, rssMb, connections: 10 });

function log(more: Partial<Evidence['log']> = {}): Evidence['log'] {
  const actions = new Map([['credential.proxy', MARKS.length * 2]]);
  const reading = { pages: 1, walks: 1, slowestWalkMs: 5 };
  return { entries: MARKS.length * 2, traces: TRACES, actions, faults: [], ...reading, ...more };
}

/** The log with another trace of the first call; none where it is undefined. */
function logWith(trace: Trace | undefined): Evidence['log'] {
  const traces = new Map(TRACES);
  if (trace === undefined) traces.delete('c1');
  else traces.set('c1', trace);
  return log({ traces });
}

/** The first call in place of what it was. */
const callsWith = (call: Partial<Call>): readonly Call[] => [
  { ...FIRST, ...call } as Call,
  ...CALLS.slice(1),
];

const all = (of: Evidence): readonly Verdict[] => [...judgeTruth(of), ...judgeSize(of)];
const faultsOf = (of: Evidence): readonly string[] => all(of).flatMap(({ faults }) => faults);

function red(more: Partial<Evidence>, expected: RegExp): void {
  const failed = all(evidence(more)).filter(({ faults }) => faults.length > 0);
  assert.equal(failed.length, 1, `${expected}: ${JSON.stringify(failed)}`);
  assert.match(`${failed[0]?.claim}: ${failed[0]?.faults[0]}`, expected);
}

/** From a moment after the first call was sent. */
const OUTAGE = { fromMs: 20, toMs: 90 };

describe('the judge of the endurance run', () => {
  it('finds nothing in a run in which all went well', () => {
    assert.deepEqual(faultsOf(evidence()), []);
  });

  it('sees an answer that is missing, wrong, somebody else’s, or holds a credential', () => {
    for (const kind of ['cut', 'wrong', 'mixed', 'leaked'] as const)
      red({ calls: callsWith({ kind, why: 'planted' }) }, new RegExp(`own answer.*${kind}: planted`));
  });

  it('sees a refusal where there is no reason for one, and one of a call that was made', () => {
    const calls = callsWith({ kind: 'refused', why: '503 OVERLOADED' });
    const received = MARKS.slice(1);
    red({ calls, log: logWith(undefined), received }, /no call is refused.*OVERLOADED/);
    const undecided = logWith(traceOf(FIRST, { outcomes: ['failure'] }));
    red({ calls, log: undecided, received }, /no call is refused.*OVERLOADED/);
    red({ calls, log: undecided, outages: [OUTAGE] }, /c1 was refused and had left/);
    red({ calls, received, outages: [OUTAGE] }, /c1 was refused, and the log says success/);
  });

  it('lets a kill cost the calls that it met their answers, and no others', () => {
    const calls = callsWith({ kind: 'cut', why: 'planted' });
    const unknown = logWith({ ...traceOf(FIRST), outcomes: ['unknown'] });
    assert.deepEqual(faultsOf(evidence({ calls, log: unknown, outages: [OUTAGE] })), []);
    const before = { calls, log: logWith(undefined), received: MARKS.slice(1), outages: [OUTAGE] };
    assert.deepEqual(faultsOf(evidence(before)), []);
    red({ calls, log: unknown, outages: [{ fromMs: 5_000, toMs: 6_000 }] }, /own answer.*cut: planted/);
  });

  it('sees a call that the log lacks, has twice, leaves open, or gives to another agent', () => {
    assert.match(
      faultsOf(evidence({ log: logWith(undefined) })).join(),
      /c1 was answered and is not in the log/,
    );
    red({ log: logWith(traceOf(FIRST, { intents: 2 })) }, /c1 has 2 intents and 1 outcomes/);
    red({ log: logWith(traceOf(FIRST, { outcomes: [] })) }, /c1 has 1 intents and 0 outcomes/);
    red({ log: logWith(traceOf(FIRST, { outcomes: ['success', 'unknown'] })) }, /and 2 outcomes/);
    red(
      { log: logWith(traceOf(FIRST, { outcomes: ['unknown'] })) },
      /c1 was right, and the log says unknown/,
    );
    red({ log: logWith(traceOf(FIRST, { jti: 'pp_9' })) }, /c1 stands there as a call of another agent/);
    red({ log: log({ traces: new Map([...TRACES, ['c0', traceOf(FIRST)]]) }) }, /c0 was never made/);
  });

  it('sees what left without an intent, twice, not at all, or without its credential', () => {
    red({ received: [...MARKS, 'c0'] }, /c0 left without an intent/);
    red({ received: [...MARKS, 'c1'] }, /c1 left 2 times/);
    red({ received: MARKS.slice(1) }, /c1 was answered and had never left/);
    red({ bare: 1 }, /1 came without the credential/);
  });

  it('sees a broken chain, a secret in a file, an act that failed, and words of trouble', () => {
    const { acts, remains } = evidence();
    red({ log: log({ faults: ['entry 7 does not follow 6'] }) }, /chain.*entry 7/);
    red({ remains: { ...remains, chainFaults: ['I3 entry 9: a hole'] } }, /chain.*entry 9/);
    red({ remains: { ...remains, leaks: ['a key in stack.db'] } }, /no credential.*a key in stack\.db/);
    red({ remains: { ...remains, faults: ['it ended with 1'] } }, /ended with 1/);
    red({ acts: { ...acts, faults: ['a reload: 500'] } }, /a reload: 500/);
  });

  it('sees a load that was none, a connection that was closed, and calls that were slow', () => {
    const [wide] = [evidence({ endedMs: SECONDS * 2_000 })];
    assert.match(faultsOf(wide).join(), /^5 calls\/s/);
    red({ connectionsOpened: 11 }, /connections stay open.*11 opened/);
    const slow = CALLS.map((call) => ({ ...call, endMs: call.endMs + 300 }));
    red({ calls: slow }, /p99 of a call.*320 ms/);
    const sinceStart = CALLS.map((call, at) => (at < 100 ? { ...call, endMs: call.endMs + 300 } : call));
    assert.deepEqual(faultsOf(evidence({ calls: sinceStart, outages: [OUTAGE] })), []);
    red({ calls: slow, outages: [OUTAGE] }, /p99 of a call.*320 ms/);
  });

  it('sees a stall, too much memory, growth, and a start that took too long', () => {
    red({ loop: [{ p99Ms: 101, maxMs: 150 }] }, /event-loop delay, p99/);
    red({ loop: [{ p99Ms: 50, maxMs: 1_001 }] }, /event-loop delay, longest/);
    red({ idleMb: 129 }, /before anybody came/);
    const grown = evidence().samples.map((one, at) => ({ ...one, rssMb: 200 + at * 0.5 }));
    red({ samples: grown }, /growth of memory/);
    red({ samples: [...evidence().samples, sample(30, 301)] }, /memory at its most/);
    const { acts } = evidence();
    red({ acts: { ...acts, kills: 1, slowestStartMs: 5_001 }, outages: [OUTAGE] }, /ready again.*5001 ms/);
  });

  it('is shown as text, with what fails first seen as such', () => {
    const of = evidence({ bare: 2 });
    const text = reportText(of, all(of));
    assert.match(text, /^FAILS {2}what left.*\n +2 came without the credential/m);
    assert.match(text, /\| calls +\| 600 +\|/);
  });
});

describe('what an endurance run reads', () => {
  const answer = (body: unknown, more: Partial<Received> = {}): Received => ({
    status: 200,
    markHeader: 'c1',
    headers: '',
    text: JSON.stringify(body),
    ...more,
  });
  const told = { path_mark: 'c1', body_mark: 'c1', echo: '[redacted:s0]', own_ms: 10 };
  const wanted = { form: 'path', mark: 'c1' } as const;

  it('takes an answer for right only when every mark is its own and the credential is taken out', () => {
    assert.deepEqual(readingOf(wanted, answer(told)), { kind: 'right', ownMs: 10 });
    assert.equal(readingOf(wanted, answer({ ...told, body_mark: 'c2' })).kind, 'mixed');
    assert.equal(readingOf(wanted, answer(told, { markHeader: 'c2' })).kind, 'mixed');
    assert.equal(readingOf(wanted, answer({ ...told, echo: '' })).kind, 'wrong');
    assert.equal(readingOf(wanted, answer(told, { status: 500 })).kind, 'wrong');
    assert.equal(
      readingOf(wanted, answer({ error: { code: 'OVERLOADED' } }, { status: 503 })).kind,
      'refused',
    );
    const encoded = Buffer.from(`x${CANARY}`).toString('base64');
    assert.equal(readingOf(wanted, answer({ ...told, more: encoded })).kind, 'leaked');
    assert.equal(readingOf(wanted, answer(told, { headers: `x: ${CANARY}` })).kind, 'leaked');
  });

  it('notices in the log a hole, a broken link, an outcome of nothing and a refused call', () => {
    const genesis = '0'.repeat(64);
    const entry = { seq: 1, prev_entry_hash: genesis, entry_hash: 'a', entry_id: 'aud_1' };
    const intent = {
      action: 'credential.proxy',
      outcome: 'pending',
      path: '/calls/c1',
      passport_jti: 'pp_1',
    };
    const tally = tallyLog();
    tally.add({ ...entry, ...intent });
    const outcome = { action: 'credential.proxy', outcome: 'success', refers_to: 'aud_1' };
    tally.add({ ...entry, seq: 2, prev_entry_hash: 'a', entry_hash: 'b', ...outcome });
    assert.deepEqual(tally.evidence().faults, []);
    assert.deepEqual(tally.evidence().traces.get('c1'), { jti: 'pp_1', intents: 1, outcomes: ['success'] });
    tally.add({ ...entry, seq: 4, prev_entry_hash: 'c', action: 'config.reload' });
    tally.add({ ...entry, seq: 5, prev_entry_hash: 'a', ...outcome, refers_to: 'aud_9' });
    tally.add({ ...entry, seq: 6, prev_entry_hash: 'a', action: 'credential.proxy', outcome: 'denied' });
    const { faults } = tally.evidence();
    assert.match(faults.join('\n'), /after entry 2 came 4\n.*not follow.*\n.*outcome of nothing\n.*denied/);
  });

  it('disturbs a short soak as often as a long one, and goes no further than passports live', () => {
    const { killEveryS, reloadEveryS, perS } = soak(2);
    assert.deepEqual([killEveryS, reloadEveryS, perS], [30, 10, 150]);
    assert.deepEqual([soak().killEveryS, soak().seconds, crowd().seconds], [120, 1_800, 600]);
    assert.throws(() => crowd(56), /passports end after an hour/);
  });
});
