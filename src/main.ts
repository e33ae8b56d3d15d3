// The process: arguments, streams, signals, exit code. Nothing else touches `process` (invariant 11).
import { isatty } from 'node:tty';

import { approvalsWatchCommand } from '#commands/approvals-watch.ts';
import { auditVerifyCommand } from '#commands/audit-verify.ts';
import { checkCommand } from '#commands/check.ts';
import { completionCommand } from '#commands/completion.ts';
import { socketOf } from '#commands/config-file.ts';
import { doctorCommand } from '#commands/doctor.ts';
import { initCommand } from '#commands/init.ts';
import { sealCommand } from '#commands/seal.ts';
import { type Lifetime, serveCommand } from '#commands/serve.ts';
import { versionCommand } from '#commands/version.ts';
import { systemHost } from '#platform/host/host.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { Halt } from '#surfaces/cli/halt.ts';
import { type Program, runProgram } from '#surfaces/cli/program.ts';
import type { Shell } from '#surfaces/cli/shell.ts';
import manifest from '../package.json' with { type: 'json' };

/** Its file descriptor. */
const STANDARD_INPUT = 0;
const NODE_MAJOR_MIN = 24;
/** Files this process makes are the owner's alone. */
const OWNER_ONLY = 0o077;

const { version } = manifest;
const environment = (name: string): string | undefined => process.env[name];
const err = (text: string): void => void process.stderr.write(text);

const shell: Shell = {
  // Late: most commands never look at it.
  get input() {
    return process.stdin;
  },
  inputIsTerminal: isatty(STANDARD_INPUT),
  outputIsTerminal: process.stdout.isTTY === true,
  columns: process.stdout.columns,
  out: (text) => void process.stdout.write(text),
  err,
  environment,
};

const lifetime: Lifetime = {
  pid: process.pid,
  runtime: process.versions.node,
  untilStopped: () =>
    new Promise((resolve) => {
      let stopping = false;
      const stop = (): void => {
        // A second signal means now; what is durable stays so.
        if (stopping) process.exit(EXIT.done);
        stopping = true;
        resolve();
      };
      process.on('SIGTERM', stop);
      process.on('SIGINT', stop);
    }),
  onHangUp: (listener) => void process.on('SIGHUP', listener),
};

const operations: Program['operations'] = async () => (await import('./operations.ts')).describedOperations();
const findSocket: Program['findSocket'] = (config) => socketOf(config, environment);
const atTerminal = process.stderr.isTTY === true;
const colours = atTerminal && (environment('NO_COLOR') ?? '') === '' && environment('TERM') !== 'dumb';
const opening = { version, environment, writeLog: err, logScreen: { terminal: atTerminal, colours } };

/** Commands that are no operation. A new one is a file in `commands/` and a line here. */
const commands = [
  initCommand(opening),
  serveCommand(opening, lifetime),
  checkCommand,
  doctorCommand({ uid: process.geteuid?.() ?? 0, pid: process.pid, version, host: systemHost() }),
  sealCommand,
  completionCommand,
  versionCommand(version),
  auditVerifyCommand({ operations, findSocket }),
  approvalsWatchCommand({ findSocket }),
];

async function main(argv: readonly string[]): Promise<number> {
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
    err(`stack needs Node ${NODE_MAJOR_MIN} or newer, this is ${process.versions.node}\n`);
    return EXIT.runtime;
  }
  process.umask(OWNER_ONLY);
  return runProgram(argv, { shell, commands, operations, findSocket });
}

process.on('uncaughtException', (error) => {
  err(`stack: unexpected error, stopping: ${error.stack ?? error.message}\n`);
  process.exit(EXIT.refused);
});
// Whoever reads our output may have read enough: `stack audit list | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.done);
});

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (thrown: unknown) => {
    err(`stack: ${thrown instanceof Error ? thrown.stack : String(thrown)}\n`);
    process.exit(thrown instanceof Halt ? thrown.exitCode : EXIT.refused);
  },
);
