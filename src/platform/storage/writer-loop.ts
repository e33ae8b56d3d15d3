// The worker half of the writer: all waiting units as parts of one synchronous transaction, one fsync, then answers.
// No await between BEGIN and COMMIT. A unit whose counts fail rolls back alone.

import type { MessagePort } from 'node:worker_threads';
import { PREPARED_STATEMENTS_MAX } from '#kernel/limits.ts';
import type { Cell, SqlValue, Statement } from '#kernel/unit.ts';
import type { Db } from './database.ts';
import { type Trouble, troubleOf } from './trouble.ts';

/** Units side by side and flat, since what is copied between threads costs by its objects. */
export type WriterBatch = {
  /** Of the log entries of all units, one after another. */
  readonly cells: readonly Cell[];
  /** How many of the cells belong to each unit. */
  readonly lengths: readonly number[];
  /** Statements of those units that have some. */
  readonly statements: readonly (readonly [unit: number, statements: readonly Statement[]])[];
};
/** What has become of one unit: committed, with the number of its last entry; or why not. */
export type WriterAnswer = number | readonly [kind: 'conflict' | 'unavailable', reason: string];
export type WriterMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly reason: string }
  | {
      readonly kind: 'answers';
      /** In the order of the units. */
      readonly answers: readonly WriterAnswer[];
      /** Why the disk took nothing of this batch; absent when it was committed. */
      readonly refusal?: Trouble;
    };

/** The log that the entries of units are added to; what a place is, only the log knows. */
export type EntryLog<Place> = {
  /** Cells of one entry. */
  readonly width: number;
  /** At the beginning of a transaction. */
  readonly begin: () => void;
  readonly here: () => Place;
  /** Forgets what was added after that place, as the database does. */
  readonly back: (to: Place) => void;
  /** The entries whose cells are between these places; answers the number of the last. */
  readonly append: (cells: readonly Cell[], from: number, to: number) => number;
  /** At the end of a transaction, before it is committed. */
  readonly end: () => void;
};

class Mismatch extends Error {}
class Unfit extends Error {}

export function runWriter<Place>(port: MessagePort, db: Db, log: EntryLog<Place>): void {
  const tools = { log, execute: createExecutor(db), transaction: transactionOf(db), db };
  port.on('message', (batch: WriterBatch | 'close') => {
    if (batch === 'close') {
      db.close();
      port.close();
      return;
    }
    port.postMessage({ kind: 'answers', ...commitBatch(tools, batch) });
  });
  port.postMessage({ kind: 'ready' });
}

type Runnable = { readonly run: (...values: readonly SqlValue[]) => { readonly changes: number } };
type Execute = (statement: Statement) => number;
type Tools<Place> = {
  readonly db: Db;
  readonly log: EntryLog<Place>;
  readonly execute: Execute;
  readonly transaction: ReturnType<typeof transactionOf>;
};

/** Prepared once: as text they would be read anew for every unit. */
function transactionOf(db: Db) {
  const prepare = (sql: string): (() => void) => {
    const statement = db.prepare(sql) as unknown as Runnable;
    return () => void statement.run();
  };
  return {
    begin: prepare('BEGIN IMMEDIATE'),
    commit: prepare('COMMIT'),
    rollback: prepare('ROLLBACK'),
    open: prepare('SAVEPOINT unit'),
    keep: prepare('RELEASE unit'),
    undo: prepare('ROLLBACK TO unit'),
  };
}

function createExecutor(db: Db): Execute {
  const prepared = new Map<string, Runnable>();
  return ({ sql, parameters }) => {
    let statement = prepared.get(sql);
    if (statement === undefined) {
      if (prepared.size >= PREPARED_STATEMENTS_MAX) prepared.clear();
      statement = db.prepare(sql) as unknown as Runnable;
      prepared.set(sql, statement);
    }
    return statement.run(...parameters).changes;
  };
}

