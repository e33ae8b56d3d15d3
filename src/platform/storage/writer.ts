// The main-thread half of the writer: one batch in flight, the next is whatever queued meanwhile; no timer.
// When the worker is gone or its disk refuses, every unit is answered AUDIT_UNAVAILABLE: nothing is done unlogged.
import type { Worker } from 'node:worker_threads';
import { Fault } from '#kernel/errors.ts';
import { WRITER_BATCH_UNITS_MAX, WRITER_QUEUE_UNITS_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Cell, Committed, Statement } from '#kernel/unit.ts';
import type { WriterAnswer, WriterBatch, WriterMessage } from './writer-loop.ts';

/** Changes with their entries of the log as flat cells. */
export type WriterUnit = { readonly statements: readonly Statement[]; readonly cells: readonly Cell[] };

export type Writer = {
  /** `answer` is called once, never before this returns. */
  readonly submit: (unit: WriterUnit, answer: Answer) => void;
  /** Grows whenever something beside the log may have changed, before whoever changed it is answered. */
  readonly changes: () => number;
  /** Why no unit can be taken, or why the last ones were not; undefined when all is well. */
  readonly failure: () => string | undefined;
  /** Units that wait for the thread or are with it. */
  readonly depth: () => number;
  /** Commits what waits, then stops the worker. */
  readonly close: () => Promise<void>;
};

/** Looks on; what it does cannot change what the writer does. */
export type WriterWatch = {
  /** Never goes back. */
  readonly nowMs: () => number;
  readonly batch: (batch: {
    readonly units: number;
    readonly durationMs: number;
    readonly refused: boolean;
  }) => void;
  /** The disk begins to refuse, with its reason, or takes units again. */
  readonly trouble: (reason: string | undefined) => void;
};
const UNWATCHED: WriterWatch = { nowMs: () => 0, batch: () => undefined, trouble: () => undefined };

export type Answer = (result: Result<Committed>) => void;
type Waiting = { readonly unit: WriterUnit; readonly answer: Answer };

const unavailable = (detail: string): Result<never> => refuse(new Fault('AUDIT_UNAVAILABLE', { detail }));

export async function startWriter(worker: Worker, watch: WriterWatch = UNWATCHED): Promise<Writer> {
  await ready(worker);
  const queue: Waiting[] = [];
  let inFlight: readonly Waiting[] = [];
  let sentMs = 0;
  /** Final: the thread is gone. */
  let death: string | undefined;
  const disk = createDisk(watch);
  let exited = false;
  let idle: (() => void) | undefined;
  let changes = 0;
  let due = false;

  const flush = (): void => {
    due = false;
    while (inFlight.length === 0 && queue.length > 0) {
      inFlight = handOver(worker, queue.splice(0, WRITER_BATCH_UNITS_MAX));
      sentMs = watch.nowMs();
    }
    if (inFlight.length === 0) idle?.();
  };
  /** At the end of this turn of the event loop: what came in it shares one fsync. */
  const soon = (waiting: Waiting): void => {
    queue.push(waiting);
    if (due || inFlight.length > 0) return;
    due = true;
    setImmediate(flush);
  };
  const fail = (reason: string): void => {
    // Stopping with nothing left to do is no trouble.
    if (death === undefined && inFlight.length + queue.length > 0) watch.trouble(reason);
    death ??= reason;
    changes += 1;
    for (const waiting of [...inFlight, ...queue.splice(0)]) waiting.answer(unavailable(reason));
    inFlight = [];
    idle?.();
  };
  worker.on('message', (message: WriterMessage) => {
    if (message.kind !== 'answers') return;
    disk.answered(message.refusal, { units: inFlight.length, sentMs });
    const answered = inFlight;
    inFlight = [];
    if (answered.some(({ unit }) => unit.statements.length > 0)) changes += 1;
    for (const [at, { answer }] of answered.entries()) answer(resultOf(message.answers[at]));
    flush();
  });
  worker.on('error', (error) => fail(`the writer died: ${error.message}`));
  worker.once('exit', () => {
    exited = true;
    fail('the writer has stopped');
  });
  return {
    submit: (unit, answer) => {
      const refused = death ?? (queue.length < WRITER_QUEUE_UNITS_MAX ? undefined : FULL);
      if (refused !== undefined) queueMicrotask(() => answer(unavailable(refused)));
      else soon({ unit, answer });
    },
    changes: () => changes,
    failure: () => death ?? disk.refusal(),
    depth: () => queue.length + inFlight.length,
    close: async () => {
      if (death === undefined && inFlight.length + queue.length > 0)
        await new Promise<void>((resolve) => {
          idle = resolve;
        });
      // A thread that is gone sends no second exit to wait for.
      if (!exited) await stop(worker);
    },
  };
}

const FULL = 'the writer queue is full';
type Sent = { readonly units: number; readonly sentMs: number };

/** What became of the last batch: refused by the disk, until the next one that commits. */
function createDisk(watch: WriterWatch) {
  let refusal: string | undefined;
  return {
    refusal: () => refusal,
    answered: (now: string | undefined, { units, sentMs }: Sent): void => {
      watch.batch({ units, durationMs: watch.nowMs() - sentMs, refused: now !== undefined });
      if ((now === undefined) !== (refusal === undefined)) watch.trouble(now);
      refusal = now;
    },
  };
}

/** Answers what was sent. A unit that cannot be copied to the thread is our mistake: refused alone, it stops no other. */
function handOver(worker: Worker, batch: readonly Waiting[]): readonly Waiting[] {
  try {
    worker.postMessage(flat(batch));
    return batch;
  } catch (thrown) {
    const sound = batch.filter(({ unit }) => canBeCopied(unit));
    const refused = sound.length === batch.length ? batch : batch.filter((one) => !sound.includes(one));
    for (const { answer } of refused) answer(unavailable(String(thrown)));
    return refused === batch || sound.length === 0 ? [] : handOver(worker, sound);
  }
}

function flat(batch: readonly Waiting[]): WriterBatch {
  const cells: Cell[] = [];
  const lengths: number[] = [];
  const statements: (readonly [number, readonly Statement[]])[] = [];
  for (const { unit } of batch) {
    if (unit.statements.length > 0) statements.push([lengths.length, unit.statements]);
    lengths.push(unit.cells.length);
    for (const cell of unit.cells) cells.push(cell);
  }
  return { cells, lengths, statements };
}

function canBeCopied(unit: WriterUnit): boolean {
  try {
    structuredClone(unit);
    return true;
  } catch {
    return false;
  }
}

/** The worker closes its own connection, so that the WAL is checkpointed. */
async function stop(worker: Worker): Promise<void> {
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  worker.postMessage('close');
  await exited;
}

function ready(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('message', (message: WriterMessage) => {
      if (message.kind === 'ready') resolve();
      else reject(new Error(message.kind === 'failed' ? message.reason : 'the writer answered out of turn'));
    });
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the writer has stopped before it was ready')));
  });
}

function resultOf(answer: WriterAnswer | undefined): Result<Committed> {
  if (typeof answer === 'number') return ok({ lastSeq: answer });
  const [kind, reason] = answer ?? ['unavailable', 'the writer did not answer'];
  return kind === 'conflict' ? refuse(new Fault('CONFLICT', { detail: reason })) : unavailable(reason);
}
