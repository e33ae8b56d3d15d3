// API keys: shown once, kept as a keyed hash, dead at once when revoked, and never a person's verb for an agent.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { keyOperations, mintKey } from '#features/keys/operations.ts';
import { createKeyVerifier, type KeyVerifier } from '#features/keys/verify.ts';
import { act, codeOf, KEY, must, openState, PERSON, type State } from '#test/features/passports/state.ts';

const pepper = new Uint8Array(32).fill(9);
let state: State;
let verifier: KeyVerifier;
beforeEach(() => {
  state = openState();
  verifier = createKeyVerifier({ reader: state.reader, pepper });
});
afterEach(() => state.close());

const run = (name: string, input: Record<string, unknown> = {}, caller = PERSON) => {
  const { reader, host, commit } = state;
  return act({ host, commit, operations: keyOperations({ reader, host, pepper }) }, name, { caller, input });
};
const created = async (name = 'ci') =>
  must(await run('stack_create_key', { name })).output as { id: string; api_key: string };

test('a key is answered once, works, and is not in the database', async () => {
  const { id, api_key } = await created();
  assert.match(api_key, /^sk_live_[0-9a-f]{64}$/);
  assert.deepEqual(must(await verifier.verify(api_key)), { id, name: 'ci' });
  const listed = JSON.stringify(must(await run('stack_list_keys')).output);
  assert.ok(listed.includes(id) && !listed.includes(api_key));
  const query = { compile: () => ({ sql: 'SELECT * FROM api_keys', parameters: [] }) as never };
  const rows = JSON.stringify(await state.reader.all(query));
  assert.ok(!rows.includes(api_key.slice(8)), 'the secret part is stored');
});

test('a revoked key is refused at its next use, and revoking an unknown one is not found', async () => {
  const { id, api_key } = await created();
  must(await run('stack_revoke_key', { id }));
  assert.equal(codeOf(await verifier.verify(api_key)), 'INVALID_API_KEY');
  assert.equal(codeOf(await run('stack_revoke_key', { id })), 'NOT_FOUND');
  assert.equal(codeOf(await run('stack_revoke_key', { id: 'key_none' })), 'NOT_FOUND');
  assert.deepEqual(must(await run('stack_list_keys')).output['keys'], []);
});

test('everything that is not a live key is refused alike', async () => {
  const { api_key } = await created();
  const bad = [
    '',
    'sk_live_',
    api_key.toUpperCase(),
    ` ${api_key}`,
    `${api_key}\n`,
    `${api_key}0`,
    'x'.repeat(1e6),
  ];
  const other = mintKey({ host: state.host, pepper }, 'never stored').apiKey;
  for (const text of [...bad, other]) assert.equal(codeOf(await verifier.verify(text)), 'INVALID_API_KEY');
});

test('under another pepper no key works', async () => {
  const { api_key } = await created();
  const elsewhere = createKeyVerifier({ reader: state.reader, pepper: new Uint8Array(32) });
  assert.equal(codeOf(await elsewhere.verify(api_key)), 'INVALID_API_KEY');
});

test('keys are for persons only and are no tools of an agent', async () => {
  for (const name of ['stack_create_key', 'stack_list_keys', 'stack_revoke_key'])
    assert.equal(codeOf(await run(name, { name: 'x', id: 'x' }, KEY)), 'FORBIDDEN');
  const { reader, host } = state;
  for (const { toolset } of keyOperations({ reader, host, pepper })) assert.equal(toolset, null);
});

test('a list of keys goes page by page', async () => {
  const ids = [await created('a'), await created('b'), await created('c')].map(({ id }) => id);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const { output } = must(await run('stack_list_keys', { limit: 2, ...(cursor && { cursor }) }));
    seen.push(...(output['keys'] as { id: string }[]).map(({ id }) => id));
    cursor = (output['next_cursor'] as string | null) ?? undefined;
  } while (cursor !== undefined);
  assert.deepEqual(seen.sort(), ids.sort());
});
