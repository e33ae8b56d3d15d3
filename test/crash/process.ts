// `serve` as a process that may die at any moment: started as it is or under strace, by its ready line, ended by its id.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Installation } from '#test/support/appliance.ts';

const READY_LIMIT_MS = 20_000;

export type Running = {
  /** Of the appliance itself, whatever it was started under; known once it is ready. */
  readonly pid: () => number;
  readonly alive: () => boolean;
  /** Resolves with the time from start to ready, or undefined where it ended before. */
  readonly ready: Promise<number | undefined>;
  readonly ended: Promise<void>;
  readonly kill: (signal?: NodeJS.Signals) => Promise<void>;
  readonly output: () => string;
};

/** `under`: words in front of the program's own. */
export function serve(at: Installation, under: readonly string[] = []): Running {
  const [command = '', ...words] = [...under, ...at.program, 'serve', '--config', at.configFile];
  const began = performance.now();
  const child = spawn(command, words, {
    cwd: at.dir,
    env: at.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: under.length > 0,
  });
  let output = '';
  let alive = true;
  let pid = child.pid ?? 0;
  child.stderr?.on('data', (text: Buffer) => {
    output += text.toString();
  });
  const ended = new Promise<void>((done) => {
    child.on('error', () => done());
    child.on('close', () => done());
  }).then(() => {
    alive = false;
  });
  const ready = readyOf(child, ended).then((line) => {
    if (line === undefined) return undefined;
    pid = Number((JSON.parse(line) as { pid: number }).pid);
    return performance.now() - began;
  });
  return {
    pid: () => pid,
    alive: () => alive,
    ready,
    ended,
    kill: async (signal = 'SIGKILL') => {
      if (alive) process.kill(pid, signal);
      await ended;
    },
    output: () => output,
  };
}

function readyOf(child: ChildProcess, ended: Promise<void>): Promise<string | undefined> {
  let stdout = '';
  return new Promise((done, failed) => {
    const timer = setTimeout(() => {
      // With what it was started under.
      process.kill(-(child.pid ?? 0), 'SIGKILL');
      failed(new Error(`serve was not ready in ${READY_LIMIT_MS} ms`));
    }, READY_LIMIT_MS);
    const finish = (line: string | undefined): void => {
      clearTimeout(timer);
      done(line);
    };
    child.stdout?.on('data', (text: Buffer) => {
      stdout += text.toString();
      const line = stdout.split('\n').find((one) => one.includes('"listening"'));
      if (line?.endsWith('}')) finish(line);
    });
    void ended.then(() => finish(undefined));
  });
}
