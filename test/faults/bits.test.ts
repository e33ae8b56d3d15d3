// One bit flips in each page of the database in turn: the start or verify-chain names it, or nothing that is stored has changed.
// What neither sees is listed in README: a flipped bit inside a value of a state row that stays well-formed.
// STACK_FLIPS=all takes every page; without it a sample. STACK_SEED repeats a run.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openStorage } from '#pipeline/storage.ts';
import { systemHost } from '#platform/host/host.ts';
import { seededRandom } from '#test/crash/chance.ts';
import {
  adding,
  addonPath,
  assets,
  entry,
  type Folder,
  look,
  throwawayFolder,
} from '#test/platform/storage/throwaway.ts';

const SEED = Number(process.env['STACK_SEED'] ?? randomInt(2 ** 31));
const SAMPLE = process.env['STACK_FLIPS'] === 'all' ? Number.POSITIVE_INFINITY : 16;
const PAGE_BYTES = 4_096;
const AGENTS = 60;
const ENTRIES = 150;
const SUITE_MS = 300_000;

type End = 'refused' | 'named' | 'unchanged' | 'unseen';

describe('one flipped bit', { timeout: SUITE_MS }, () => {
  let folder: Folder;
  let whole: string;
  let pages = 0;
  let content = '';
  const open = () =>
    openStorage(folder.path, {
      addonPath,
      program: assets.program,
      host: systemHost(),
      inspect: async () => {},
    });

  before(async () => {
    folder = throwawayFolder();
    whole = join(folder.path, 'whole');
    const storage = await open();
    assert.ok(storage);
    for (let at = 0; at < AGENTS; at += 1) await storage.committer.commit(adding(`agent-${at}`));
    for (let at = 0; at < ENTRIES; at += 1)
      await storage.committer.commit({
        statements: [],
        entries: [entry('fill', { detail: { at, text: 'x'.repeat(900) } })],
      });
    await storage.close();
    copyFileSync(folder.file, whole);
    content = contentOf(folder.file);
    pages = readFileSync(whole).length / PAGE_BYTES;
  });
  after(() => folder?.remove());

  /** Flips one bit of a page, and says how it was met. */
  async function meet(page: number, random: () => number): Promise<End> {
    const bytes = readFileSync(whole);
    const at = page * PAGE_BYTES + Math.floor(random() * PAGE_BYTES);
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
    for (const end of ['-wal', '-shm']) rmSync(`${folder.file}${end}`, { force: true });
    writeFileSync(folder.file, bytes);
    const storage = await open().catch(() => undefined);
    if (storage === undefined) return 'refused';
    try {
      const report = await storage.scanChain();
      if (!report.valid) return 'named';
    } catch {
      return 'named';
    } finally {
      await storage.close();
    }
    return contentOf(folder.file) === content ? 'unchanged' : 'unseen';
  }

  it('invariant 7: is refused, named, or without effect; entries of the log are never among the unseen', async (t) => {
    t.diagnostic(`seed ${SEED}, ${pages} pages`);
    const random = seededRandom(SEED);
    const all = Array.from({ length: pages }, (_, page) => page);
    const chosen = pages <= SAMPLE ? all : all.filter(() => random() < SAMPLE / pages);
    const ends: Record<End, number> = { refused: 0, named: 0, unchanged: 0, unseen: 0 };
    for (const page of chosen) {
      const end = await meet(page, random);
      ends[end] += 1;
      if (end === 'unseen') assert.ok(isStatePage(whole, page), `page ${page} is of the log`);
    }
    t.diagnostic(JSON.stringify(ends));
    assert.ok(pages > 60, `${pages} pages are too few to mean anything`);
    assert.ok(ends.named + ends.refused > 0, 'nothing was found at all');
  });
});

/** Everything that is stored, as SQL sees it; the text of what it could not read, where it could not. */
function contentOf(file: string): string {
  try {
    return look(file, (db) => {
      const tables = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        .pluck()
        .all();
      return JSON.stringify(tables.map((table) => [table, db.prepare(`SELECT * FROM "${table}"`).all()]));
    });
  } catch (thrown) {
    return String(thrown);
  }
}

/** Not of the log: dbstat says to which table or index a page belongs. */
const isStatePage = (file: string, page: number): boolean =>
  look(file, (db) => {
    const name = db
      .prepare('SELECT name FROM dbstat WHERE pageno = ?')
      .pluck()
      .get(page + 1);
    return typeof name === 'string' && !name.includes('audit_entries') && name !== 'audit_head';
  });
