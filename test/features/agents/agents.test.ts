// Agents: registering twice, the config as the ceiling, who may loosen what, and lists that lose nothing.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { missingAgents } from '#features/agents/directory.ts';
import { standingOf } from '#features/passports/store.ts';
import { AGENTS_MAX } from '#kernel/limits.ts';
import type { Caller } from '#kernel/operation.ts';
import {
  act,
  addAgent,
  codeOf,
  KEY,
  must,
  openState,
  PERSON,
  type State,
  setAgent,
  TRACE,
} from '#test/features/passports/state.ts';

let state: State;
beforeEach(() => {
  state = openState();
});
afterEach(() => state.close());

const run = (name: string, input: Record<string, unknown>, caller: Caller = KEY) =>
  act(state, name, { caller, input });
const register = (input: Record<string, unknown>, caller: Caller = KEY) =>
  run('stack_register_agent', input, caller);
const as = (agentId: string, agentName: string): Caller => ({
  ...KEY,
  acting: { agentId, agentName, sessionId: undefined, passportJti: undefined, declaredIntent: undefined },
});

test('registering is 201, the same again 200 with the same id, a contradiction 409', async () => {
  const first = must(await register({ name: 'bot', description: 'posts' }));
  assert.equal(first.status, 201);
  assert.equal(first.output['accountability_mode'], 'enforced');
  assert.equal(first.output['credential_access'], 'proxy_only');
  const again = must(await register({ name: 'bot', credential_access: 'direct' }));
  assert.deepEqual([again.status, again.output], [200, first.output]);
  assert.equal(codeOf(await register({ name: 'bot', description: 'other' })), 'CONFLICT');
});

test('names have the documented form', async () => {
  for (const name of ['b', 'Bot', '-bot', 'bot-', 'bo t', 'bot_x', '*', 'b'.repeat(65), 'bot\n'])
    assert.equal(codeOf(await register({ name })), 'INVALID_REQUEST', name);
});

test('an agent registered by a call has the ceiling of "*" and no less strict mode', async () => {
  state.world.ceiling = { mode: 'logged', services: [{ service: 'slack', scopes: ['slack:*'] }] };
  assert.equal(codeOf(await register({ name: 'easy', accountability_mode: 'standard' })), 'FORBIDDEN');
  const { output } = must(await register({ name: 'bot' }));
  assert.equal(output['accountability_mode'], 'logged');
  assert.deepEqual(output['services'], [{ service: 'slack', scopes: ['slack:*'] }]);
});

test('the config is a ceiling for agents that are there already', async () => {
  const id = await addAgent(state, 'bot', { config: false, mode: 'standard' });
  state.world.ceiling = { mode: 'enforced', services: [] };
  assert.equal((await state.directory.find(id))?.mode, 'enforced');
  state.world.ceiling = { mode: 'standard', services: [] };
  await setAgent(state, id, { mode: 'logged' });
  assert.equal((await state.directory.find(id))?.mode, 'logged');
});

test('an agent of the config exists without registering, and is gone when the config drops it', async () => {
  state.world.agents.set('bot', { mode: 'logged', services: [] });
  const [created, ...more] = await missingAgents(state.world, { reader: state.reader, host: state.host });
  assert.equal(more.length, 0);
  await state.commit({ statements: created === undefined ? [] : [created.statement], entries: [] });
  assert.deepEqual(await missingAgents(state.world, { reader: state.reader, host: state.host }), []);
  const agent = await state.directory.find('bot');
  assert.deepEqual([agent?.mode, agent?.source], ['logged', 'config']);
  state.world.agents.delete('bot');
  assert.equal(await state.directory.find('bot'), undefined);
});

test('the name of an agent that the config has dropped is refused with a reason and a next step that works', async () => {
  await addAgent(state, 'bot');
  const settings = state.world.agents.get('bot');
  state.world.agents.delete('bot');
  const refused = await register({ name: 'bot' });
  assert.ok(!refused.ok);
  const { code, metadata, next } = refused.fault;
  assert.equal(code, 'CONFLICT');
  assert.match(String(metadata['reason']), /the config no longer lists/);
  assert.match(next, /another name, or .* agents\.bot back into the config/);
  assert.equal(codeOf(await register({ name: 'bot-two' })), 'ok');
  if (settings !== undefined) state.world.agents.set('bot', settings);
  assert.equal(codeOf(await register({ name: 'bot' })), 'ok');
});

/** Rows beside those that are there, so that `count` agents are registered in all. */
async function fillTo(count: number): Promise<void> {
  await addAgent(state, 'last', { config: false });
  const sql = `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO agents SELECT 'agt_' || i, 'filler-' || i, '', mode, on_warning, on_critical, status, source, created_at
    FROM n, agents WHERE name = 'last'`;
  await state.commit({ statements: [{ sql, parameters: [count] }], entries: [] });
}

test('invariant 9: beyond the most agents there may be, registering is refused, and goes on when one is deleted', async () => {
  await fillTo(AGENTS_MAX - 1);
  assert.equal(codeOf(await register({ name: 'fits' })), 'ok');
  const refused = await register({ name: 'too-many' });
  assert.ok(!refused.ok);
  assert.equal(refused.fault.code, 'CONFLICT');
  assert.equal(refused.fault.metadata['agents_max'], AGENTS_MAX);
  assert.match(refused.fault.next, /stack_delete_agent/);
  assert.equal(codeOf(await register({ name: 'fits' })), 'ok');
  must(await run('stack_delete_agent', { id: 'filler-7' }));
  assert.equal(codeOf(await register({ name: 'too-many' })), 'ok');
});

