// Opens the state: lock, schema, writer thread, reader. The order matters: nothing is touched before the lock is held.
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { headOf } from '#features/audit/store.ts';
import type { ChainReport } from '#features/audit/verify.ts';
import type { Fault } from '#kernel/errors.ts';
import type { EntryDraft } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import { spawnWorker, type WorkerProgram } from '#platform/host/worker.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { openDatabase, putAway, type SelfCheck, selfCheck } from '#platform/storage/database.ts';
import { lockFolder } from '#platform/storage/lock.ts';
import { migrate } from '#platform/storage/migrate.ts';
import { openReader } from '#platform/storage/reader.ts';
import { type Trouble, troubleOf, unavailable } from '#platform/storage/trouble.ts';
import { startWriter, type WriterWatch } from '#platform/storage/writer.ts';
import { type Committer, type Committing, createCommitter } from './commit.ts';
import { MIGRATIONS } from './migrations.ts';
import { createOutage, type Ended, type Outage } from './outage.ts';
import { createDraft } from './record.ts';
import type { Scanned } from './scan-worker.ts';
import { type Tending, tendFiles } from './tend.ts';

export type Storage = Tending & {
  readonly reader: Reader;
  readonly committer: Committer;
  readonly check: SelfCheck;
  /** Why nothing can be logged now; undefined when all is well. */
  readonly failure: () => string | undefined;
  /** `listener` is told of entries that were committed after their caller had been refused. */
  readonly onLate: (listener: (entries: readonly EntryDraft[]) => void) => void;
  /** `listener` is told of every unit when it has become durable, before whoever waits for it. */
  readonly onCommitted: (listener: (entries: readonly EntryDraft[]) => void) => void;
  /** Units that wait for the writer or are with it. */
  readonly depth: () => number;
  readonly scanChain: () => Promise<ChainReport>;
  readonly close: () => Promise<void>;
};

type Options = {
  readonly addonPath: string;
  readonly program: (name: 'commit-worker' | 'scan-worker') => WorkerProgram;
  readonly host: Host;
  /** Looks at a state that exists before anything is written to it, the schema included; what it throws is the end. */
  readonly inspect: (reader: Reader) => Promise<void>;
  readonly watch?: StorageWatch;
};

/** Looks on, for metrics and the process log. */
export type StorageWatch = Pick<WriterWatch, 'nowMs' | 'batch'> & {
  readonly committed: Committing;
  /** The log takes nothing; what needs an entry is refused. */
  readonly outageBegan: (reason: string) => void;
  readonly outageEnded: (facts: Ended) => void;
  /** An entry that can never be written: a mistake of ours. */
  readonly unfit: (entry: EntryDraft, reason: string) => void;
  /** Only a new start can tell what the disk has kept. */
  readonly fatal: (reason: string) => void;
  /** Number of the last entry at the start. */
  readonly auditHead: (seq: number) => void;
};
const heardByNobody = (_entries: readonly EntryDraft[]): void => undefined;
const UNWATCHED: StorageWatch = {
  nowMs: () => 0,
  batch: () => undefined,
  committed: () => undefined,
  outageBegan: () => undefined,
  outageEnded: () => undefined,
  unfit: () => undefined,
  fatal: () => undefined,
  auditHead: () => undefined,
};

/** `undefined`: another instance holds the folder. Throws SchemaMismatch, or what SQLite says. */
export async function openStorage(folder: string, options: Options): Promise<Storage | undefined> {
  const { addonPath, program, host, watch = UNWATCHED } = options;
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
    const told = { late: heardByNobody, committed: heardByNobody };
    const outage: Outage = createOutage({
      commit: (unit) => committer.commit(unit),
      draft: createDraft(host),
      nowMs: host.nowMs,
      began: watch.outageBegan,
      ended: watch.outageEnded,
      unfit: (entry, fault) => watch.unfit(entry, fault.detail ?? fault.code),
    });
    const writer = await startWriter(thread, {
      ...watch,
      // Its end is found by the outage's own probe, so that a disk that comes and goes is one outage.
      trouble: (reason) => (reason === undefined ? undefined : outage.begin(reason)),
    });
    const committer = createCommitter(writer, {
      committed: (entries, at) => {
        watch.committed(entries, at);
        told.committed(entries);
      },
      late: (entries) => told.late(entries),
      keep: outage.keep,
    });
    const reader = openReader(file, addonPath, {
      changes: writer.changes,
      failure: (thrown) => unreadable(thrown, outage),
    });
    return {
      reader,
      committer,
      check,
      failure: () => writer.failure() ?? outage.reason(),
      depth: writer.depth,
      ...tendFiles(file, { writer, outage, fatal: watch.fatal }),
      onLate: (listener) => {
        told.late = listener;
      },
      onCommitted: (listener) => {
        told.committed = listener;
      },
      scanChain: async () => {
        const scanned = await runScan(program('scan-worker'), data);
        if ('report' in scanned) return scanned.report;
        throw refusalOf(scanned.trouble, outage);
      },
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
  const reader = openReader(file, options.addonPath, { changes: () => 0, failure: (thrown) => thrown });
  try {
    await options.inspect(reader);
  } catch (thrown) {
    if (!wasCutInFirstWrite(thrown)) throw thrown;
  } finally {
    reader.close();
    for (const path of made) rmSync(path, { force: true });
  }
}

/** What a read met is the same trouble as a write's, for the caller and for the operator. */
function unreadable(thrown: unknown, outage: Outage): unknown {
  const trouble = troubleOf(thrown);
  return trouble === undefined ? thrown : refusalOf(trouble, outage);
}

function refusalOf(trouble: Trouble, outage: Outage): Fault {
  outage.begin(trouble.text);
  return unavailable(trouble).fault;
}

/**
 * Only the write that makes a database WAL has a rollback journal. A look cannot roll back, and there is nothing to see: a
 * database that was cut there is empty, and whoever opens it for writing begins again.
 */
const wasCutInFirstWrite = (thrown: unknown): boolean =>
  (thrown as { code?: unknown }).code === 'SQLITE_READONLY_ROLLBACK';

function prepare(file: string, { addonPath, host, watch }: Options): SelfCheck {
  const db = openDatabase(file, { addonPath });
  try {
    const check = selfCheck(db);
    putAway(db);
    migrate(db, MIGRATIONS, host.nowMs());
    watch?.auditHead(headOf(db)?.seq ?? 0);
    return check;
  } finally {
    db.close();
  }
}

function runScan(program: WorkerProgram, data: unknown): Promise<Scanned> {
  return new Promise((resolve, reject) => {
    const worker = spawnWorker(program, data);
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
