// What a disk may hold when the power goes: of the changes that were not yet synced all, none, some, or one of them torn.
// A name is durable once its folder was synced; that of a new file also with the file itself, as ext4, XFS and btrfs do it.
import { dirname } from 'node:path';
import { seededRandom } from './chance.ts';
import type { Change } from './recorded.ts';

export type Mode = 'kept' | 'dropped' | 'half' | 'torn' | 'lying';
/** Contents by name, relative to the folder. */
export type Files = ReadonlyMap<string, Buffer>;
export type Loss = { readonly point: number; readonly mode: Mode; readonly seed: number };

/** What a disk writes at once. */
const SECTOR = 512;

export type Survivors = {
  /** Indexes of the changes that are on the disk. */
  readonly made: readonly number[];
  readonly torn: { readonly at: number; readonly share: number } | undefined;
};

/** What of the first `point` changes is on the disk after the loss; the next one was not begun. */
export function survivors(changes: readonly Change[], { mode, point, seed }: Loss): Survivors {
  const begun = changes.slice(0, point);
  const open = mode === 'kept' ? [] : openChanges(begun, mode);
  const random = seededRandom(seed * 1_000_003 + point);
  const none = mode === 'dropped' || mode === 'lying';
  const lost = new Set(open.filter(() => none || random() < HALF));
  const tearable = mode === 'torn' ? open.filter((at) => begun[at]?.kind === 'write') : [];
  const at = tearable[Math.floor(random() * tearable.length)];
  if (at !== undefined) lost.delete(at);
  return {
    made: begun.flatMap((change, index) => (lost.has(index) || change.kind === 'sync' ? [] : [index])),
    torn: at === undefined ? undefined : { at, share: random() },
  };
}

const HALF = 0.5;

export function filesAfter(base: Files, changes: readonly Change[], { made, torn }: Survivors): Files {
  const files = new Map<string, Content>();
  for (const [name, bytes] of base) files.set(name, { bytes: Buffer.from(bytes), length: bytes.length });
  for (const at of made) {
    const change = changes[at];
    if (change !== undefined) apply(files, at === torn?.at ? tear(change, torn.share) : change);
  }
  return new Map([...files].map(([name, { bytes, length }]) => [name, bytes.subarray(0, length)]));
}

/** A disk that lies has not done the last sync of the log, whatever it said: the judge must see what that costs. */
const LOG = /-wal$/;

/** Indexes of the changes that no sync has made durable yet. */
function openChanges(made: readonly Change[], mode: Mode): readonly number[] {
  const synced = new Map<string, number>();
  for (const [at, { kind, file }] of made.entries()) if (kind === 'sync') synced.set(file, at);
  const logs = mode === 'lying' ? [...synced].filter(([file]) => LOG.test(file)) : [];
  for (const [file, at] of logs) synced.set(file, syncBefore(made, file, at));
  const after = (file: string, at: number): boolean => (synced.get(file) ?? -1) > at;
  const isOpen = (change: Change, at: number): boolean => {
    if (change.kind === 'sync') return false;
    const isName = change.kind !== 'write' && change.kind !== 'truncate';
    return !after(isName ? folderOf(change.file) : change.file, at);
  };
  return made.flatMap((change, at) => (isOpen(change, at) ? [at] : []));
}

const folderOf = (file: string): string => (dirname(file) === '.' ? '' : dirname(file));

const syncBefore = (made: readonly Change[], file: string, at: number): number =>
  made.findLastIndex((change, index) => index < at && change.kind === 'sync' && change.file === file);

/** Bytes beyond `length` are room to grow; they are zero. */
type Content = { bytes: Buffer; length: number };

function apply(files: Map<string, Content>, change: Change): void {
  const { file } = change;
  const content = files.get(file) ?? { bytes: Buffer.alloc(0), length: 0 };
  if (change.kind === 'write' || change.kind === 'truncate') files.set(file, content);
  if (change.kind === 'write') write(content, change);
  else if (change.kind === 'truncate') resize(content, change.length);
  else if (change.kind === 'unlink') files.delete(file);
  else if (change.kind !== 'sync' && files.has(file)) {
    files.set(change.to, content);
    if (change.kind === 'rename') files.delete(file);
  }
}

function write(content: Content, { offset, bytes }: Extract<Change, { readonly kind: 'write' }>): void {
  const from = offset === 'end' ? content.length : offset;
  resize(content, Math.max(content.length, from + bytes.length));
  bytes.copy(content.bytes, from);
}

function resize(content: Content, length: number): void {
  if (length > content.bytes.length)
    content.bytes = Buffer.concat([content.bytes, Buffer.alloc(2 * length - content.bytes.length)]);
  if (length < content.length) content.bytes.fill(0, length, content.length);
  content.length = length;
}

/** Some of its sectors from the beginning, or, where it is smaller than two, some of its bytes. */
function tear(change: Change, share: number): Change {
  if (change.kind !== 'write') return change;
  const unit = change.bytes.length >= 2 * SECTOR ? SECTOR : 1;
  const units = Math.floor(change.bytes.length / unit);
  return { ...change, bytes: change.bytes.subarray(0, unit * Math.floor(share * units)) };
}
