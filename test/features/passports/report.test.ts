// The report of a mission: everything that the log has of it, of nobody else, and harmless to look at.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { draftEntry } from '#features/audit/entry.ts';
import { plain } from '#features/passports/report-markdown.ts';
import type { MissionReport } from '#features/passports/report-shape.ts';
import type { Caller } from '#kernel/operation.ts';
import type { EntryDraft } from '#kernel/unit.ts';
import {
  act,
  addAgent,
  codeOf,
  KEY,
  must,
  OTHER_KEY,
  openState,
  PERSON,
  type State,
} from '#test/features/passports/state.ts';

let state: State;
beforeEach(async () => {
  state = openState();
  for (const name of ['bot', 'helper']) await addAgent(state, name);
});
afterEach(() => state.close());

type Passport = { token: string; jti: string; session_id: string; agent_id: string };
const intent = { summary: 'post the news', services: ['slack'] };
const does = async (name: string, input: Record<string, unknown>, caller: Caller = KEY) =>
  must(await act(state, name, { caller, input })).output;
const issued = async (): Promise<Passport> =>
  (await does('stack_issue_passport', { agent: 'bot', intent })) as Passport;
const delegated = async (parent_jti: string): Promise<Passport> =>
  (await does('stack_delegate_passport', {
    parent_jti,
    child_agent_id: 'helper',
    intent: { summary: 'one post', services: ['slack'] },
  })) as Passport;
const reportOf = async (jti: string): Promise<MissionReport> =>
  (await does('stack_get_passport_report', { jti })) as unknown as MissionReport;

let calls = 0;
/** What the traffic line writes of one call. */
function called(by: Passport, end: Partial<EntryDraft> | undefined, refused = false): void {
  const entry_id = `aud_${(++calls).toString()}`;
  const who = { agent_id: by.agent_id, session_id: by.session_id, passport_jti: by.jti };
  const what = { action: 'credential.proxy', service: 'slack', method: 'POST', path: '/chat' };
  const begun = draftEntry({
    ...who,
    ...what,
    entry_id,
    timestamp: state.host.nowMs(),
    outcome: refused ? 'blocked' : 'pending',
    bytes_out: 10,
    ...(refused ? end : {}),
  });
  state.entries.push(begun);
  if (end !== undefined && !refused)
    state.entries.push({ ...begun, entry_id: `${entry_id}e`, bytes_out: null, refers_to: entry_id, ...end });
}

test('it tells intent, calls, delegations, checkpoints, events and outcome, and adds them up', async () => {
  const lead = await issued();
  const child = await delegated(lead.jti);
  called(lead, { outcome: 'success', status: 200, duration_ms: 5, bytes_in: 100 });
  called(child, { outcome: 'failure', status: 500, duration_ms: 7, bytes_in: 20 });
  called(child, { outcome: 'blocked', error_code: 'ACTION_DENIED' }, true);
  called(lead, undefined);
  await does('stack_checkpoint', {
    jti: lead.jti,
    services_used: ['github'],
    actions_count: 4,
    summary: 'half',
  });
  await does('stack_checkout', { jti: lead.jti, outcome: 'success', summary: 'all posted' });
  const report = await reportOf(lead.jti);
  assert.equal(report.intent?.summary, 'post the news');
  const { duration_ms, bytes_in, bytes_out, complete, ...counts } = report.totals;
  assert.deepEqual(counts, { calls: 4, success: 1, failure: 1, blocked: 1, unknown: 0, pending: 1 });
  assert.deepEqual([duration_ms, bytes_in, bytes_out, complete], [12, 120, 40, true]);
  assert.deepEqual(
    report.calls.map(({ outcome }) => outcome),
    ['success', 'failure', 'blocked', 'pending'],
  );
  assert.deepEqual(
    report.delegations.map(({ jti, parent_jti, intent: said }) => [jti, parent_jti, said]),
    [[child.jti, lead.jti, 'one post']],
  );
  assert.deepEqual(
    report.checkpoints.map(({ actions_count, summary }) => [actions_count, summary]),
    [[4, 'half']],
  );
  assert.deepEqual(
    report.events.map(({ type, severity, services }) => [type, severity, services]),
    [['credential_outside_scope', 'critical', ['github']]],
  );
  const { status, result, summary } = report.outcome;
  assert.deepEqual([status, result, summary], ['checked_out', 'success', 'all posted']);
  for (const said of ['post the news', 'all posted', child.jti, 'ACTION\\_DENIED', '4 calls', 'github'])
    assert.ok(report.markdown.includes(said), `${said} in\n${report.markdown}`);
});

