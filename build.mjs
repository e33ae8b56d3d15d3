// Builder and launcher in one. Plain old syntax: it starts on the machine's own Node and continues on the packaged one.
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

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

const say = (text) => process.stderr.write(`${text}\n`);

function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

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
  run(node, ['--disable-sigusr1', fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    PATH,
    [MARK]: '1',
  });
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

const bin = (name, path) => join(dirname(require.resolve(`${name}/package.json`)), path);

/**
 * Runs before any statement of the bundle, so before the addon is loaded: what a bundle is started with may be any Node.
 * Imports alone run earlier, and those that are left in the bundle are Node's own.
 */
const GUARD = `
import { createRequire as __createRequire } from 'node:module';
import { fileURLToPath as __toPath } from 'node:url';
import { dirname as __dirnameOf, join as __join } from 'node:path';
import { existsSync as __exists } from 'node:fs';
import { spawn as __spawn } from 'node:child_process';
import { constants as __os } from 'node:os';
const require = __createRequire(import.meta.url);
const __filename = __toPath(import.meta.url);
const __dirname = __dirnameOf(__filename);
if (Number(process.versions.napi) < ${NAPI_VERSION} || Number(process.versions.node.split('.')[0]) < ${NODE_MAJOR}) {
  const name = 'node-' + process.platform + '-' + process.arch;
  const node = __join(__dirname, '..', 'node_modules', name, 'bin', 'node');
  if (!__exists(node)) {
    console.error('stack needs Node ${NODE_MAJOR} or newer, this is ' + process.versions.node);
    process.exit(${UNSUPPORTED_RUNTIME});
  }
  const child = __spawn(node, ['--disable-sigusr1', __filename].concat(process.argv.slice(2)), { stdio: 'inherit' });
  const atTerminal = process.stdin.isTTY === true;
  ['SIGTERM', 'SIGINT', 'SIGHUP'].forEach(function (signal) {
    process.on(signal, function () {
      if (!atTerminal || signal === 'SIGTERM') child.kill(signal);
    });
  });
  child.on('exit', function (code, signal) {
    process.exit(signal === null ? code : ${SIGNALLED} + __os.signals[signal]);
  });
  await new Promise(function () {});
}`;

/** Every entry of the catalogue by its name, as a literal for the bundle. */
function catalogue() {
  const folder = join(root, 'src/features/services/catalogue');
  const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));
  const entries = files
    .sort()
    .map((file) => [file.slice(0, -'.yaml'.length), readFileSync(join(folder, file), 'utf8')]);
  return JSON.stringify(Object.fromEntries(entries));
}

async function build() {
  const { build: bundle } = await import('esbuild');
  const assets = join(root, 'dist/assets');
  mkdirSync(assets, { recursive: true });
  const shared = {
    bundle: true,
    platform: 'node',
    target: 'node24',
    keepNames: true,
    logLevel: 'warning',
    absWorkingDir: root,
    define: { STACK_BUNDLED: 'true', STACK_CATALOGUE: catalogue() },
  };
  for (const name of ['commit-worker', 'scan-worker']) {
    // Text that a Worker evaluates: it has no address of its own.
    const define = { ...shared.define, 'import.meta.url': '"file:///worker.js"' };
    await bundle({
      ...shared,
      define,
      entryPoints: [`src/pipeline/${name}.ts`],
      format: 'cjs',
      outfile: join(assets, `${name}.cjs`),
    });
  }
  const addon = bin('better-sqlite3', `prebuilds/${process.platform}-${process.arch}.node`);
  // Renamed into place: overwriting a library that a running appliance has mapped would crash it.
  copyFileSync(addon, join(assets, 'better_sqlite3.node.new'));
  renameSync(join(assets, 'better_sqlite3.node.new'), join(assets, 'better_sqlite3.node'));
  await bundle({
    ...shared,
    entryPoints: ['src/main.ts'],
    format: 'esm',
    outfile: join(root, 'dist/stack.mjs'),
    banner: { js: GUARD },
  });
}

/** Newest change below a folder. */
function newest(folder) {
  return readdirSync(folder, { withFileTypes: true }).reduce((latest, entry) => {
    const path = join(folder, entry.name);
    return Math.max(latest, entry.isDirectory() ? newest(path) : modified(path));
  }, 0);
}

function stale() {
  const built = modified(join(root, 'dist/stack.mjs'));
  return (
    built <
    Math.max(
      newest(join(root, 'src')),
      modified(join(root, 'package-lock.json')),
      modified(join(root, 'build.mjs')),
    )
  );
}

async function start() {
  if (stale()) await build();
  const config = join(root, 'config.yaml');
  if (!existsSync(config)) copyFileSync(join(root, 'config.example.yaml'), config);
  const stack = join(root, 'dist/stack.mjs');
  step('init', [stack, 'init', '--config', config]);
  run(process.execPath, ['--disable-sigusr1', stack, 'serve', '--config', config]);
}

const types = () => step('types', [bin('typescript', 'bin/tsc'), '-p', '.']);

function check() {
  step('format and lint', [bin('@biomejs/biome', 'bin/biome'), 'check', '--error-on-warnings', '.']);
  types();
  step('architecture', ['--test', 'test/architecture.test.ts']);
}

function testFiles(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return path === 'test/heavy' ? [] : testFiles(path);
    return entry.name.endsWith('.test.ts') ? [path] : [];
  });
}

/** Without arguments: the tests of types, then every test. Options go to the runner, other arguments choose files. */
function test(args) {
  const files = args.filter((arg) => !arg.startsWith('-'));
  const options = args.filter((arg) => arg.startsWith('-'));
  if (args.length === 0) types();
  const chosen = files.length > 0 ? files : testFiles('test');
  const runner = ['--test', '--test-concurrency=2', '--disable-warning=ExperimentalWarning'];
  run(process.execPath, [...runner, ...options, ...chosen]);
}

/** What is built, walked through on a stage of its own; the options are those of the demo. */
async function demo(options) {
  if (stale()) await build();
  run(process.execPath, ['test/demo/demo.ts', ...options], { STACK_ENTRY: 'dist/stack.mjs' });
}

const commands = { start, build, check, test, demo };

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
