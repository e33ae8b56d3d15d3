// A new file is there whole and durable, or not at all: a process killed while it writes leaves none that a later start would
// take for the real one. One that exists is never touched.
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const OWNER_READ_WRITE = 0o600;
/** So that two processes, or one and what a killed one has left, never write to the same name. */
const NAME_BYTES = 6;

/** Throws what the system says, EEXIST where the path is taken. Mode 0600. */
export function createWhole(path: string, text: string): void {
  const draft = `${path}.new-${randomBytes(NAME_BYTES).toString('hex')}`;
  try {
    const file = openSync(draft, 'wx', OWNER_READ_WRITE);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    // A link, since a rename would replace what is there.
    linkSync(draft, path);
    syncFolder(dirname(path));
  } finally {
    rmSync(draft, { force: true });
  }
}

/** The name is durable, too: a vault without its key is lost. */
function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