test('a delegated passport has the report of its own part, the first one that of the session', async () => {
  const lead = await issued();
  const [one, two] = [await delegated(lead.jti), await delegated(lead.jti)];
  const below = (await does('stack_delegate_passport', {
    parent_jti: one.jti,
    child_agent_id: 'bot',
    intent,
  })) as Passport;
  const next = (await does('stack_refresh_passport', { jti: one.jti })) as Passport;
  for (const by of [lead, one, two, below, next]) called(by, { outcome: 'success', status: 200 });
  const made = async (jti: string) =>
    new Set((await reportOf(jti)).calls.map(({ passport_jti }) => passport_jti));
  const part = new Set([one.jti, below.jti, next.jti]);
  assert.deepEqual(await made(one.jti), part);
  assert.deepEqual(await made(next.jti), part);
  assert.deepEqual(await made(two.jti), new Set([two.jti]));
  assert.equal((await made(lead.jti)).size, 5);
  assert.equal((await reportOf(one.jti)).outcome.status, 'active');
});

test('it says how a mission ended: by time, by silence, by a revocation, or with its parent', async () => {
  const outcome = async (jti: string) => (await reportOf(jti)).outcome;
  const lead = await issued();
  const child = await delegated(lead.jti);
  assert.equal((await outcome(lead.jti)).status, 'active');
  await does('stack_revoke_passport', { jti: lead.jti, reason: 'enough' }, PERSON);
  assert.deepEqual(
    [(await outcome(lead.jti)).status, (await outcome(lead.jti)).reason],
    ['revoked', 'enough'],
  );
  assert.equal((await outcome(child.jti)).status, 'parent_ended');
  const silent = (await does('stack_issue_passport', {
    agent: 'bot',
    intent,
    checkpoint_interval_seconds: 60,
  })) as Passport;
  const short = (await does('stack_issue_passport', { agent: 'bot', intent, ttl_seconds: 60 })) as Passport;
  state.host.pass(60_000);
  assert.equal((await outcome(silent.jti)).status, 'missed_checkpoint');
  assert.equal((await outcome(short.jti)).status, 'expired');
});

test('it is read by its session, by the key that minted it and by a person', async () => {
  const lead = await issued();
  const child = await delegated(lead.jti);
  const other = await issued();
  const holder = ({ jti, session_id, agent_id }: Passport): Caller => ({
    kind: 'passport',
    id: jti,
    acting: {
      agentId: agent_id,
      agentName: 'x',
      sessionId: session_id,
      passportJti: jti,
      declaredIntent: undefined,
    },
  });
  const read = async (caller: Caller) =>
    codeOf(await act(state, 'stack_get_passport_report', { caller, input: { jti: lead.jti } }));
  for (const caller of [KEY, PERSON, holder(lead), holder(child)]) assert.equal(await read(caller), 'ok');
  for (const caller of [OTHER_KEY, holder(other)]) assert.equal(await read(caller), 'NOT_FOUND');
});

test('what agents wrote is plain text in the Markdown', () => {
  const written = '# head\n![x](http://evil.test/p.png) <img src=x> `code` **b** | cell\u202e\u0007';
  const shown = plain(written);
  assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}]/u);
  assert.doesNotMatch(shown.replaceAll(/\\[^\w\s]/g, ''), /[#![\]()<>`*|]/);
});
