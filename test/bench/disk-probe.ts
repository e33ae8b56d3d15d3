// What the disk under the data directory takes for a commit, alone: fdatasync of a page and a frame, and one row by the very
// database that is shipped. Argument: a folder on that disk. Prints one line of JSON, times in µs.
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { latenciesOf } from './closed-loop.ts';

const ROUNDS = 200;
/** A frame of the write-ahead log: a page and its header. */
const FRAME = Buffer.alloc(4096 + 24, 7);
const ROW = 'x'.repeat(660);

const [folder = ''] = process.argv.slice(2);

function timesOf(act: (round: number) => void): number[] {
  return Array.from({ length: ROUNDS }, (_, round) => {
    const began = performance.now();
    act(round);
    return performance.now() - began;
  });
}

function probeSync(): number[] {
  const path = join(folder, 'probe-sync');
  const file = openSync(path, 'w');
  try {
    return timesOf((round) => {
      writeSync(file, FRAME, 0, FRAME.length, round * FRAME.length);
      fdatasyncSync(file);
    });
  } finally {
    closeSync(file);
    rmSync(path);
  }
}

function probeCommit(): number[] {
  const path = join(folder, 'probe.db');
  const database = new Database(path);
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.exec('CREATE TABLE entry (seq INTEGER PRIMARY KEY, bytes TEXT NOT NULL) STRICT');
    const insert = database.prepare('INSERT INTO entry (bytes) VALUES (?)');
    return timesOf(() => insert.run(ROW));
  } finally {
    database.close();
    for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
  }
}

process.stdout.write(JSON.stringify({ sync: latenciesOf(probeSync()), commit: latenciesOf(probeCommit()) }));