type Unit = {
  readonly statements: readonly Statement[];
  /** Its entries: a range of the batch's cells. */
  readonly from: number;
  readonly to: number;
};
const NONE: readonly Statement[] = [];
type Outcome = { readonly answers: readonly WriterAnswer[]; readonly refusal?: Trouble };

function commitBatch<Place>(tools: Tools<Place>, batch: WriterBatch): Outcome {
  const { db, log, transaction } = tools;
  try {
    transaction.begin();
    log.begin();
    const answers = commitUnits(tools, batch);
    log.end();
    transaction.commit();
    return { answers };
  } catch (thrown) {
    rollback(db, transaction.rollback);
    const refusal = troubleOf(thrown) ?? { kind: 'io_error', text: String(thrown) };
    return { refusal, answers: batch.lengths.map(() => ['unavailable', refusal.text] as const) };
  }
}

/** On a disk that fails, this may fail, too. The transaction is over all the same, or the next BEGIN says that it is not. */
function rollback(db: Db, run: () => void): void {
  try {
    if (db.inTransaction) run();
  } catch {
    // What failed first is what is told.
  }
}

function commitUnits<Place>(
  tools: Tools<Place>,
  { cells, lengths, statements }: WriterBatch,
): WriterAnswer[] {
  const changes = new Map(statements);
  let to = 0;
  return lengths.map((length, unit) => {
    const from = to;
    to += length;
    return attempt(tools, cells, { statements: changes.get(unit) ?? NONE, from, to });
  });
}

function attempt<Place>(tools: Tools<Place>, cells: readonly Cell[], unit: Unit): WriterAnswer {
  const { db, log, transaction } = tools;
  const before = log.here();
  // SQLite copies every page before a savepoint lets it change; one insert, as most units are, is whole without.
  const alone = unit.statements.length === 0 && unit.to - unit.from <= log.width;
  if (!alone) transaction.open();
  try {
    const lastSeq = run(tools, cells, unit);
    if (!alone) transaction.keep();
    return lastSeq;
  } catch (thrown) {
    const kind = faultOfUnit(thrown);
    // A full disk or an I/O error has ended the transaction: then the whole batch fails.
    if (!db.inTransaction || kind === undefined) throw thrown;
    if (!alone) {
      transaction.undo();
      transaction.keep();
    }
    log.back(before);
    return [kind, String(thrown)];
  }
}

function run<Place>(
  { execute, log }: Tools<Place>,
  cells: readonly Cell[],
  { statements, from, to }: Unit,
): number {
  for (const statement of statements) {
    const touched = execute(statement);
    if (statement.rows !== undefined && statement.rows !== touched) {
      throw new Mismatch(`a statement touched ${touched} rows instead of ${statement.rows}`);
    }
  }
  try {
    return log.append(cells, from, to);
  } catch (thrown) {
    // A constraint that breaks here is the log's, not the caller's: to decide again would not help.
    throw isConstraint(thrown) ? new Unfit(`the log does not take the entry: ${thrown}`) : thrown;
  }
}

/** SQLite's codes for a statement that is wrong in itself, whatever the disk does. */
const MISTAKES = ['SQLITE_ERROR', 'SQLITE_RANGE', 'SQLITE_TOOBIG', 'SQLITE_MISMATCH'];

const codeOf = (thrown: unknown): string => {
  const { code } = thrown as { code?: unknown };
  return typeof code === 'string' ? code : '';
};
const isConstraint = (thrown: unknown): boolean => codeOf(thrown).startsWith('SQLITE_CONSTRAINT');

/**
 * Faults of one unit: a wrong count or a broken constraint is a conflict, a unit that cannot be run at all is our mistake.
 * `undefined`: the storage's fault.
 */
function faultOfUnit(thrown: unknown): 'conflict' | 'unavailable' | undefined {
  if (thrown instanceof Mismatch || isConstraint(thrown)) return 'conflict';
  return MISTAKES.includes(codeOf(thrown)) || !codeOf(thrown).startsWith('SQLITE_')
    ? 'unavailable'
    : undefined;
}
