// What strace has recorded, as a list of changes to files below one folder, in the order in which they began.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

export type Change = { readonly atMs: number; readonly file: string } & (
  | { readonly kind: 'write'; readonly offset: number | 'end'; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly length: number }
  /** Of a file, or of a folder: what it holds is durable from here on. */
  | { readonly kind: 'sync' }
  | { readonly kind: 'unlink' }
  | { readonly kind: 'rename' | 'link'; readonly to: string }
);

/** Thread, unix time, call, arguments; a call that another one's line interrupts has no result on its own. */
const LINE = /^\d+ +(\d+\.\d+) (\w+)\((.*?)(?:\) += (-?\d+).*| <unfinished \.\.\.>)$/;
/** The wal-index is memory that every opening makes anew, a socket no file; the executable's library stays for a moment. */
const NO_STATE = /(?:-shm|\.sock|stack-addon-\w+\.node)$/;
/** Of all that is written by `write` (answers, logs, wake-ups) only the files that are made so. */
const WRITTEN = /stack\.key/;

export function readRecord(record: string, folder: string): readonly Change[] {
  return readFileSync(record, 'latin1')
    .split('\n')
    .flatMap((line) => {
      const [, seconds = '', call = '', text = '', result] = LINE.exec(line) ?? [];
      if (call === '' || Number(result ?? 0) < 0) return [];
      const change = changeOf(call, text);
      if (change === undefined) return [];
      const file = relative(folder, change.file);
      const outside = file.startsWith('..') || NO_STATE.test(file);
      return outside ? [] : [placed({ ...change, atMs: Number(seconds) * 1000, file }, folder)];
    });
}

const placed = (change: Change, folder: string): Change =>
  'to' in change ? { ...change, to: relative(folder, change.to) } : change;

const decoded = (hex: string): Buffer => Buffer.from(hex.replaceAll('\\x', ''), 'hex');

function changeOf(call: string, text: string): Change | undefined {
  const path = decoded(/^\d+<([^>]*)>/.exec(text)?.[1] ?? '').toString();
  if (NO_STATE.test(path) || (call === 'write' && !WRITTEN.test(path))) return undefined;
  const strings = [...text.matchAll(/"([^"]*)"(\.\.\.)?/g)].map(([, hex = '', cut]) => {
    if (cut !== undefined) throw new Error('strace has cut the bytes of a write');
    return decoded(hex);
  });
  const named = strings.map((bytes) => bytes.toString());
  const last = Number(/(\d+)$/.exec(text)?.[1]);
  switch (call) {
    case 'pwrite64':
      return { atMs: 0, file: path, kind: 'write', offset: last, bytes: strings[0] ?? Buffer.alloc(0) };
    case 'write':
      return { atMs: 0, file: path, kind: 'write', offset: 'end', bytes: strings[0] ?? Buffer.alloc(0) };
    case 'fsync':
    case 'fdatasync':
      return { atMs: 0, file: path, kind: 'sync' };
    case 'ftruncate':
      return { atMs: 0, file: path, kind: 'truncate', length: last };
    case 'unlink':
      return { atMs: 0, file: named[0] ?? '', kind: 'unlink' };
    case 'rename':
    case 'link':
      return { atMs: 0, file: named[0] ?? '', kind: call, to: named[1] ?? '' };
    default:
      return undefined;
  }
}
