// API keys: shown once, kept as a keyed hash, dead at once when revoked, and never a person's verb for an agent.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { migrations } from '#features/keys/migrations.ts';
import { keyOperations, mintKey } from '#features/keys/operations.ts';
import { createKeyVerifier, type KeyVerifier } from '#features/keys/verify.ts';
import { keyedHash } from '#platform/crypto/derive.ts';
import { locateAssets } from '#platform/host/assets.ts';
import { openDatabase } from '#platform/storage/database.ts';
import { migrate } from '#platform/storage/migrate.ts';
import {
  act,
  addAgent,
  codeOf,
  KEY,
  must,
  openState,
  PERSON,
  type State,
} from '#test/features/passports/state.ts';

const pepper = new Uint8Array(32).fill(9);
type Created = { id: string; api_key: string };
let state: State;
let verifier: KeyVerifier;
beforeEach(() => {
  state = openState();
  verifier = createKeyVerifier({ reader: state.reader, pepper, host: state.host });
});
afterEach(() => state.close());

const run = (name: string, input: Record<string, unknown> = {}, caller = PERSON) => {
  const { host, commit } = state;
  return act({ host, commit, operations: operations() }, name, { caller, input });
};
const operations = () =>
  keyOperations({
    reader: state.reader,
    host: state.host,
    pepper,
    findAgent: state.directory.find,
    lastEntryMs: async () => undefined,
  });
const created = async (name = 'ci') => must(await run('stack_create_key', { name })).output as Created;

test('a key is answered once, works, and is not in the database', async () => {
  const { id, api_key } = await created();
  assert.match(api_key, /^sk_live_[0-9a-f]{64}$/);
  assert.deepEqual(must(await verifier.verify(api_key)), {
    id,
    name: 'ci',
    agentId: undefined,
    readOnly: false,
  });
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
  const elsewhere = createKeyVerifier({
    reader: state.reader,
    pepper: new Uint8Array(32),
    host: state.host,
  });
  assert.equal(codeOf(await elsewhere.verify(api_key)), 'INVALID_API_KEY');
});

test('an expired key is refused with what the operator must know, from the very moment on', async () => {
  const { id, api_key } = must(await run('stack_create_key', { expires: '1h' })).output as Created;
  state.host.pass(3_599_999);
  assert.equal(codeOf(await verifier.verify(api_key)), 'ok');
  state.host.pass(1);
  const refused = await verifier.verify(api_key);
  assert.ok(!refused.ok);
  assert.equal(refused.fault.code, 'INVALID_API_KEY');
  assert.match(refused.fault.detail ?? '', new RegExp(`${id} expired at 2026-01-01T13:00:00.000Z`));
  assert.match(refused.fault.next, /stack keys create/);
});

test('an end is a duration or a moment that lies ahead, and nothing else', async () => {
  const endOf = async (expires: string) =>
    must(await run('stack_create_key', { expires })).output['expires_at'];
  assert.equal(await endOf('90d'), '2026-04-01T12:00:00.000Z');
  assert.equal(await endOf('15m'), '2026-01-01T12:15:00.000Z');
  assert.equal(await endOf('2027-01-31T00:00:00+01:00'), '2027-01-30T23:00:00.000Z');
  const bad = [
    '0d',
    '-1d',
    '90',
    '1y',
    '1.5h',
    '2025-12-31T00:00:00Z',
    '2027-01-31',
    '2027-01-31T00:00:00',
    '99999d',
    'never',
    '2027-13-31T00:00:00Z',
  ];
  for (const expires of bad)
    assert.equal(codeOf(await run('stack_create_key', { expires })), 'INVALID_REQUEST', expires);
});

test('a list says what each key is bound to, expired ones included until they are revoked', async () => {
  await addAgent(state, 'bot');
  const bounds = { agent: 'bot', read_only: true, expires: '1h' };
  const { id } = must(await run('stack_create_key', bounds)).output as Created;
  state.host.pass(7_200_000);
  const shown = must(await run('stack_list_keys')).output['keys'];
  const times = { created_at: '2026-01-01T12:00:00.000Z', expires_at: '2026-01-01T13:00:00.000Z' };
  assert.deepEqual(shown, [{ id, name: 'key', agent: 'bot', read_only: true, ...times, last_used_at: null }]);
  must(await run('stack_revoke_key', { id }));
  assert.deepEqual(must(await run('stack_list_keys')).output['keys'], []);
});

test('a key is bound to an agent that is there, by its id', async () => {
  assert.equal(codeOf(await run('stack_create_key', { agent: 'nobody' })), 'NOT_FOUND');
  const agentId = await addAgent(state, 'bot');
  const { api_key } = must(await run('stack_create_key', { agent: 'bot' })).output as Created;
  assert.equal(must(await verifier.verify(api_key)).agentId, agentId);
});

test('a database of the version before keeps its keys, unbound and without an end', async () => {
  const db = openDatabase(':memory:', { addonPath: locateAssets().addonPath });
  const [first] = migrations;
  assert.ok(first);
  migrate(db, [first], 1);
  const hash = keyedHash(pepper, 'sk_live_before');
  db.prepare('INSERT INTO api_keys (id, name, hash, created_at) VALUES (?, ?, ?, 1)').run(
    'key_1',
    'old',
    hash,
  );
  migrate(db, migrations, 2);
  const row = db.prepare('SELECT agent_id, read_only, expires_at, revoked_at FROM api_keys').get();
  assert.deepEqual(row, { agent_id: null, read_only: 0, expires_at: null, revoked_at: null });
  db.close();
});

test('keys are for persons only and are no tools of an agent', async () => {
  for (const name of ['stack_create_key', 'stack_list_keys', 'stack_revoke_key'])
    assert.equal(codeOf(await run(name, { name: 'x', id: 'x' }, KEY)), 'FORBIDDEN');
  for (const { toolset } of operations()) assert.equal(toolset, null);
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
