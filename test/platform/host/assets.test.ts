// What the program carries along is found the same way from source and beside what was built; test/binary looks into the
// executable. The addon inside that one is written, loaded and gone.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { loadAddon, unpackAddon } from '#platform/host/addon.ts';
import { assetNames, locateAssets, readAsset } from '#platform/host/assets.ts';

const root = new URL('../../../', import.meta.url);

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'stack-assets-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe('a text that the program carries along', () => {
  it('is read by its path below the root, and nothing else is', () => {
    const example = readFileSync(new URL('config.example.yaml', root), 'utf8');
    assert.equal(readAsset('config.example.yaml'), example);
    assert.throws(() => readAsset('no-such.yaml'), { code: 'ENOENT' });
  });

  it('is named by its folder, in order, without what lies deeper', () => {
    assert.deepEqual(assetNames('test/platform'), []);
    const here = assetNames('test/platform/host');
    assert.deepEqual(here, here.toSorted());
    assert.ok(here.includes('test/platform/host/assets.test.ts'));
  });

  it('lies beside the built file under assets/, by the same name', async () => {
    const texts = join(folder, 'assets/some/texts');
    mkdirSync(join(texts, 'deeper'), { recursive: true });
    for (const name of ['b.yaml', 'a.yaml', 'deeper/c.yaml']) writeFileSync(join(texts, name), name);
    const contents = `import { assetNames, locateAssets, readAsset } from '#platform/host/assets.ts';
      const assets = locateAssets();
      const names = assetNames('some/texts');
      process.stdout.write(JSON.stringify({ names, text: readAsset(names[0]), addonPath: assets.addonPath }));`;
    await build({
      stdin: { contents, resolveDir: root.pathname, loader: 'ts' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: join(folder, 'program.mjs'),
      define: { STACK_BUNDLED: 'true' },
    });
    const seen = JSON.parse(
      execFileSync(process.execPath, [join(folder, 'program.mjs')], { encoding: 'utf8' }),
    );
    assert.deepEqual(seen.names, ['some/texts/a.yaml', 'some/texts/b.yaml']);
    assert.equal(seen.text, 'a.yaml');
    assert.equal(seen.addonPath, join(folder, 'assets/better_sqlite3.node'));
  });
});

describe('the addon that an executable carries', () => {
  const bytes = readFileSync(locateAssets().addonPath);

  it('is loaded once for all threads, and leaves no file', async () => {
    const own = mkdtempSync(join(folder, 'own-'));
    const path = unpackAddon(bytes, [own]);
    assert.deepEqual(readdirSync(own), []);
    assert.equal(loadAddon(path), loadAddon(path));
    const mapped = (): number => mappings(/stack-addon-\w+\.node/);
    assert.ok(mapped() > 0);
    const before = mapped();
    const program = `const { parentPort, workerData } = require('node:worker_threads');
      const addon = { exports: {} };
      process.dlopen(addon, workerData);
      parentPort.postMessage(Object.keys(addon.exports));`;
    const worker = new Worker(program, { eval: true, workerData: path });
    const names = await new Promise((done, failed) => worker.once('message', done).once('error', failed));
    assert.ok((names as string[]).includes('Database'));
    assert.equal(mapped(), before, 'a second copy would be a second SQLite');
    await worker.terminate();
  });

  it('goes by way of the next folder where the first does not do', () => {
    const own = mkdtempSync(join(folder, 'own-'));
    assert.ok(unpackAddon(bytes, [join(folder, 'missing'), own]) !== '');
    assert.deepEqual(readdirSync(own), []);
  });

  it('is refused with every reason and a next step where no folder does, and leaves nothing there', () => {
    const own = mkdtempSync(join(folder, 'own-'));
    const missing = join(folder, 'missing');
    assert.throws(
      () => unpackAddon(Buffer.from('no library'), [missing, own]),
      ({ message }: Error) => {
        assert.ok(message.includes(`${missing}: ENOENT`), message);
        assert.match(message, new RegExp(`${own}: .*(?:invalid ELF header|file too short)`));
        assert.match(message, /Set TMPDIR to a folder .* not mounted noexec/);
        return true;
      },
    );
    assert.deepEqual(readdirSync(own), []);
    assert.ok(!existsSync(missing));
  });
});

/** How many parts of files with this name are mapped into this process. */
const mappings = (name: RegExp): number =>
  readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => name.test(line)).length;
