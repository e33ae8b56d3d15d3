// Stands before the bundle `dist/stack.mjs`, in plain old syntax: a bundle may be started by any Node, and on an old one the
// database addon crashes without a word. It continues on the packaged Node. The capitals are given by the builder.
import { spawn as __spawn } from 'node:child_process';
import { existsSync as __exists } from 'node:fs';
import { createRequire as __createRequire } from 'node:module';
import { constants as __os } from 'node:os';
import { dirname as __dirnameOf, join as __join } from 'node:path';
import { fileURLToPath as __toPath } from 'node:url';

// biome-ignore lint/correctness/noUnusedVariables: libraries in the bundle ask for it
const require = __createRequire(import.meta.url);
const __filename = __toPath(import.meta.url);
const __dirname = __dirnameOf(__filename);
if (
  Number(process.versions.napi) < NAPI_VERSION ||
  Number(process.versions.node.split('.')[0]) < NODE_MAJOR
) {
  const name = `node-${process.platform}-${process.arch}`;
  const node = __join(__dirname, '..', 'node_modules', name, 'bin', 'node');
  if (!__exists(node)) {
    process.stderr.write(`stack needs Node ${NODE_MAJOR} or newer, this is ${process.versions.node}\n`);
    process.exit(UNSUPPORTED_RUNTIME);
  }
  const child = __spawn(node, NODE_FLAGS.concat(__filename, process.argv.slice(2)), { stdio: 'inherit' });
  const atTerminal = process.stdin.isTTY === true;
  ['SIGTERM', 'SIGINT', 'SIGHUP'].forEach((signal) => {
    process.on(signal, () => {
      if (!atTerminal || signal === 'SIGTERM') child.kill(signal);
    });
  });
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : SIGNALLED + __os.signals[signal]);
  });
  await new Promise(() => {});
}
