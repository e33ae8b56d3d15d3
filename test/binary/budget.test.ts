// What the executable takes of a machine: memory at rest, and work until it listens. Wall-clock time is shown and not judged,
// since other programs have a share in it. Runs where STACK_BINARY names what `npm run build` made; CI always does.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startAppliance } from '#test/support/appliance.ts';

const REST_BYTES_MAX = 120e6;
/** V8 gives back what the start needed when nothing has happened for some seconds. */
const REST_WITHIN_MS = 60_000;
/** About four times what a start takes, so that only a real loss shows. */
const START_CPU_MS_MAX = 1_000;
const STARTS = 5;
const KILOBYTE = 1_024;
/** proc(5): times are in clock ticks, a hundred a second on Linux. */
const TICK_MS = 10;

const built = process.env['STACK_BINARY'];
const skip = built === undefined && 'STACK_BINARY names no executable; .ci/run builds one and runs this';

const pidOf = (logs: string): number =>
  Number(/"pid":(\d+)/g.exec(logs.slice(logs.lastIndexOf('"listening"')))?.[1]);

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * KILOBYTE;
}

/** Of all its threads so far. */
async function cpuMs(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS;
}

describe('the executable', { skip }, () => {
  it('starts with little work and rests in little memory', { timeout: 180_000 }, async (t) => {
    const at = await startAppliance({ program: [resolve(built ?? '')] });
    try {
      const starts: { readonly wallMs: number; readonly workMs: number }[] = [];
      for (let turn = 0; turn < STARTS; turn += 1) {
        const { readyMs } = await at.restart();
        starts.push({ wallMs: Math.round(readyMs), workMs: await cpuMs(pidOf(at.logs())) });
      }
      t.diagnostic(
        `start to listening: ${starts.map(({ wallMs, workMs }) => `${wallMs} ms (CPU ${workMs})`).join(', ')}`,
      );
      const least = Math.min(...starts.map(({ workMs }) => workMs));
      assert.ok(least <= START_CPU_MS_MAX, `${least} ms of CPU until it listens`);
      const began = performance.now();
      const first = await residentBytes(pidOf(at.logs()));
      let now = first;
      while (now > REST_BYTES_MAX && performance.now() - began < REST_WITHIN_MS) {
        await delay(1_000);
        now = await residentBytes(pidOf(at.logs()));
      }
      const seconds = Math.round((performance.now() - began) / 1_000);
      t.diagnostic(
        `memory: ${(first / 1e6).toFixed(0)} MB at first, ${(now / 1e6).toFixed(0)} MB after ${seconds} s`,
      );
      assert.ok(now <= REST_BYTES_MAX, `${now} bytes at rest`);
    } finally {
      await at.dispose();
    }
  });
});
