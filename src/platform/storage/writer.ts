// The main-thread half of the writer: one batch in flight, the next is whatever queued meanwhile; no timer.
// When the worker is gone or its disk refuses, every unit is answered AUDIT_UNAVAILABLE: nothing is done unlogged.
import type { Worker } from 'node:worker_threads';
import { Fault } from '#kernel/errors.ts';
import { WRITER_BATCH_UNITS_MAX, WRITER_QUEUE_UNITS_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Committed, Unit } from '#kernel/unit.ts';
import type { WriterAnswer, WriterMessage, WriterRequest } from './writer-loop.ts';

export type Writer = {
  readonly submit: (unit: Unit) => Promise<Result<Committed>>;
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

type Waiting = { readonly request: WriterRequest; readonly answer: (result: Result<Committed>) => void };

const unavailable = (detail: string): Result<never> => refuse(new Fault('AUDIT_UNAVAILABLE', { detail }));

export async function startWriter(worker: Worker, watch: WriterWatch = UNWATCHED): Promise<Writer> {
  await ready(worker);
  const queue: Waiting[] = [];
  let inFlight = new Map<number, Waiting>();
  let sentMs = 0;
  /** Final: the thread is gone. */
  let death: string | undefined;
  /** The disk refused the last batch; the next one that commits ends it. */
  let refusal: string | undefined;
  let exited = false;
  let idle: (() => void) | undefined;
  let nextId = 1;

  const flush = (): void => {
    while (inFlight.size === 0 && queue.length > 0) {
      const sent = handOver(worker, queue.splice(0, WRITER_BATCH_UNITS_MAX));
      inFlight = new Map(sent.map((waiting) => [waiting.request.id, waiting]));
      sentMs = watch.nowMs();
    }
    if (inFlight.size === 0) idle?.();
  };
  const fail = (reason: string): void => {
    // Stopping with nothing left to do is no trouble.
    if (death === undefined && inFlight.size + queue.length > 0) watch.trouble(reason);
    death ??= reason;
    for (const waiting of [...inFlight.values(), ...queue.splice(0)]) waiting.answer(unavailable(reason));
    inFlight.clear();
    idle?.();
  };
  worker.on('message', (message: WriterMessage) => {
    if (message.kind !== 'answers') return;
    const refused = message.refusal !== undefined;
    watch.batch({ units: inFlight.size, durationMs: watch.nowMs() - sentMs, refused });
    if (refused !== (refusal !== undefined)) watch.trouble(message.refusal);
    refusal = message.refusal;
    for (const answer of message.answers) inFlight.get(answer.id)?.answer(resultOf(answer));
    inFlight.clear();
    flush();
  });
  worker.on('error', (error) => fail(`the writer died: ${error.message}`));
  worker.on('exit', () => {
    exited = true;
    fail('the writer has stopped');
  });

  return {
    submit: (unit) => {
      if (death !== undefined) return Promise.resolve(unavailable(death));
      if (queue.length >= WRITER_QUEUE_UNITS_MAX)
        return Promise.resolve(unavailable('the writer queue is full'));
      return new Promise((answer) => {
        queue.push({ request: { id: nextId++, unit }, answer });
        flush();
      });
    },
    failure: () => death ?? refusal,
    depth: () => queue.length + inFlight.size,
    close: async () => {
      if (death === undefined && (inFlight.size > 0 || queue.length > 0)) {
        await new Promise<void>((resolve) => {
          idle = resolve;
        });
      }
      // A thread that is gone sends no second exit to wait for.
      if (!exited) await stop(worker);
    },
  };
}

/** Answers what was sent. A unit that cannot be copied to the thread is our mistake: refused alone, it stops no other. */
function handOver(worker: Worker, batch: readonly Waiting[]): readonly Waiting[] {
  try {
    worker.postMessage(batch.map(({ request }) => request));
    return batch;
  } catch (thrown) {
    const sound = batch.filter(({ request }) => canBeCopied(request));
    const refused = sound.length === batch.length ? batch : batch.filter((one) => !sound.includes(one));
    for (const { answer } of refused) answer(unavailable(String(thrown)));
    return refused === batch || sound.length === 0 ? [] : handOver(worker, sound);
  }
}

function canBeCopied(request: WriterRequest): boolean {
  try {
    structuredClone(request);
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

function resultOf(answer: WriterAnswer): Result<Committed> {
  if (answer.kind === 'committed') return ok(answer.value);
  if (answer.kind === 'conflict') return refuse(new Fault('CONFLICT', { detail: answer.reason }));
  return unavailable(answer.reason);
}
