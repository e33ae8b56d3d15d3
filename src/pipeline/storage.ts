// Opens the state: lock, schema, writer thread, reader. The order matters: nothing is touched before the lock is held.
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { headOf } from '#features/audit/store.ts';
import type { ChainReport } from '#features/audit/verify.ts';
import { spawnWorker, type WorkerProgram } from '#platform/host/worker.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { openDatabase, type SelfCheck, selfCheck } from '#platform/storage/database.ts';
import { lockFolder } from '#platform/storage/lock.ts';
import { migrate } from '#platform/storage/migrate.ts';
import { openReader } from '#platform/storage/reader.ts';
import { startWriter, type WriterWatch } from '#platform/storage/writer.ts';
import { type Committer, type Committing, createCommitter } from './commit.ts';
import { MIGRATIONS } from './migrations.ts';

export type Storage = {
  readonly reader: Reader;
  readonly committer: Committer;
  readonly check: SelfCheck;
  readonly failure: () => string | undefined;
  /** Units that wait for the writer or are with it. */
  readonly depth: () => number;
  readonly scanChain: () => Promise<ChainReport>;
  readonly close: () => Promise<void>;
};

type Options = {
  readonly addonPath: string;
  readonly program: (name: 'commit-worker' | 'scan-worker') => WorkerProgram;
  readonly nowMs: number;
  /** Looks at a state that exists before anything is written to it, the schema included; what it throws is the end. */
  readonly inspect: (reader: Reader) => Promise<void>;
  readonly watch?: StorageWatch;
};

/** Looks on, for metrics and the process log. */
export type StorageWatch = WriterWatch & {
  readonly committed: Committing;
  /** Number of the last entry at the start. */
  readonly auditHead: (seq: number) => void;
};

/** `undefined`: another instance holds the folder. Throws SchemaMismatch, or what SQLite says. */
export async function openStorage(folder: string, options: Options): Promise<Storage | undefined> {
  const { addonPath, program, watch } = options;
  const lock = lockFolder(folder, addonPath);
  if (lock === undefined) return undefined;
  const file = join(folder, 'stack.db');
  const data = { file, addonPath };
  // It takes a while to come up, and opens nothing until it is told.
  const thread = spawnWorker(program('commit-worker'), data);
  try {
    await inspect(file, options);
    const check = prepare(file, options);
    thread.postMessage('open');
    const writer = await startWriter(thread, watch);
    const reader = openReader(file, addonPath, writer.changes);
    return {
      reader,
      committer: createCommitter(writer, watch?.committed ?? (() => undefined)),
      check,
      failure: writer.failure,
      depth: writer.depth,
      scanChain: () => runScan(program('scan-worker'), data),
      close: async () => {
        reader.close();
        await writer.close();
        lock.release();
      },
    };
  } catch (thrown) {
    await thread.terminate();
    lock.release();
    throw thrown;
  }
}

/** A look at the state of a stopped appliance, which stays as it is. `undefined`: another instance holds the folder. */
export async function peekStorage(
  folder: string,
  options: Pick<Options, 'addonPath' | 'inspect'>,
): Promise<true | undefined> {
  const lock = lockFolder(folder, options.addonPath);
  if (lock === undefined) return undefined;
  try {
    await inspect(join(folder, 'stack.db'), options);
    return true;
  } finally {
    lock.release();
  }
}

/** A read-only connection leaves empty WAL files behind where there were none; the lock makes them ours to remove. */
async function inspect(file: string, options: Pick<Options, 'addonPath' | 'inspect'>): Promise<void> {
  if (!existsSync(file) || statSync(file).size === 0) return;
  const made = [`${file}-wal`, `${file}-shm`].filter((path) => !existsSync(path));
  const reader = openReader(file, options.addonPath, () => 0);
  try {
    await options.inspect(reader);
  } catch (thrown) {
    if (!wasCutInFirstWrite(thrown)) throw thrown;
  } finally {
    reader.close();
    for (const path of made) rmSync(path, { force: true });
  }
}

/**
 * Only the write that makes a database WAL has a rollback journal. A look cannot roll back, and there is nothing to see: a
 * database that was cut there is empty, and whoever opens it for writing begins again.
 */
const wasCutInFirstWrite = (thrown: unknown): boolean =>
  (thrown as { code?: unknown }).code === 'SQLITE_READONLY_ROLLBACK';

function prepare(file: string, { addonPath, nowMs, watch }: Options): SelfCheck {
  const db = openDatabase(file, { addonPath });
  try {
    const check = selfCheck(db);
    migrate(db, MIGRATIONS, nowMs);
    watch?.auditHead(headOf(db)?.seq ?? 0);
    return check;
  } finally {
    db.close();
  }
}

function runScan(program: WorkerProgram, data: unknown): Promise<ChainReport> {
  return new Promise((resolve, reject) => {
    const worker = spawnWorker(program, data);
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
