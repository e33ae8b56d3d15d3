// The main-thread half of the writer: one batch in flight, the next is whatever queued meanwhile.
// When the worker is gone or its disk refuses, every unit is answered AUDIT_UNAVAILABLE: nothing is done unlogged.
import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { Fault } from '#kernel/errors.ts';
import {
  WRITER_BATCH_UNITS_MAX,
  WRITER_CLOSE_MS,
  WRITER_QUEUE_UNITS_MAX,
  WRITER_STALL_MS,
} from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Cell, Committed, Statement } from '#kernel/unit.ts';
import { createCondition } from './condition.ts';
import { type Trouble, Undecided, unavailable } from './trouble.ts';
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
  /** Takes no unit until it is called with undefined. */
  readonly bar: (trouble: Trouble | undefined) => void;
  /** Commits what waits, then stops the worker; gives up on a disk that does not answer. */
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
  /** No unit will be taken any more: only a new start can tell what the disk has kept. */
  readonly fatal?: (reason: string) => void;
};
const UNWATCHED: WriterWatch = { nowMs: () => 0, batch: () => undefined, trouble: () => undefined };

export type Answer = (result: Result<Committed>) => void;
type Waiting = { readonly unit: WriterUnit; readonly answer: Answer };

const FULL: Trouble = { kind: 'overloaded', text: 'the writer queue is full' };
const NO_ANSWER: Trouble = {
  kind: 'no_answer',
  text: `the disk has not answered for ${WRITER_STALL_MS} ms`,
};
const stopped = (text: string): Trouble => ({ kind: 'stopped', text });
const mistake = (detail: string): Result<never> => refuse(new Fault('AUDIT_UNAVAILABLE', { detail }));

export async function startWriter(worker: Worker, watch: WriterWatch = UNWATCHED): Promise<Writer> {
  await ready(worker);
  const condition = createCondition(watch.trouble);
  const lane = createLane(worker, watch.nowMs);
  let closing = false;
  let exited = false;
  /** Nobody waits longer for a disk that does not answer. */
  const stall = (batch: number): void => {
    if (batch !== lane.batch() || !lane.isBusy() || condition.isDead()) return;
    condition.stall(NO_ANSWER);
    lane.giveUp(NO_ANSWER);
  };
  // An answer that came while this thread was busy is heard first.
  const timer = setTimeout(() => setImmediate(stall, lane.batch()), WRITER_STALL_MS).unref();
  lane.onSent(() => timer.refresh());
  const fail = (trouble: Trouble): void => {
    condition.die(trouble, lane.depth() === 0);
    lane.abandon(trouble);
    if (!closing) watch.fatal?.(trouble.text);
  };
  worker.on('message', (message: WriterMessage) => {
    if (message.kind !== 'answers') return;
    const { refusal } = message;
    const { units, sentMs } = lane.sent();
    watch.batch({ units, durationMs: watch.nowMs() - sentMs, refused: refusal !== undefined });
    if (refusal?.kind === 'fsync_failed') return fail(refusal);
    condition.answered(refusal);
    lane.answered(message.answers, refusal);
  });
  worker.on('error', (error) => fail(stopped(`the writer died: ${error.message}`)));
  worker.once('exit', () => {
    exited = true;
    fail(stopped('the writer has stopped'));
  });
  return {
    submit: (unit, answer) => {
      const obstacle = condition.obstacle() ?? (lane.isFull() ? FULL : undefined);
      if (obstacle !== undefined) queueMicrotask(() => answer(unavailable(obstacle)));
      else lane.take({ unit, answer });
    },
    changes: lane.changes,
    failure: condition.failure,
    bar: condition.bar,
    depth: lane.depth,
    close: async () => {
      closing = true;
      if (!condition.isDead() && lane.depth() > 0) await inTime(lane.onIdle);
      clearTimeout(timer);
      // A thread that is gone sends no second exit to wait for.
      if (!exited) await inTime((done) => stop(worker, done));
    },
  };
}

