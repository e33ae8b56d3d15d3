// Stripe's own stand-in for its API, https://github.com/stripe/stripe-mock: it judges every request by Stripe's OpenAPI
// description and takes test keys only. It is a Go program; .ci/run builds it where Go is.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort } from './appliance.ts';

const READY_MS = 20_000;
const POLL_MS = 50;

/** STRIPE_MOCK says where it is; else it is looked for where `go install` and people put programs. */
export function stripeMockPath(): string | undefined {
  const named = process.env['STRIPE_MOCK'];
  if (named !== undefined && named !== '') return named;
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), join(homedir(), 'go', 'bin')];
  return folders.map((folder) => join(folder, 'stripe-mock')).find((path) => existsSync(path));
}

export type StripeMock = {
  readonly url: string;
  /** What it says of every request, with the arguments it read. */
  readonly log: () => string;
  readonly stop: () => Promise<void>;
};

export async function startStripeMock(path: string): Promise<StripeMock> {
  const port = await freePort();
  const child = spawn(path, ['-http-addr', `127.0.0.1:${port}`], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  const closed = new Promise<void>((done) => child.once('close', () => done()));
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await closed;
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await Promise.race([ready(url, child), failed]);
  } catch (error) {
    await stop();
    throw new Error(`stripe-mock did not start: ${log}`, { cause: error });
  }
  return { url, log: () => log, stop };
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  const end = performance.now() + READY_MS;
  while (performance.now() < end && child.exitCode === null) {
    const answered = await fetch(url).then(
      () => true,
      () => false,
    );
    if (answered) return;
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  throw new Error('it does not answer');
}
