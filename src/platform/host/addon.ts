// The database addon: one file, mapped once, the same for every thread. A second copy would be a second SQLite in the process,
// and closing a file in the one would drop the POSIX locks of the other.
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const NAME_BYTES = 12;
const OWNER_READ_WRITE = 0o600;

/** By path; each thread has its own table, and its own object of the one mapping. */
const loaded = new Map<string, object>();

export function loadAddon(path: string): object {
  const known = loaded.get(path);
  if (known !== undefined) return known;
  const addon = { exports: {} };
  process.dlopen(addon, path);
  loaded.set(path, addon.exports);
  return addon.exports;
}

/** Loads the addon from its bytes and answers the path under which each thread of this process finds it. No file stays. */
export function unpackAddon(bytes: Uint8Array, places: readonly string[]): string {
  const problems: string[] = [];
  for (const folder of places) {
    try {
      return mapFrom(folder, bytes);
    } catch (thrown) {
      problems.push(`${folder}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  }
  const reasons = problems.join('; ');
  throw new Error(
    `the database library inside this executable cannot be loaded (${reasons}). ` +
      'Set TMPDIR to a folder that this user can write and that is not mounted noexec.',
  );
}

/**
 * An open file is the same file whatever becomes of its name, and nobody can put another one in its place. Without /proc
 * there is only the name: what is loaded under it is found again by it, also once the file is gone.
 */
function mapFrom(folder: string, bytes: Uint8Array): string {
  const path = join(folder, `stack-addon-${randomBytes(NAME_BYTES).toString('hex')}.node`);
  const file = openSync(path, 'wx', OWNER_READ_WRITE);
  const opened = `/proc/self/fd/${file}`;
  try {
    writeFileSync(file, bytes);
    const name = existsSync(opened) ? opened : path;
    loadAddon(name);
    // The file stays open: its number is the name that the threads load it by.
    return name;
  } catch (thrown) {
    closeSync(file);
    throw thrown;
  } finally {
    rmSync(path, { force: true });
  }
}