/** Waits for it, and gives up on a disk that does not answer. */
const inTime = (begin: (done: () => void) => void): Promise<void> =>
  Promise.race([new Promise<void>(begin), delay(WRITER_CLOSE_MS, undefined, { ref: false })]);

/** What waits, and the one batch that is with the thread. */
function createLane(worker: Worker, nowMs: () => number) {
  const queue: Waiting[] = [];
  let inFlight: readonly Waiting[] = [];
  let sentMs = 0;
  let batch = 0;
  let changes = 0;
  let due = false;
  let idle: (() => void) | undefined;
  let sending = (): void => undefined;
  const flush = (): void => {
    due = false;
    while (inFlight.length === 0 && queue.length > 0) {
      inFlight = handOver(worker, queue.splice(0, WRITER_BATCH_UNITS_MAX));
      sentMs = nowMs();
      batch += 1;
      sending();
    }
    if (inFlight.length === 0) idle?.();
  };
  /** What the disk was given may still be kept; what it was not goes back. */
  const giveUp = (trouble: Trouble): void => {
    inFlight = inFlight.map((waiting) => undecided(waiting, trouble));
    for (const { answer } of queue.splice(0)) answer(unavailable(trouble));
  };
  return {
    giveUp,
    isBusy: () => inFlight.length > 0,
    /** Number of the batch that was sent last. */
    batch: () => batch,
    isFull: () => queue.length >= WRITER_QUEUE_UNITS_MAX,
    depth: () => queue.length + inFlight.length,
    changes: () => changes,
    sent: () => ({ units: inFlight.length, sentMs }),
    onSent: (listener: () => void): void => {
      sending = listener;
    },
    onIdle: (listener: () => void): void => {
      idle = listener;
    },
    /** It leaves at the end of this turn of the event loop: what came in it shares one fsync. */
    take: (waiting: Waiting): void => {
      queue.push(waiting);
      if (due || inFlight.length > 0) return;
      due = true;
      setImmediate(flush);
    },
    answered: (answers: readonly WriterAnswer[], refusal: Trouble | undefined): void => {
      const answered = inFlight;
      inFlight = [];
      if (answered.some(({ unit }) => unit.statements.length > 0)) changes += 1;
      for (const [at, { answer }] of answered.entries()) answer(resultOf(answers[at], refusal));
      flush();
    },
    /** The thread is gone, or its disk cannot be trusted. */
    abandon: (trouble: Trouble): void => {
      changes += 1;
      giveUp(trouble);
      inFlight = [];
      idle?.();
    },
  };
}

/** Refuses for now, and keeps a place for what becomes of it. */
function undecided({ unit, answer }: Waiting, trouble: Trouble): Waiting {
  const { promise, resolve } = Promise.withResolvers<Result<Committed>>();
  answer(refuse(new Undecided(trouble, promise)));
  return { unit, answer: resolve };
}

/** Answers what was sent. A unit that cannot be copied to the thread is our mistake: refused alone, it stops no other. */
function handOver(worker: Worker, batch: readonly Waiting[]): readonly Waiting[] {
  try {
    worker.postMessage(flat(batch));
    return batch;
  } catch (thrown) {
    const sound = batch.filter(({ unit }) => canBeCopied(unit));
    const refused = sound.length === batch.length ? batch : batch.filter((one) => !sound.includes(one));
    for (const { answer } of refused) answer(mistake(String(thrown)));
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
function stop(worker: Worker, done: () => void): void {
  worker.once('exit', done);
  worker.postMessage('close');
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

/** `refusal`: why the disk took nothing of the batch. Without it a unit that is unavailable is one that cannot be run. */
function resultOf(answer: WriterAnswer | undefined, refusal: Trouble | undefined): Result<Committed> {
  if (typeof answer === 'number') return ok({ lastSeq: answer });
  const [kind, reason] = answer ?? ['unavailable', 'the writer did not answer'];
  if (kind === 'conflict') return refuse(new Fault('CONFLICT', { detail: reason }));
  return refusal === undefined ? mistake(reason) : unavailable(refusal);
}