test('parallel registrations do not pass the bound together', async () => {
  await fillTo(AGENTS_MAX - 1);
  const names = Array.from({ length: 5 }, (_, at) => `parallel-${at}`);
  const codes = await Promise.all(names.map(async (name) => codeOf(await register({ name }))));
  assert.deepEqual(codes.sort(), ['CONFLICT', 'CONFLICT', 'CONFLICT', 'CONFLICT', 'ok']);
});

test('a list goes on past agents that the config has dropped', async () => {
  for (const name of ['aa', 'bb', 'cc', 'dd', 'ee']) await addAgent(state, name);
  for (const name of ['aa', 'bb', 'dd']) state.world.agents.delete(name);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const { output } = must(await run('stack_list_agents', { limit: 1, ...(cursor && { cursor }) }));
    seen.push(...(output['agents'] as { name: string }[]).map(({ name }) => name));
    cursor = (output['next_cursor'] as string | null) ?? undefined;
  } while (cursor !== undefined);
  assert.deepEqual(seen, ['cc', 'ee']);
});

test('a key makes an agent stricter only; a person may loosen it', async () => {
  await addAgent(state, 'bot', { mode: 'logged' });
  const change = (input: Record<string, unknown>, caller = KEY) =>
    run('stack_update_agent', { id: 'bot', ...input }, caller);
  assert.equal(codeOf(await change({ accountability_mode: 'standard' })), 'FORBIDDEN');
  assert.equal(codeOf(await change({ accountability_mode: 'enforced', on_warning: 'block' })), 'ok');
  assert.equal(codeOf(await change({ on_warning: 'notify' })), 'FORBIDDEN');
  const eased = must(await change({ accountability_mode: 'standard', on_warning: 'notify' }, PERSON));
  assert.deepEqual([eased.output['accountability_mode'], eased.output['on_warning']], ['standard', 'notify']);
});

test('the mode that the config sets cannot be changed by a call', async () => {
  await addAgent(state, 'bot');
  state.world.agents.set('bot', { mode: 'logged', services: [] });
  const input = { id: 'bot', accountability_mode: 'enforced' };
  assert.equal(codeOf(await run('stack_update_agent', input, PERSON)), 'CONFLICT');
});

test('a change of the description does not carry the mode of the config into the agent', async () => {
  await addAgent(state, 'bot', { mode: 'enforced' });
  state.world.agents.set('bot', { mode: 'standard', services: [] });
  must(await run('stack_update_agent', { id: 'bot', description: 'new' }));
  state.world.agents.set('bot', { mode: undefined, services: [] });
  const agent = await state.directory.find('bot');
  assert.deepEqual([agent?.mode, agent?.description], ['enforced', 'new']);
});

test('a change that changes nothing is answered with the agent', async () => {
  await addAgent(state, 'bot');
  assert.equal(codeOf(await run('stack_update_agent', { id: 'bot' })), 'ok');
});

test('deleting ends the passports in the same unit; an agent of the config stays', async () => {
  state.world.ceiling = { mode: 'standard', services: [{ service: 'slack', scopes: ['slack:*'] }] };
  await addAgent(state, 'temp', { config: false, mode: 'standard' });
  const issued = must(await run('stack_issue_passport', { agent: 'temp' })).output;
  const token = String(issued['token']);
  must(await state.verifier.verify(token));
  must(await run('stack_delete_agent', { id: 'temp' }));
  assert.equal(codeOf(await state.verifier.verify(token)), 'PASSPORT_REVOKED');
  await addAgent(state, 'bot');
  assert.equal(codeOf(await run('stack_delete_agent', { id: 'bot' }, PERSON)), 'CONFLICT');
});

test('no standing passport of a deleted agent is kept for its bar', async () => {
  await addAgent(state, 'temp', { config: false });
  const ensured = await state.standing.ensure({
    key: KEY.id,
    agentName: 'temp',
    intent: undefined,
    readOnly: false,
    trace: TRACE,
  });
  const { jti, agentId } = must(ensured);
  must(await run('stack_delete_agent', { id: 'temp' }));
  assert.equal(await standingOf(state.reader, KEY.id, agentId), undefined);
  assert.equal(codeOf(await state.verifier.byJti(jti)), 'PASSPORT_REVOKED');
});

test('only a person unblocks', async () => {
  const id = await addAgent(state, 'bot');
  await setAgent(state, id, { status: 'blocked' });
  assert.equal(codeOf(await run('stack_unblock_agent', { id: 'bot' })), 'FORBIDDEN');
  assert.equal(must(await run('stack_unblock_agent', { id }, PERSON)).output['status'], 'active');
  assert.equal(codeOf(await run('stack_unblock_agent', { id: 'nobody' }, PERSON)), 'NOT_FOUND');
});

test('a caller whose transport names an agent reaches no other', async () => {
  const id = await addAgent(state, 'bot');
  await addAgent(state, 'other');
  const caller = as(id, 'bot');
  assert.equal(codeOf(await register({ name: 'fresh' }, caller)), 'FORBIDDEN');
  assert.equal(codeOf(await register({ name: 'bot' }, caller)), 'ok');
  for (const name of ['stack_get_agent', 'stack_update_agent', 'stack_delete_agent'])
    assert.equal(codeOf(await run(name, { id: 'other' }, caller)), 'FORBIDDEN');
  assert.equal(codeOf(await run('stack_get_agent', { id: 'bot' }, caller)), 'ok');
});
