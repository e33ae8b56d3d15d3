// Entry of the scanner's thread: long read-only walks that must not block the loop.
import { parentPort, workerData } from 'node:worker_threads';
import { headOf, inSnapshot, scanEntries } from '#features/audit/store.ts';
import { type ChainReport, verifyChain } from '#features/audit/verify.ts';
import { assert } from '#kernel/assert.ts';
import { damageOf, openDatabase } from '#platform/storage/database.ts';
import { type Trouble, troubleOf } from '#platform/storage/trouble.ts';

/** What the thread answers: the walk, or why the disk did not let it. */
export type Scanned = { readonly report: ChainReport } | { readonly trouble: Trouble };

type Data = { readonly file: string; readonly addonPath: string };

assert(parentPort !== null, 'the scanner runs as a worker thread');
const { file, addonPath } = workerData as Data;
parentPort.postMessage(scan());

function scan(): Scanned {
  try {
    const db = openDatabase(file, { addonPath, readonly: true });
    const report = inSnapshot(db, () => {
      const head = headOf(db);
      const chain = verifyChain(scanEntries(db), head);
      const damage = damageOf(db);
      return damage === undefined || !chain.valid ? chain : damaged(chain, damage);
    });
    db.close();
    return { report };
  } catch (thrown) {
    const trouble = troubleOf(thrown);
    if (trouble === undefined) throw thrown;
    return { trouble };
  }
}

/** The entries are whole; the file that holds them is not. */
const damaged = (chain: ChainReport, damage: string): ChainReport => ({
  ...chain,
  valid: false,
  first_break: { seq: chain.head_seq, reason: `the database file is damaged: ${damage}` },
});
