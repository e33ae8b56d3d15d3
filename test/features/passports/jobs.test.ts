// Passports that ended long ago are pruned: bounded rows, one entry for each deletion, and nothing forgotten that still counts.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { selectPage } from '#features/audit/store.ts';
import { revokeListed } from '#features/passports/ends-store.ts';
import { prunePassports } from '#features/passports/jobs.ts';
import { newPassport } from '#features/passports/mint.ts';
import { endedPassports, insertPassport, type PassportRow, standingOf } from '#features/passports/store.ts';
import { Fault } from '#kernel/errors.ts';
import { PASSPORT_KEPT_MS, PASSPORT_PRUNE_ROWS_MAX } from '#kernel/limits.ts';
import { refuse } from '#kernel/result.ts';
import type { EntryDraft, Statement } from '#kernel/unit.ts';
import { createDraft } from '#pipeline/record.ts';
import { openStorage, type Storage } from '#pipeline/storage.ts';
import { systemHost } from '#platform/host/host.ts';
import {
  actionsOf,
  addonPath,
  assets,
  chainOf,
  type Folder,
  look,
  throwawayFolder,
} from '#test/platform/storage/throwaway.ts';

const START_MS = Date.UTC(2026, 0, 1);
const TTL_MS = 900_000;
let nowMs = START_MS;
const host = { ...systemHost(), nowMs: () => nowMs, inspect: async () => {} };
const draft = createDraft(host);

let folder: Folder;
let storage: Storage;
beforeEach(async () => {
  nowMs = START_MS;
  folder = throwawayFolder();
  const opened = await openStorage(folder.path, {
    addonPath,
    program: assets.program,
    host,
    inspect: async () => {},
  });
  assert.ok(opened);
  storage = opened;
});
afterEach(async () => {
  await storage.close();
  folder.remove();
});

const AGENT = {
  id: 'agt_1',
  name: 'bot',
  description: '',
  mode: 'enforced',
  onWarning: 'notify',
  onCritical: 'notify',
  status: 'active',
  source: 'api',
  grants: [],
  createdAtMs: 0,
} as const;

type Given = Partial<PassportRow> & { readonly key?: string };

/** Mints a passport as its two verbs do: the row and its entry. */
async function mint({ key = 'key_one', ...given }: Given = {}): Promise<PassportRow> {
  const agent = { agent: AGENT, mode: AGENT.mode, services: [], intent: undefined };
  const plan = { ...agent, ttlSeconds: TTL_MS / 1_000, checkpointInterval: null, mintedBy: key };
  const row = {
    ...newPassport({ ...plan, sessionId: undefined, standing: false }, { ...host, statusIndex: () => 0 }),
    ...given,
  };
  const fields = { session_id: row.session_id, passport_jti: row.jti, agent_id: row.agent_id };
  await apply([insertPassport(row)], {
    action: 'passport.issue',
    actor: { kind: 'key', id: key },
    ...fields,
  });
  return row;
}

async function apply(statements: readonly Statement[], entry: Partial<EntryDraft>): Promise<void> {
  const committed = await storage.committer.commit({ statements, entries: [draft(entry)] });
  assert.ok(committed.ok, JSON.stringify(committed));
}

const jobOf = (commit = storage.committer.commit) =>
  prunePassports({ reader: storage.reader, commit, draft, host });
const left = (): readonly string[] =>
  look(folder.file, (db) => db.prepare('SELECT jti FROM passports ORDER BY jti').pluck().all() as string[]);
const prunes = (): readonly string[] =>
  actionsOf(folder.file).filter((action) => action === 'passport.prune');

test('a passport is kept until the refresh grace and a day have passed since its end, then it goes', async () => {
  const { jti } = await mint();
  nowMs = START_MS + TTL_MS + PASSPORT_KEPT_MS - 1;
  await jobOf().run();
  assert.deepEqual([left(), prunes().length], [[jti], 0]);
  nowMs += 1;
  await jobOf().run();
  assert.deepEqual([left(), prunes().length], [[], 1]);
});

test('a live passport and one that was revoked lately stay while an old one goes', async () => {
  const old = await mint();
  nowMs = START_MS + TTL_MS + PASSPORT_KEPT_MS;
  const live = await mint();
  const revoked = await mint();
  await apply([revokeListed([revoked.jti], { nowMs, reason: 'test' }, { exactly: true })], {
    action: 'passport.revoke',
  });
  await jobOf().run();
  assert.deepEqual(left(), [live.jti, revoked.jti].sort());
  assert.ok(!left().includes(old.jti));
});

