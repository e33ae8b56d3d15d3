// Entry of the scanner's thread: long read-only walks that must not block the loop.
import { parentPort, workerData } from 'node:worker_threads';
import { headOf, inSnapshot, scanEntries } from '#features/audit/store.ts';
import { verifyChain } from '#features/audit/verify.ts';
import { assert } from '#kernel/assert.ts';
import { openDatabase } from '#platform/storage/database.ts';

type Data = { readonly file: string; readonly addonPath: string };

assert(parentPort !== null, 'the scanner runs as a worker thread');
const { file, addonPath } = workerData as Data;
const db = openDatabase(file, { addonPath, readonly: true });
parentPort.postMessage(
  inSnapshot(db, () => {
    const head = headOf(db);
    return verifyChain(scanEntries(db), head);
  }),
);
db.close();
