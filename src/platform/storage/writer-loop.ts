// The worker half of the writer: all waiting units as savepoints of one synchronous transaction, one fsync, then answers.
// No await between BEGIN and COMMIT. A unit whose counts fail rolls back alone.

import type { MessagePort } from 'node:worker_threads';
import { PREPARED_STATEMENTS_MAX } from '#kernel/limits.ts';
import type { Committed, EntryDraft, SqlValue, Statement, Unit } from '#kernel/unit.ts';
import type { Db } from './database.ts';

export type WriterRequest = { readonly id: number; readonly unit: Unit };
export type WriterAnswer =
  | { readonly id: number; readonly kind: 'committed'; readonly value: Committed }
  | { readonly id: number; readonly kind: 'conflict'; readonly reason: string }
  | { readonly id: number; readonly kind: 'unavailable'; readonly reason: string };
export type WriterMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly reason: string }
  | {
      readonly kind: 'answers';
      readonly answers: readonly WriterAnswer[];
      /** Why the disk took nothing of this batch; absent when it was committed. */
      readonly refusal?: string;
    };

/** Gives the drafts of one unit their place in the chain, inside the unit's savepoint. */
export type Seal = (db: Db, entries: readonly EntryDraft[]) => Committed;

class Mismatch extends Error {}
class Unfit extends Error {}

export function runWriter(port: MessagePort, db: Db, seal: Seal): void {
  const execute = createExecutor(db);
  port.on('message', (batch: readonly WriterRequest[] | 'close') => {
    if (batch === 'close') {
      db.close();
      port.close();
      return;
    }
    const work: Work = (unit) => run(unit, execute, () => seal(db, unit.entries));
    port.postMessage({ kind: 'answers', ...commitBatch(db, batch, work) });
  });
  port.postMessage({ kind: 'ready' });
}

type Runnable = { readonly run: (...values: readonly SqlValue[]) => { readonly changes: number } };
type Execute = (statement: Statement) => number;

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

function run(unit: Unit, execute: Execute, sealEntries: () => Committed): Committed {
  for (const statement of unit.statements) {
    const touched = execute(statement);
    if (statement.rows !== undefined && statement.rows !== touched) {
      throw new Mismatch(`a statement touched ${touched} rows instead of ${statement.rows}`);
    }
  }
  try {
    return sealEntries();
  } catch (thrown) {
    // A constraint that breaks here is the log's, not the caller's: to decide again would not help.
    throw isConstraint(thrown) ? new Unfit(`the log does not take the entry: ${thrown}`) : thrown;
  }
}

type Work = (unit: Unit) => Committed;
type Batch = { readonly answers: readonly WriterAnswer[]; readonly refusal?: string };

function commitBatch(db: Db, batch: readonly WriterRequest[], work: Work): Batch {
  try {
    db.exec('BEGIN IMMEDIATE');
    const answers = batch.map((request) => attempt(db, request, work));
    db.exec('COMMIT');
    return { answers };
  } catch (thrown) {
    if (db.inTransaction) db.exec('ROLLBACK');
    const refusal = String(thrown);
    return { refusal, answers: batch.map(({ id }) => ({ id, kind: 'unavailable', reason: refusal })) };
  }
}

function attempt(db: Db, { id, unit }: WriterRequest, work: Work): WriterAnswer {
  db.exec('SAVEPOINT unit');
  try {
    const value = work(unit);
    db.exec('RELEASE unit');
    return { id, kind: 'committed', value };
  } catch (thrown) {
    const kind = faultOfUnit(thrown);
    // A full disk or an I/O error has ended the transaction: then the whole batch fails.
    if (!db.inTransaction || kind === undefined) throw thrown;
    db.exec('ROLLBACK TO unit');
    db.exec('RELEASE unit');
    return { id, kind, reason: String(thrown) };
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
