// The status list as an offline verifier sees it: read here by the draft's rules and by nothing of ours.
import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import { afterEach, beforeEach, it } from 'node:test';
import zlib from 'node:zlib';
import { createStatusIndexes, createStatusList } from '#features/passports/status-list.ts';
import { STATUS_LIST_BITS, STATUS_LIST_BUILT_MS, STATUS_LIST_KEPT_MS } from '#kernel/limits.ts';
import {
  act,
  addAgent,
  ISSUER,
  KEY,
  must,
  openState,
  PERSON,
  type State,
} from '#test/features/passports/state.ts';

let state: State;
let list: () => Promise<string>;
beforeEach(async () => {
  state = openState();
  await addAgent(state, 'bot');
  await addAgent(state, 'helper');
  const { reader, host, key, directory, world } = state;
  list = createStatusList({
    ...{ reader, host, key: () => key, issuer: () => ISSUER },
    findAgent: directory.find,
    keyEnded: (id) => world.endedKeys.has(id),
  });
});
afterEach(() => state.close());

const part = (text = ''): Record<string, unknown> =>
  JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Record<string, unknown>;

async function issue(): Promise<{ readonly token: string; readonly jti: string; readonly index: number }> {
  const intent = { summary: 'x', services: ['slack'] };
  const { output } = must(
    await act(state, 'stack_issue_passport', { caller: KEY, input: { agent: 'bot', intent } }),
  );
  const token = String(output['token']);
  return { token, jti: String(output['jti']), index: indexOf(token) };
}

function indexOf(token: string): number {
  const { status } = part(token.split('.')[1]) as { status: { status_list: { idx: number; uri: string } } };
  assert.equal(status.status_list.uri, `${ISSUER}/v1/passports/status-list`);
  return status.status_list.idx;
}

/** What stands at an index, once the list is built anew. */
async function statusAt(index: number): Promise<number> {
  state.host.pass(STATUS_LIST_BUILT_MS);
  const claims = part((await list()).split('.')[1]) as { status_list: { bits: number; lst: string } };
  const bits = zlib.inflateSync(Buffer.from(claims.status_list.lst, 'base64url'));
  assert.deepEqual([claims.status_list.bits, bits.length * 8], [1, STATUS_LIST_BITS]);
  return ((bits[index >> 3] ?? 0) >> (index & 7)) & 1;
}

it('is a signed token of its own type, and says how long it may be kept', async () => {
  const token = await list();
  const [head, claims, mark = ''] = token.split('.');
  assert.deepEqual(part(head), { alg: 'EdDSA', kid: state.key.kid, typ: 'statuslist+jwt' });
  const signed = Buffer.from(`${head}.${claims}`);
  assert.ok(verify(null, signed, state.key.publicKey, Buffer.from(mark, 'base64url')));
  const { iss, sub, iat, exp, ttl } = part(claims) as Record<string, number>;
  assert.deepEqual([iss, sub], [ISSUER, `${ISSUER}/v1/passports/status-list`]);
  assert.deepEqual([(exp ?? 0) - (iat ?? 0), ttl], [300, 25]);
});

it('shows a revoked passport and no other', async () => {
  const [doomed, spared] = [await issue(), await issue()];
  assert.notEqual(doomed.index, spared.index);
  assert.deepEqual([await statusAt(doomed.index), await statusAt(spared.index)], [0, 0]);
  must(await act(state, 'stack_revoke_passport', { caller: PERSON, input: { jti: doomed.jti } }));
  assert.deepEqual([await statusAt(doomed.index), await statusAt(spared.index)], [1, 0]);
});

it('shows what was delegated from a passport that its holder has ended', async () => {
  const top = await issue();
  const input = {
    parent_token: top.token,
    child_agent_id: 'helper',
    intent: { summary: 'x', services: ['slack'] },
  };
  const { output } = must(await act(state, 'stack_delegate_passport', { caller: KEY, input }));
  const index = indexOf(String(output['token']));
  assert.equal(await statusAt(index), 0);
  must(await act(state, 'stack_checkout', { caller: KEY, input: { jti: top.jti } }));
  assert.deepEqual([await statusAt(top.index), await statusAt(index)], [1, 1]);
});

it('shows what has ended with its key or its agent', async () => {
  const { index } = await issue();
  state.world.endedKeys.add(KEY.id);
  assert.equal(await statusAt(index), 1);
  state.world.endedKeys.delete(KEY.id);
  assert.equal(await statusAt(index), 0);
  state.world.agents.delete('bot');
  assert.equal(await statusAt(index), 1);
});

it('is built once in a while, however often it is asked for, and has the same length whatever it says', async () => {
  const first = await list();
  const { jti } = await issue();
  must(await act(state, 'stack_revoke_passport', { caller: PERSON, input: { jti } }));
  assert.equal(await list(), first);
  state.host.pass(STATUS_LIST_BUILT_MS);
  assert.notEqual(await list(), first);
});

it('gives every passport a place of its own, also after a start', async () => {
  const next = createStatusIndexes(state.reader);
  const places = [next(), next(), next()];
  assert.equal(new Set(places).size, 3);
  const { index } = await issue();
  const after = createStatusIndexes(state.reader)();
  assert.ok(after > index + 1_000, 'what was given last need not be a row yet');
});

it('shows what was delegated for as long as its token lasts, also below a parent that was over sooner', async () => {
  const top = await issue();
  const given = {
    parent_token: top.token,
    child_agent_id: 'helper',
    intent: { summary: 'x', services: ['slack'] },
  };
  const child = must(await act(state, 'stack_delegate_passport', { caller: KEY, input: given })).output;
  const index = indexOf(String(child['token']));
  const again = { jti: top.jti, ttl_seconds: 60 };
  const { output } = must(await act(state, 'stack_refresh_passport', { caller: KEY, input: again }));
  assert.equal(await statusAt(index), 0);
  state.host.pass(60_000);
  assert.equal(await statusAt(index), 1, 'its parent has lapsed');
  must(await act(state, 'stack_checkout', { caller: KEY, input: { jti: output['jti'] } }));
  state.host.pass(STATUS_LIST_KEPT_MS);
  assert.ok(Date.parse(String(child['expires_at'])) > state.host.nowMs());
  assert.equal(await statusAt(index), 1, 'its parent has left the list');
});
