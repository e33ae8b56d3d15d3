// The reader that hammers the log while it is written: pages it to its end again and again, follows seq and hash from entry to
// entry, notes what stands in it of every call, and has the chain walked.
import { setTimeout as pause } from 'node:timers/promises';
import type { Installation } from '#test/support/appliance.ts';
import { askLocally, type Json } from '#test/support/requests.ts';
import type { LogEvidence, Trace } from './evidence.ts';

const PAGE = 100;
const READ_EVERY_MS = 250;
/** The first few of a kind tell what is wrong. */
const FAULTS_MAX = 50;

export type LogReader = {
  /** Reads on and walks the chain until `finish`. */
  readonly start: () => void;
  /** Once more to the end and over the whole chain; waits for outcomes that are still on their way. */
  readonly finish: () => Promise<LogEvidence>;
};
type Options = {
  readonly verifyEveryS: number;
  /** Whether the appliance was killed since that moment, or is down: what fails then is no fault. */
  readonly wasCut: (sinceMs: number) => boolean;
};
type Tally = {
  readonly add: (entry: Json) => void;
  readonly lastSeq: () => number;
  readonly openIntents: () => number;
  readonly evidence: () => Pick<LogEvidence, 'entries' | 'traces' | 'actions' | 'faults'>;
  readonly fault: (text: string) => void;
};

/** What entries, given in their order, say of calls; and whether each follows the one before. */
export function tallyLog(): Tally {
  const traces = new Map<string, { jti: string; intents: number; outcomes: string[] }>();
  const marks = new Map<string, string>();
  const actions = new Map<string, number>();
  const faults: string[] = [];
  let [seq, hash, open] = [0, '0'.repeat(64), 0];
  const fault = (text: string): void => {
    if (faults.length < FAULTS_MAX) faults.push(text);
  };
  const intend = (entry: Json): void => {
    const path = String(entry['path']);
    const mark = path.slice(path.lastIndexOf('/') + 1);
    const trace = traces.get(mark) ?? { jti: String(entry['passport_jti']), intents: 0, outcomes: [] };
    trace.intents += 1;
    open += 1;
    traces.set(mark, trace);
    marks.set(String(entry['entry_id']), mark);
  };
  const settle = (entry: Json): void => {
    const trace = traces.get(marks.get(String(entry['refers_to'])) ?? '');
    if (trace === undefined) {
      fault(`entry ${seq}: an outcome of nothing`);
      return;
    }
    trace.outcomes.push(String(entry['outcome']));
    open -= 1;
  };
  const add = (entry: Json): void => {
    if (entry['seq'] !== seq + 1) fault(`after entry ${seq} came ${String(entry['seq'])}`);
    if (entry['prev_entry_hash'] !== hash) fault(`entry ${String(entry['seq'])} does not follow ${seq}`);
    seq = Number(entry['seq']);
    hash = String(entry['entry_hash']);
    const action = String(entry['action']);
    actions.set(action, (actions.get(action) ?? 0) + 1);
    if (action !== 'credential.proxy') return;
    if (entry['outcome'] === 'pending') intend(entry);
    else if (typeof entry['refers_to'] === 'string') settle(entry);
    else fault(`entry ${seq}: a call was ${String(entry['outcome'])}, ${String(entry['error_code'])}`);
  };
  const evidence: Tally['evidence'] = () => ({
    entries: seq,
    traces: traces as ReadonlyMap<string, Trace>,
    actions,
    faults,
  });
  return { add, lastSeq: () => seq, openIntents: () => open, evidence, fault };
}

/** Whether outcomes of calls that were answered are all there; they come after their answers. */
const SETTLE_TRIES = 40;

export function readLog(at: Installation, { verifyEveryS, wasCut }: Options): LogReader {
  const tally = tallyLog();
  let [going, pages, walks, slowestWalkMs] = [true, 0, 0, 0];
  const page = async (cursor: unknown): Promise<Json> => {
    const from = typeof cursor === 'string' ? `&cursor=${cursor}` : '';
    const { status, body, text } = await askLocally(at, `/v1/audit?limit=${PAGE}${from}`);
    if (status !== 200) throw new Error(`a page of the log: ${status} ${text}`);
    pages += 1;
    return body;
  };
  /** Pages come newest first; what is new is put in its order. */
  const readOn = async (): Promise<void> => {
    const known = tally.lastSeq();
    const gained: Json[] = [];
    for (let cursor: unknown; cursor !== null; ) {
      const { entries, next_cursor: next } = await page(cursor);
      const fresh = (entries as Json[]).filter((entry) => Number(entry['seq']) > known);
      gained.push(...fresh);
      cursor = fresh.length < PAGE ? null : next;
    }
    for (const entry of gained.reverse()) tally.add(entry);
  };
  const walk = async (): Promise<void> => {
    const least = tally.lastSeq();
    const beganMs = performance.now();
    const { status, body, text } = await askLocally(at, '/v1/audit/verify-chain');
    slowestWalkMs = Math.max(slowestWalkMs, performance.now() - beganMs);
    walks += 1;
    if (status !== 200 || body['valid'] !== true) tally.fault(`the chain does not verify: ${status} ${text}`);
    else if (Number(body['entries']) < least)
      tally.fault(`the walk found ${String(body['entries'])} entries where ${least} had been read`);
  };
  const repeat = async (step: () => Promise<void>, everyMs: number): Promise<void> => {
    while (going) {
      const beganMs = performance.now();
      await step().catch((error: unknown) => {
        if (!wasCut(beganMs)) tally.fault(`reading the log: ${String(error)}`);
      });
      await Promise.race([pause(everyMs), stopped.promise]);
    }
  };
  const stopped = Promise.withResolvers<void>();
  let loops: readonly Promise<void>[] = [];
  return {
    start: () => {
      const walking = verifyEveryS > 0 ? [repeat(walk, verifyEveryS * 1000)] : [];
      loops = [repeat(readOn, READ_EVERY_MS), ...walking];
    },
    finish: async () => {
      going = false;
      stopped.resolve();
      await Promise.all(loops);
      for (let tries = 0; tries === 0 || (tries < SETTLE_TRIES && tally.openIntents() > 0); tries += 1) {
        if (tries > 0) await pause(READ_EVERY_MS);
        await readOn();
      }
      await walk();
      return { ...tally.evidence(), pages, walks, slowestWalkMs };
    },
  };
}
