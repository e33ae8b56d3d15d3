// Builder and launcher in one. Plain old syntax: it starts on the machine's own Node and continues on the packaged one.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Script } from 'node:vm';

const root = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const MARK = 'STACK_ON_PACKAGED_NODE';
const NODE_MAJOR = 24;
/** Node-API version of the database addon; below it the addon crashes without a word. */
const NAPI_VERSION = 10;
const UNSUPPORTED_RUNTIME = 78;
const WRONG_USAGE = 2;
/** Exit code of a process that a signal ended, as shells have it. */
const SIGNALLED = 128;
const PARENT_CHECK_MS = 500;
/** No signal opens a debugger; half of V8's usual room for what is young keeps a busy appliance under 256 MB. */
const NODE_FLAGS = ['--disable-sigusr1', '--max-semi-space-size=16'];
/** The mark in Node's executable that says whether a program is inside. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const say = (text) => process.stderr.write(`${text}\n`);

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

/** Installs what is locked, if it is not there yet. Scripts stay off: nothing in the lock needs one. */
function install() {
  const installed = modified(join(root, 'node_modules/.package-lock.json'));
  if (installed >= modified(join(root, 'package-lock.json')) && installed > 0) return;
  say('installing what package-lock.json names (once)');
  const done = spawnSync('npm', ['ci', '--ignore-scripts', '--no-fund', '--no-audit'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (done.error !== undefined) say(`npm ci could not be started: ${done.error.message}`);
  if (done.status !== 0) process.exit(done.status === null ? 1 : done.status);
}

function packagedNode() {
  try {
    const name = `node-${process.platform}-${process.arch}/package.json`;
    const node = join(dirname(require.resolve(name)), 'bin', 'node');
    return existsSync(node) ? node : undefined;
  } catch {
    return undefined;
  }
}

/** Everything below runs on the exact runtime. */
function continueOnPackagedNode() {
  const continued = process.env[MARK] === '1';
  // Not handed on: a program started below may itself start this file on another Node.
  delete process.env[MARK];
  if (continued) return false;
  const node = packagedNode();
  if (node === undefined) {
    if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) return false;
    say(`stack needs Node ${NODE_MAJOR} or newer; none is packaged for ${process.platform}-${process.arch}`);
    process.exit(UNSUPPORTED_RUNTIME);
  }
  const PATH = `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`;
  run(node, [...NODE_FLAGS, fileURLToPath(import.meta.url), ...process.argv.slice(2)], { PATH, [MARK]: '1' });
  return true;
}

/** Becomes the child: its signals, its exit code. */
function run(command, args, env = {}) {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  // Ctrl-C reaches the whole group by itself, and a second signal would cut the graceful stop short.
  const atTerminal = process.stdin.isTTY === true;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    process.on(signal, () => {
      if (!atTerminal || signal === 'SIGTERM') child.kill(signal);
    });
  }
  if (process.env.npm_lifecycle_event !== undefined) stopWithParent(child);
  child.on('error', (error) => {
    say(`${command} could not be started: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : SIGNALLED + constants.signals[signal]);
  });
}

/** npm gives a signal to a shell, which ends and tells no one; what it has started would run on alone. */
function stopWithParent(child) {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    child.kill('SIGTERM');
  }, PARENT_CHECK_MS);
  timer.unref();
}

function step(name, args) {
  const done = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (done.status === 0) return;
  say(`${name} failed`);
  process.exit(done.status ?? 1);
}

/** A step of the build that says nothing unless it fails. */
function quietly(command, args, cwd) {
  const done = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (done.status === 0) return;
  throw new Error(`${command} ${args.join(' ')} failed\n${done.error ?? done.stdout + done.stderr}`);
}

const bin = (name, path) => join(dirname(require.resolve(`${name}/package.json`)), path);

/** A file of `src/boot` with its capitals filled in. Imports alone run before GUARD, and those left are Node's own. */
async function boot(name, define) {
  const { transform } = await import('esbuild');
  const filled = Object.entries(define).map(([word, value]) => [word, JSON.stringify(value)]);
  const text = readFileSync(join(root, 'src/boot', name), 'utf8');
  const { code } = await transform(text, { define: Object.fromEntries(filled), minifySyntax: true });
  return code;
}

/** What the program reads while it runs: files and whole folders, found by `readAsset` under these very names. */
const EMBEDDED = ['config.example.yaml', 'src/features/services/catalogue'];
const WORKERS = ['commit-worker', 'scan-worker'];
const PLATFORMS = ['linux-x64', 'linux-arm64'];
const GUARD = { NODE_MAJOR, NAPI_VERSION, UNSUPPORTED_RUNTIME, SIGNALLED, NODE_FLAGS };
const HERE = `${process.platform}-${process.arch}`;
const dist = (name) => join(root, 'dist', name);

/**
 * Loaded by a library at every start and used by nothing of ours: bodies are read and types written by ourselves, no files are
 * served, messages are English. CI runs the scenarios on what is built, which shows it if that changes.
 */
const LEFT_OUT = {
  'express/lib': [/^(?:accepts|body-parser|mime-types|send|serve-static|type-is)$/, 'module.exports = {};'],
  'zod/v4/(?:core|classic)': [/^\.\.\/locales\/index\.js$/, 'export {};'],
};
const leaveOut = {
  name: 'leave-out',
  setup({ onResolve, onLoad }) {
    for (const [folder, [filter]] of Object.entries(LEFT_OUT)) {
      const importers = new RegExp(`node_modules/${folder}/[^/]+$`);
      onResolve({ filter }, ({ importer }) =>
        importers.test(importer) ? { path: folder, namespace: 'left-out' } : undefined,
      );
    }
    onLoad({ filter: /./, namespace: 'left-out' }, ({ path }) => ({ contents: LEFT_OUT[path][1] }));
  },
};

/** Names and line breaks stay: Node prints the whole line in which an error was not caught. */
const SHARED = {
  bundle: true,
  platform: 'node',
  target: 'node24',
  minifySyntax: true,
  minifyWhitespace: true,
  lineLimit: 160,
  logLevel: 'warning',
  absWorkingDir: root,
  plugins: [leaveOut],
};
/** Text that a thread or the executable evaluates: it has no address of its own. */
const TEXT = {
  ...SHARED,
  format: 'cjs',
  define: { STACK_BUNDLED: 'true', 'import.meta.url': '"file:///stack.cjs"' },
};

async function build(args) {
  const { values } = parseArgs({
    args,
    options: { arch: { type: 'string' }, reproducible: { type: 'boolean' } },
  });
  const platform = values.arch === undefined ? HERE : `linux-${values.arch}`;
  await buildModule();
  if (PLATFORMS.includes(platform))
    return buildExecutable(platform, platform === HERE && values.reproducible !== true);
  say(`no executable: there is none for ${platform}`);
  if (values.arch !== undefined) process.exit(WRONG_USAGE);
}

/** `dist/stack.mjs`, and beside it in `dist/assets` what it reads. */
async function buildModule() {
  const { build: bundle } = await import('esbuild');
  for (const name of WORKERS) {
    await bundle({ ...TEXT, entryPoints: [`src/pipeline/${name}.ts`], outfile: dist(`assets/${name}.cjs`) });
  }
  for (const [name, path] of files(HERE)) {
    mkdirSync(dirname(dist(`assets/${name}`)), { recursive: true });
    // Renamed into place: overwriting a library that a running appliance has mapped would crash it.
    copyFileSync(path, dist('assets/new'));
    renameSync(dist('assets/new'), dist(`assets/${name}`));
  }
  await bundle({
    ...SHARED,
    define: { STACK_BUNDLED: 'true' },
    entryPoints: ['src/main.ts'],
    format: 'esm',
    outfile: dist('stack.mjs'),
    banner: { js: await boot('guard.mjs', GUARD) },
  });
}

/** What is embedded as it is: pairs of name and path. */
function files(platform) {
  const below = (name) =>
    statSync(join(root, name)).isDirectory()
      ? readdirSync(join(root, name))
          .sort()
          .flatMap((entry) => below(`${name}/${entry}`))
      : [[name, join(root, name)]];
  const addon = bin('better-sqlite3', `prebuilds/${platform}.node`);
  return [['better_sqlite3.node', addon], ...EMBEDDED.flatMap(below)];
}

/** The program as one function, for `src/boot/stub.cjs`. */
const FUNCTION = { banner: { js: '(function(require,module,exports){' }, footer: { js: '})' } };

const WARM_UP_CONFIG = 'server: { listen: "127.0.0.1:0" }\n';

/**
 * The one file: Node itself with program and assets inside. A code cache starts it faster, but fits only the machine type it was
 * made on and differs from build to build; without it the same source gives the same bytes.
 */
async function buildExecutable(platform, useCodeCache) {
  const { build: bundle } = await import('esbuild');
  const folder = mkdtempSync(join(tmpdir(), 'stack-build-'));
  try {
    const program = join(folder, 'program.cjs');
    await bundle({ ...TEXT, ...FUNCTION, entryPoints: ['src/main.ts'], outfile: program });
    copyFileSync(nodeFor(platform, folder), join(folder, 'node'));
    strip(join(folder, 'node'), platform);
    writeFileSync(join(folder, 'cache'), '');
    const stub = (WARM_UP) => boot('stub.cjs', { WARM_UP });
    if (useCodeCache) warmUp(seal({ folder, platform, main: await stub(true) }), folder);
    const made = dist(platform === HERE ? 'stack' : `stack-${platform}`);
    copyFileSync(seal({ folder, platform, main: await stub(false) }), `${made}.new`);
    chmodSync(`${made}.new`, 0o755);
    renameSync(`${made}.new`, made);
    say(`${relative(root, made)}: ${Math.round(statSync(made).size / 1e6)} MB`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Puts `main`, the program with its cache, and the assets into a copy of Node; answers where it is. */
function seal({ folder, platform, main }) {
  const workers = WORKERS.map((name) => [`${name}.cjs`, dist(`assets/${name}.cjs`)]);
  const program = [
    ['program.cjs', join(folder, 'program.cjs')],
    ['program.cache', join(folder, 'cache')],
  ];
  writeFileSync(join(folder, 'stub.cjs'), main);
  const sea = {
    main: 'stub.cjs',
    output: 'blob',
    disableExperimentalSEAWarning: true,
    // Or NODE_OPTIONS would load a stranger's code into the vault.
    execArgvExtension: 'none',
    execArgv: NODE_FLAGS,
    assets: Object.fromEntries([...files(platform), ...workers, ...program]),
  };
  writeFileSync(join(folder, 'sea.json'), JSON.stringify(sea));
  quietly(process.execPath, ['--experimental-sea-config', 'sea.json'], folder);
  copyFileSync(join(folder, 'node'), join(folder, 'stack'));
  const inject = [bin('postject', 'dist/cli.js'), 'stack', 'NODE_SEA_BLOB', 'blob', '--sentinel-fuse', FUSE];
  quietly(process.execPath, inject, folder);
  chmodSync(join(folder, 'stack'), 0o755);
  return join(folder, 'stack');
}

/** A first start, in the folder of the build, for the cache of all later ones. */
function warmUp(executable, folder) {
  writeFileSync(join(folder, 'config.yaml'), WARM_UP_CONFIG, { mode: 0o600 });
  quietly(executable, ['init'], folder);
  quietly(executable, ['serve'], folder);
  const source = readFileSync(join(folder, 'program.cjs'), 'latin1');
  const cachedData = readFileSync(join(folder, 'cache'));
  const { cachedDataRejected } = new Script(source, { filename: 'stack.cjs', cachedData });
  if (cachedDataRejected !== false) throw new Error('the code cache of the executable does not fit it');
}

/** The Node of that platform: installed, or fetched and held against the lock file. */
function nodeFor(platform, folder) {
  if (platform === HERE) return process.execPath;
  const name = `node-${platform}`;
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const { version, integrity } = packages[`node_modules/${name}`];
  quietly('npm', ['pack', `${name}@${version}`, '--pack-destination', folder], root);
  const archive = join(folder, `${name}-${version}.tgz`);
  const hash = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (hash !== integrity) throw new Error(`${name}@${version} is not what package-lock.json names: ${hash}`);
  quietly('tar', ['-xzf', archive, 'package/bin/node'], folder);
  return join(folder, 'package/bin/node');
}

/** Symbols are of no use in it, and a tenth of its size. */
function strip(file, platform) {
  const machine = platform === 'linux-arm64' ? 'aarch64' : 'x86_64';
  const tools = [`${machine}-linux-gnu-strip`, 'strip'];
  const stripped = tools.some((tool) => spawnSync(tool, ['--strip-all', file]).status === 0);
  if (!stripped) say(`not stripped, so larger than need be: there is no ${tools.join(' or ')} for it`);
}

/** Newest change below a folder; that of a folder itself is when a file came or went. */
function newest(folder) {
  return readdirSync(folder, { withFileTypes: true }).reduce((latest, entry) => {
    const path = join(folder, entry.name);
    return Math.max(latest, modified(path), entry.isDirectory() ? newest(path) : 0);
  }, 0);
}

function stale(name = 'stack.mjs') {
  const made = ['package-lock.json', 'build.mjs', ...files(HERE).map(([, path]) => path)];
  const changed = Math.max(newest(join(root, 'src')), ...made.map((path) => modified(resolve(root, path))));
  return modified(dist(name)) < changed;
}

async function start() {
  if (stale()) await buildModule();
  const config = join(root, 'config.yaml');
  const stack = join(root, 'dist/stack.mjs');
  step('init', [stack, 'init', '--config', config]);
  run(process.execPath, [...NODE_FLAGS, stack, 'serve', '--config', config]);
}

const types = () => step('types', [bin('typescript', 'bin/tsc'), '-p', '.']);

function check() {
  step('format and lint', [bin('@biomejs/biome', 'bin/biome'), 'check', '--error-on-warnings', '.']);
  types();
  step('architecture', ['--test', 'test/architecture.test.ts']);
}

/** The one takes hours, the other needs root and programs that npm does not bring; `.ci/run` has it. */
const SUITES_APART = ['test/heavy', 'test/machine'];

function testFiles(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return SUITES_APART.includes(path) ? [] : testFiles(path);
    return entry.name.endsWith('.test.ts') ? [path] : [];
  });
}

/**
 * Without arguments: the tests of types, then every test but those apart. Options go to the runner, other arguments choose files. An appliance
 * that a test starts is the built file, which starts in a third of the time that its source takes to lose its types, thread by
 * thread; the tests' own imports keep what was compiled.
 */
async function test(args) {
  const files = args.filter((arg) => !arg.startsWith('-'));
  const options = args.filter((arg) => arg.startsWith('-'));
  if (args.length === 0) types();
  const { STACK_ENTRY = 'dist/stack.mjs', NODE_COMPILE_CACHE = dist('compiled') } = process.env;
  if (STACK_ENTRY === 'dist/stack.mjs' && stale()) await buildModule();
  const chosen = files.length > 0 ? files : testFiles('test');
  const runner = ['--test', '--test-concurrency=2', '--disable-warning=ExperimentalWarning'];
  run(process.execPath, [...runner, ...options, ...chosen], { STACK_ENTRY, NODE_COMPILE_CACHE });
}

/** What is built, walked through on a stage of its own, or measured; the options are those of the two programs. */
async function demo(options) {
  if (stale()) await buildModule();
  run(process.execPath, ['test/demo/demo.ts', ...options], { STACK_ENTRY: 'dist/stack.mjs' });
}

async function bench(options) {
  if (stale('stack')) await build([]);
  run(process.execPath, ['test/bench/bench.ts', ...options]);
}

const mutate = (args) => run(process.execPath, ['test/mutation/mutate.ts', ...args]);
const commands = { start, build, check, test, demo, bench, mutate };

async function main() {
  const [command = 'build', ...rest] = process.argv.slice(2);
  if (!Object.hasOwn(commands, command)) {
    say(`usage: node build.mjs ${Object.keys(commands).join('|')}`);
    process.exit(WRONG_USAGE);
  }
  install();
  if (continueOnPackagedNode()) return;
  await commands[command](rest);
}

main().catch((error) => {
  say(error.stack);
  process.exit(1);
});