test('a standing passport stays: ended it carries its session on, revoked it still bars the header', async () => {
  const ended = await mint({ standing: 1 });
  const barred = await mint({ standing: 1, key: 'key_two' });
  await apply([revokeListed([barred.jti], { nowMs, reason: 'test' }, { exactly: true })], {
    action: 'passport.revoke',
  });
  nowMs = START_MS + 100 * PASSPORT_KEPT_MS;
  await jobOf().run();
  assert.equal((await standingOf(storage.reader, 'key_one', AGENT.id))?.session_id, ended.session_id);
  assert.equal((await standingOf(storage.reader, 'key_two', AGENT.id))?.revoke_reason, 'test');
  assert.equal(prunes().length, 0);
});

test('invariant 9: many go in units of a bounded size, each with its entry, and the chain holds', async () => {
  const count = 2 * PASSPORT_PRUNE_ROWS_MAX + 1;
  const rows = Array.from({ length: count }, (_, at) => ({ jti: `pp_${at}` }));
  const first = await mint();
  const statements = rows.map(({ jti }) => insertPassport({ ...first, jti }));
  await apply(statements, { action: 'passport.issue' });
  nowMs = START_MS + TTL_MS + PASSPORT_KEPT_MS;
  const sizes: number[] = [];
  await jobOf((unit) => {
    sizes.push(unit.statements[0]?.rows ?? 0);
    return storage.committer.commit(unit);
  }).run();
  assert.deepEqual(sizes, [PASSPORT_PRUNE_ROWS_MAX, PASSPORT_PRUNE_ROWS_MAX, 2]);
  assert.deepEqual([left(), prunes().length, chainOf(folder.file).valid], [[], 3, true]);
});

test('invariant 1: what the log does not take is not deleted, and the job says so', async () => {
  const { jti } = await mint();
  nowMs = START_MS + TTL_MS + PASSPORT_KEPT_MS;
  const down = async () => refuse(new Fault('AUDIT_UNAVAILABLE'));
  await assert.rejects(jobOf(down).run(), { code: 'AUDIT_UNAVAILABLE' });
  assert.deepEqual(left(), [jti]);
});

const filter = (keyId: string) => ({
  visibleTo: { keyId },
  agentId: undefined,
  passportJti: undefined,
  sinceMs: undefined,
  beforeSeq: undefined,
  limit: 20,
});

test('a key still reads what was done in the sessions it opened when their passports are gone, and no other', async () => {
  const row = await mint();
  const who = { actor: { kind: 'passport', id: row.jti }, session_id: row.session_id, passport_jti: row.jti };
  await apply([], { action: 'credential.proxy', ...who });
  const blocked = { outcome: 'blocked', session_id: row.session_id } as const;
  await apply([], { action: 'passport.issue', actor: { kind: 'key', id: 'key_two' }, ...blocked });
  nowMs = START_MS + TTL_MS + PASSPORT_KEPT_MS;
  await jobOf().run();
  assert.deepEqual(left(), []);
  const seen = async (keyId: string) =>
    (await storage.reader.all(selectPage(filter(keyId)))).map(
      ({ action, outcome }) => `${action} ${outcome}`,
    );
  assert.deepEqual(await seen('key_one'), [
    'passport.issue blocked',
    'credential.proxy success',
    'passport.issue success',
  ]);
  // It was refused to act in a session of another key: that opens nothing.
  assert.deepEqual(await seen('key_two'), ['passport.issue blocked']);
});

test('both look-ups are served by an index of their own', async () => {
  const planOf = (query: { sql: string; parameters: readonly unknown[] }): string =>
    look(folder.file, (db) =>
      JSON.stringify(db.prepare(`EXPLAIN QUERY PLAN ${query.sql}`).all(...query.parameters)),
    );
  assert.match(planOf(selectPage(filter('key_one')).compile()), /audit_sessions_opened \(actor_id=\?\)/);
  let asked = { sql: '', parameters: [] as readonly unknown[] };
  const all = async (query: { compile: () => typeof asked }) => {
    asked = query.compile();
    return [];
  };
  await endedPassports({ all } as never, { endedBeforeMs: nowMs, limit: 1 });
  assert.match(planOf(asked), /passports_ended \(standing=\? AND expires_at<\?\)/);
});
