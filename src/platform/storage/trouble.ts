// What is wrong with the disk or the database: one word for callers and metrics, one sentence for the operator.
// Whatever it is, the answer to a caller is AUDIT_UNAVAILABLE: what cannot be logged is not done.
import { Fault } from '#kernel/errors.ts';
import type { Refused, Result } from '#kernel/result.ts';

export type TroubleKind =
  | 'disk_full'
  | 'read_only'
  | 'io_error'
  | 'fsync_failed'
  | 'locked'
  | 'damaged'
  | 'cannot_open'
  | 'no_answer'
  | 'overloaded'
  | 'moved'
  | 'stopped';
/** Plain data: it travels between threads. */
export type Trouble = { readonly kind: TroubleKind; readonly text: string };

/** By the beginning of SQLite's code; the first that fits is said. */
const SENTENCES: readonly (readonly [code: string, kind: TroubleKind, sentence: string])[] = [
  ['SQLITE_FULL', 'disk_full', 'the disk of the data folder is full'],
  // A shared-memory file that cannot grow: the disk is full at the start.
  ['SQLITE_IOERR_SHMSIZE', 'disk_full', 'the disk of the data folder is full'],
  ['SQLITE_READONLY', 'read_only', 'the data folder is read-only'],
  ['SQLITE_IOERR_FSYNC', 'fsync_failed', 'the disk did not keep what it was given (fsync failed)'],
  ['SQLITE_IOERR_DIR_FSYNC', 'fsync_failed', 'the disk did not keep what it was given (fsync failed)'],
  ['SQLITE_IOERR', 'io_error', 'the disk answers with an I/O error'],
  ['SQLITE_BUSY', 'locked', 'another program holds a lock on the database'],
  ['SQLITE_CORRUPT', 'damaged', 'the database is damaged, or its disk cannot be read'],
  ['SQLITE_NOTADB', 'damaged', 'the database is damaged, or its disk cannot be read'],
  ['SQLITE_CANTOPEN', 'cannot_open', 'the database cannot be opened (permissions, or too many open files)'],
];

/** `undefined`: not the storage's fault. */
export function troubleOf(thrown: unknown): Trouble | undefined {
  const { code, message } = thrown as { readonly code?: unknown; readonly message?: unknown };
  if (typeof code !== 'string') return undefined;
  const known = SENTENCES.find(([begin]) => code.startsWith(begin));
  if (known === undefined) return undefined;
  const [, kind, sentence] = known;
  return { kind, text: `${sentence} (${code}: ${message})` };
}

/** Nothing was done. */
export const unavailable = ({ kind, text }: Trouble): Refused => ({
  ok: false,
  fault: new Fault('AUDIT_UNAVAILABLE', { detail: text, metadata: { reason: kind } }),
});

/** Nobody knows yet whether it was done: the disk was given it, and has not answered or may have kept it. */
export class Undecided<T> extends Fault {
  /** What has become of it; never, where only the next start can tell. */
  readonly later: Promise<Result<T>>;

  constructor({ kind, text }: Trouble, later: Promise<Result<T>>) {
    super('AUDIT_UNAVAILABLE', {
      detail: text,
      metadata: { reason: kind, undecided: true },
      next: 'The change may still take effect. When /readyz is ready again, read the present state and decide again.',
    });
    this.later = later;
  }
}
