// The demo to its end: what it says of who saw what is true, and it leaves nothing behind, however it ends.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { assertAbsent } from '#test/support/canary.ts';
import { layOut, screenOn } from './screen.ts';
import { CREDENTIALS, type Stage, setStage } from './stage.ts';
import { walk } from './walk.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const DEMO_MS = 60_000;
const WIDTH = 80;
const values = Object.values(CREDENTIALS);

/** Blocks of one kind, without their label: `  THE AGENT SEES …` and the framed lines below it. */
function blocks(text: string, label: string): string[] {
  const found = text.matchAll(new RegExp(`^  ${label}.*\\n((?:  │.*\\n)+)`, 'gm'));
  return [...found].map(([, lines = '']) => lines);
}

describe('the walk of the demo', () => {
  let stage: Stage;
  let shown = '';
  let pauses = 0;

  before(async () => {
    stage = await setStage();
    const write = (text: string): void => {
      shown += text;
    };
    const pause = async (): Promise<void> => {
      pauses += 1;
    };
    await walk(stage, screenOn({ write, width: WIDTH, paint: (_, text) => text, pause }, values));
  });
  after(() => stage?.dispose());

  it('gives the agent no byte of a credential, and shows none where it says what the agent saw', () => {
    const seen = blocks(shown, 'THE AGENT SEES').join('\n');
    assert.match(seen, /"\[redacted:billing\]"/);
    assert.ok(stage.received().includes('"in_7"'));
    for (const value of values) assertAbsent({ 'what the agent got': stage.received(), seen }, value);
  });

  it('reaches a service with the two permitted calls and the approved one, credential included, and with no other', () => {
    const { billing, slack } = stage.upstreams;
    const reached = [...billing.seen, ...slack.seen].map(({ method, url }) => `${method} ${url}`);
    assert.deepEqual(reached, ['GET /v1/invoices/in_7', 'POST /v1/refunds', 'POST /api/chat.postMessage']);
    const saw = blocks(shown, 'THE SERVICE SAW');
    assert.equal(saw.length, 7);
    assert.match(saw[0] ?? '', new RegExp(`x-api-key: ${CREDENTIALS.billing}  ◀ put in by STACK`));
    assert.match(saw[1] ?? '', new RegExp(`authorization: Bearer ${CREDENTIALS.slack}  ◀ put in by STACK`));
    assert.match(saw[4] ?? '', /POST \/v1\/refunds/);
    for (const refused of saw.slice(2).filter((_, at) => at !== 2)) assert.equal(refused, '  │ nothing\n');
  });

  it('shows every refusal by its code, and the log with all of it', () => {
    const codes = ['ACTION_DENIED', 'APPROVAL_GATE_DENIED', 'APPROVAL_GATE_DENIED', 'PASSPORT_REVOKED'];
    const told = blocks(shown, 'THE AGENT SEES').flatMap((text) => /"code": "(\w+)"/.exec(text)?.[1] ?? []);
    assert.deepEqual(told, codes);
    const [log = ''] = blocks(shown, 'THE LOG');
    for (const code of codes) assert.ok(log.includes(code), log);
    assert.match(blocks(shown, 'THE CHAIN')[0] ?? '', /"valid": true/);
  });

  it('fits the terminal and can be read step by step', () => {
    const wide = shown.split('\n').filter((line) => line.length > WIDTH);
    assert.deepEqual(wide, []);
    assert.ok(pauses >= shown.split('\n').filter((line) => line.startsWith('━━')).length - 1);
  });
});

describe('the layout of JSON', () => {
  it('breaks what does not fit, and reads back as the same value', () => {
    const value = { a: [1, { b: 'x y', c: null }], d: {}, e: [], text: 'no more than this' };
    for (const width of [30, 60, 200]) {
      const lines = layOut(value, { width });
      assert.deepEqual(JSON.parse(lines.join('\n')), value, `${width}`);
      assert.ok(
        lines.every((line) => line.length <= width),
        lines.join('\n'),
      );
    }
    assert.deepEqual(layOut({ a: 1 }, { width: 20 }), ['{ "a": 1 }']);
  });
});

describe('the process of the demo', () => {
  type End = { readonly code: number | null; readonly stdout: string; readonly stderr: string };
  type Started = { readonly child: ChildProcess; readonly end: Promise<End>; readonly shown: () => string };
  const started: Started[] = [];
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stack-demo-test-'));
  });
  after(async () => {
    for (const { child, end } of started) {
      child.kill();
      await end;
    }
    await rm(folder, { recursive: true, force: true });
  });

  function start(options: readonly string[]): {
    child: ChildProcess;
    end: Promise<End>;
    shown: () => string;
  } {
    const env = { ...process.env, TMPDIR: folder };
    const program = join(ROOT, 'test/demo/demo.ts');
    const child = spawn(process.execPath, [program, ...options], { env, stdio: 'pipe', timeout: DEMO_MS });
    const text = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (part: string) => {
        text[name] += part;
      });
    const end = new Promise<End>((done) => child.on('close', (code) => done({ code, ...text })));
    const one = { child, end, shown: () => text.stdout };
    started.push(one);
    return one;
  }

  async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise((done) => setTimeout(done, 50));
  }

  it('runs through without a terminal, in plain text, and removes its folder', async () => {
    const { end } = start([]);
    const { code, stdout, stderr } = await end;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /What you have seen/);
    assert.ok(!stdout.includes('\x1b'), 'no colours where no terminal is');
    assert.ok(!stdout.includes('sk_live_'), 'the key is nobody else’s concern');
    assert.deepEqual(await readdir(folder), []);
  });

  it('--keep says where everything is, and Ctrl-C ends it and all it started', {
    timeout: DEMO_MS,
  }, async () => {
    const { child, end, shown } = start(['--keep']);
    await until(() => /-d '/.test(shown()) || child.exitCode !== null);
    const config = /config {4}(\S+)/.exec(shown())?.[1] ?? '';
    const url = /(http:\/\/localhost:\d+)\/mcp/.exec(shown())?.[1] ?? '';
    const key = /sk_live_\w+/.exec(shown())?.[0];
    assert.ok(existsSync(config), shown());
    const answer = await fetch(`${url}/v1/proxy`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'x-stack-agent': 'support-bot',
        'content-type': 'application/json',
      },
      body: /-d '(.*)'/.exec(shown())?.[1] ?? '',
    });
    assert.equal(answer.status, 200, await answer.text());
    child.kill('SIGINT');
    assert.equal((await end).code, 0);
    await assert.rejects(fetch(`${url}/healthz`));
    assert.deepEqual(await readdir(folder), []);
  });

  it('leaves nothing behind when it is ended in the middle', { timeout: DEMO_MS }, async () => {
    const { child, end, shown } = start([]);
    await until(() => shown().includes('Starting'));
    child.kill('SIGTERM');
    assert.equal((await end).code, 143);
    assert.deepEqual(await readdir(folder), []);
  });

  it('refuses an option that it does not know', async () => {
    const { code, stderr } = await start(['--fast']).end;
    assert.equal(code, 2);
    assert.match(stderr, /--no-pause/);
  });
});
