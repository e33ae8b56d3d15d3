// Searches bytes for a secret that must be nowhere (invariant 2): files as they lie on disk, and collected texts.
// A secret is also looked for as base64, base64url, hex, percent-encoding and JSON text, backwards and in UTF-16, so that
// no encoding hides it.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The plain bytes and their usual disguises; base64 at all three alignments, without the uncertain edges. */
function disguises(secret: string): Buffer[] {
  const plain = Buffer.from(secret, 'utf8');
  const percent = encodeURIComponent(secret);
  const hex = plain.toString('hex');
  const found = new Set([secret, percent, encodeURIComponent(percent), hex, hex.toUpperCase()]);
  found.add(JSON.stringify(secret).slice(1, -1)).add([...secret].reverse().join(''));
  for (const shift of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(shift), plain]);
    const first = shift === 0 ? 0 : 4;
    const last = Math.floor(padded.length / 3) * 4;
    found.add(padded.toString('base64').slice(first, last));
    found.add(padded.toString('base64url').slice(first, last));
  }
  return [...[...found].map((text) => Buffer.from(text, 'utf8')), Buffer.from(secret, 'utf16le')];
}

export function holds(bytes: Buffer, secret: string): boolean {
  return disguises(secret).some((form) => bytes.includes(form));
}

/** Every regular file below `dir` (database, WAL, shared memory, logs, all) whose bytes hold the secret. */
export async function searchFiles(
  dir: string,
  secret: string,
): Promise<{ searched: string[]; found: string[] }> {
  const searched: string[] = [];
  const found: string[] = [];
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    searched.push(path);
    if (holds(await readFile(path), secret)) found.push(path);
  }
  return { searched, found };
}

/** None of the named texts holds the secret. The message names the text and shows nothing of the secret. */
export function assertAbsent(texts: Readonly<Record<string, string>>, secret: string): void {
  assert.ok(secret.length >= 16, 'a canary must be long enough not to occur by chance');
  for (const [name, text] of Object.entries(texts)) {
    assert.ok(!holds(Buffer.from(text, 'utf8'), secret), `the secret stands in: ${name}`);
  }
}
