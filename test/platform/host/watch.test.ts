// Changes of files are noticed once they have settled, however the file was replaced.
import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Watch, watchFiles } from '#platform/host/watch.ts';

const EVERY_MS = 20;
const PATIENCE_MS = 5_000;
let dir: string;
let watch: Watch | undefined;
let seen = 0;

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!condition()) {
    assert.ok(performance.now() < end, 'the change was not noticed');
    await pause(EVERY_MS);
  }
}

describe('watching files', () => {
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'stack-watch-'));
    seen = 0;
  });
  afterEach(async () => {
    watch?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const start = async (path: string): Promise<void> => {
    watch = watchFiles(() => [path], {
      everyMs: EVERY_MS,
      changed: () => {
        seen += 1;
      },
    });
    await pause(EVERY_MS * 5);
    assert.equal(seen, 0);
  };

  it('notices a file that is written, replaced, removed and made again', async () => {
    const path = join(dir, 'a');
    await writeFile(path, 'one');
    await start(path);
    await writeFile(path, 'two');
    await until(() => seen === 1);
    await writeFile(join(dir, 'b'), 'six');
    await rename(join(dir, 'b'), path);
    await until(() => seen === 2);
    await rm(path);
    await until(() => seen === 3);
    await writeFile(path, 'four');
    await until(() => seen === 4);
  });

  it('follows a link that is switched to another file', async () => {
    const path = join(dir, 'link');
    await writeFile(join(dir, 'one'), 'one');
    await writeFile(join(dir, 'two'), 'two');
    await symlink('one', path);
    await start(path);
    await symlink('two', join(dir, 'next'));
    await rename(join(dir, 'next'), path);
    await until(() => seen === 1);
  });

  it('waits until a file that keeps changing has settled', async () => {
    const path = join(dir, 'a');
    await writeFile(path, '');
    await start(path);
    let text = '';
    // On a busy machine a write takes its time; the file has then settled indeed.
    let rests = 0;
    for (let turn = 0; turn < 60; turn += 1) {
      const before = performance.now();
      text += 'x';
      await writeFile(path, text);
      await pause(EVERY_MS / 4);
      if (performance.now() - before > EVERY_MS) rests += 1;
    }
    await until(() => seen > 0);
    assert.ok(seen <= 3 + rests, `${seen} times, ${rests} rests`);
  });

  it('is silent after it was stopped', async () => {
    const path = join(dir, 'a');
    await writeFile(path, 'one');
    await start(path);
    watch?.stop();
    await writeFile(path, 'two');
    await pause(EVERY_MS * 10);
    assert.equal(seen, 0);
  });
});
