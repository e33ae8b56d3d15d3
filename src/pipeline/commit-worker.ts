// Entry of the writer's thread: opens the one writing connection and chains every unit's entries.
import { parentPort, workerData } from 'node:worker_threads';
import { createChain } from '#features/audit/chain.ts';
import { chainStore } from '#features/audit/store.ts';
import { assert } from '#kernel/assert.ts';
import { openDatabase, selfCheck } from '#platform/storage/database.ts';
import { runWriter } from '#platform/storage/writer-loop.ts';

type Data = { readonly file: string; readonly addonPath: string };

assert(parentPort !== null, 'the writer runs as a worker thread');
const port = parentPort;
// Its first message says that the schema is what this program expects. A listener that is added while a message is dealt
// out would get that message as well, hence the promise.
new Promise((told) => port.once('message', told)).then(() => {
  try {
    const { file, addonPath } = workerData as Data;
    const db = openDatabase(file, { addonPath });
    selfCheck(db);
    runWriter(port, db, createChain(chainStore(db)));
  } catch (thrown) {
    port.postMessage({ kind: 'failed', reason: String(thrown) });
    port.close();
  }
});
