// The files of the state are moved, replaced, removed, locked or closed to us while the appliance runs: refused until they are
// what they were, never wrong data, and where only a new start can mend it, the process ends and nothing is lost.
import assert from 'node:assert/strict';
import { copyFile, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { locateAssets } from '#platform/host/assets.ts';
import { openDatabase } from '#platform/storage/database.ts';
import { stack } from '#test/support/appliance.ts';
import { assertDenied, type Faulty, startFaulty, untilReady, untilUnready } from '#test/support/faulty.ts';
import { askLocally } from '#test/support/requests.ts';

const SOON_MS = 2_000;
/** Ends a test that hangs; a busy machine takes its time. */
const SUITE_MS = 240_000;

describe('files of the state under a running appliance', { timeout: SUITE_MS }, () => {
  let faulty: Faulty;
  const path = (name: string): string => join(faulty.appliance.dataDir, name);
  before(async () => {
    faulty = await startFaulty();
  });
  after(() => faulty?.dispose());

  it('the data folder is moved: refused, and on again when it is back', async () => {
    const { appliance } = faulty;
    assert.equal((await faulty.call()).status, 200);
    const away = `${appliance.dataDir}-away`;
    await rename(appliance.dataDir, away);
    await untilUnready(appliance, /is gone; put it back/, SOON_MS);
    assertDenied(await faulty.call(), ['moved']);
    await rename(away, appliance.dataDir);
    await untilReady(appliance, SOON_MS);
    assert.equal((await faulty.call()).status, 200);
    await faulty.check();
  });

  it('the database is replaced: refused as long as another file has its name', async () => {
    const { appliance } = faulty;
    const kept = path('stack.db-kept');
    await copyFile(path('stack.db'), path('copy'));
    await rename(path('stack.db'), kept);
    await rename(path('copy'), path('stack.db'));
    await untilUnready(appliance, /another file than the one in use; restart/, SOON_MS);
    assertDenied(await faulty.call(), ['moved']);
    await rename(kept, path('stack.db'));
    await untilReady(appliance, SOON_MS);
    assert.equal((await faulty.call()).status, 200);
    await faulty.check();
  });

  it('another program holds a lock: refused as that, and on again when it lets go', async () => {
    const { appliance } = faulty;
    const db = openDatabase(path('stack.db'), { addonPath: locateAssets().addonPath });
    db.exec('BEGIN IMMEDIATE');
    try {
      assertDenied(await faulty.call(), ['locked']);
      await untilUnready(appliance, /another program holds a lock/, SOON_MS);
    } finally {
      db.exec('ROLLBACK');
      db.close();
    }
    await untilReady(appliance, SOON_MS);
    assert.equal((await faulty.call()).status, 200);
    await faulty.check();
  });

  it('R025: a second process on the folder ends with 3 and touches nothing', async () => {
    const { appliance } = faulty;
    const before = await readFile(path('stack.db'));
    const starts = await Promise.all(
      [1, 2].map(() => stack(appliance, ['serve', '--config', appliance.configFile])),
    );
    for (const exit of starts) {
      assert.equal(exit.code, 3, exit.stderr);
      assert.match(exit.stderr, /another instance holds/);
    }
    assert.deepEqual(await readFile(path('stack.db')), before);
    assert.equal((await faulty.call()).status, 200);
    assert.equal((await askLocally(appliance, '/readyz')).status, 200, 'the socket of the first lives on');
  });

  it('invariant 1: the write-ahead log is removed: it saves what it held and ends; the next start has all of it', async () => {
    const { appliance } = faulty;
    for (let count = 0; count < 10; count += 1) assert.equal((await faulty.call()).status, 200);
    await rm(path('stack.db-wal'));
    const exit = await appliance.ended();
    assert.equal(exit.code, 1, exit.stderr);
    assert.match(
      exit.stderr.trim().split('\n').at(-1) ?? '',
      /stack\.db-wal was removed.*only a new start can tell/,
    );
    await appliance.restart();
    assert.equal((await faulty.call()).status, 200);
    await faulty.check();
  });
});
