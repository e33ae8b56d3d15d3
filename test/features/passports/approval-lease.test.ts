// A token cannot move its own end: where an approval has extended the lease, the row says when the passport is over; a token that
// was made with an earlier end stays over.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstLeaseEnd, leaseEnd } from '#features/passports/lease.ts';
import { extendLeaseTo } from '#features/passports/store.ts';
import { act, addAgent, codeOf, KEY, must, openState } from '#test/features/passports/state.ts';

const row = {
  mode: 'enforced',
  ttl_seconds: 900,
  checkpoint_interval: 300,
  mission_ends_at: 86_400_000,
  issued_at: 1_000,
} as const;

test('the first end of a lease is the one that its token was signed with', () => {
  const term = {
    mode: 'enforced',
    ttlSeconds: 900,
    checkpointInterval: 300,
    missionEndsAtMs: 86_400_000,
  } as const;
  assert.equal(firstLeaseEnd(row), leaseEnd({ ...term, parentEndsAtMs: undefined }, 1_000));
  assert.equal(firstLeaseEnd(row), 301_000);
  assert.equal(firstLeaseEnd({ ...row, mode: 'standard', checkpoint_interval: null }), 901_000);
});

test('a token is good beyond its own end where the lease was extended, and until the end of that', async () => {
  const state = openState();
  try {
    state.world.checkpointIntervalSeconds = 300;
    await addAgent(state, 'bot');
    const intent = { summary: 'work', services: ['slack'] };
    const input = { agent: 'bot', intent };
    const { output } = must(await act(state, 'stack_issue_passport', { caller: KEY, input }));
    const { token, jti } = output as { token: string; jti: string };
    const untilMs = state.host.nowMs() + 600_000;
    assert.ok((await state.commit({ statements: [extendLeaseTo(jti, untilMs)], entries: [] })).ok);
    state.host.pass(400_000);
    assert.ok(state.verifier.verify(token).ok, 'the row counts');
    assert.ok((await state.commit({ statements: [extendLeaseTo(jti, 1)], entries: [] })).ok);
    assert.ok(state.verifier.verify(token).ok, 'a lease is never made shorter');
    state.host.pass(200_001);
    assert.equal(codeOf(state.verifier.verify(token)), 'PASSPORT_EXPIRED');
  } finally {
    state.close();
  }
});
