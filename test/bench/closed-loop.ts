// Load for capacity: every connection sends its next request when it has its answer. Whatever is sent is answered before the
// loop ends, so that calls can be counted against the log; one wrong answer ends the run.
import { percentile } from './statistics.ts';
import { openWire, type Target, type Wire } from './wire.ts';

export type Load = {
  readonly target: Target;
  readonly connections: number;
  /** Load before and in the window, in ms. */
  readonly warmMs: number;
  readonly windowMs: number;
  /** Called at the beginning and at the end of the window. */
  readonly onEdge?: (edge: 'begin' | 'end') => void;
};
export type Latencies = { readonly p50Us: number; readonly p99Us: number };
export type Loaded = Latencies & {
  /** All that were answered, warm-up included. */
  readonly calls: number;
  readonly windowCalls: number;
  readonly windowS: number;
};

const US_PER_MS = 1000;
/** No call lasts so long. */
const DRAIN_MS = 20_000;

export function latenciesOf(samplesMs: readonly number[]): Latencies {
  const sorted = Float64Array.from(samplesMs).sort();
  return { p50Us: percentile(sorted, 0.5) * US_PER_MS, p99Us: percentile(sorted, 0.99) * US_PER_MS };
}

const after = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

export async function closedLoop(load: Load): Promise<Loaded> {
  const samplesMs: number[] = [];
  const began = new Map<Wire, number>();
  let calls = 0;
  let isInWindow = false;
  let isEnding = false;
  let onIdle: () => void = () => undefined;
  const send = (wire: Wire): void => {
    began.set(wire, performance.now());
    wire.send();
  };
  const onAnswer = (wire: Wire): void => {
    calls += 1;
    if (isInWindow) samplesMs.push(performance.now() - (began.get(wire) ?? 0));
    if (isEnding) began.delete(wire);
    else send(wire);
    if (began.size === 0) onIdle();
  };
  const { promise: broken, reject: onFault } = Promise.withResolvers<never>();
  broken.catch(() => undefined);
  const wires: Wire[] = [];
  const run = async (): Promise<Loaded> => {
    for (let connection = 0; connection < load.connections; connection += 1)
      wires.push(await openWire(load.target, { connection, onAnswer, onFault }));
    for (const wire of wires) send(wire);
    await after(load.warmMs);
    load.onEdge?.('begin');
    const from = performance.now();
    isInWindow = true;
    await after(load.windowMs);
    isInWindow = false;
    const windowS = (performance.now() - from) / 1000;
    load.onEdge?.('end');
    const windowCalls = samplesMs.length;
    const late = setTimeout(() => onFault(new Error(`${began.size} calls were not answered`)), DRAIN_MS);
    await new Promise<void>((done) => {
      onIdle = done;
      isEnding = true;
    });
    clearTimeout(late);
    return { ...latenciesOf(samplesMs), calls, windowCalls, windowS };
  };
  try {
    return await Promise.race([run(), broken]);
  } finally {
    for (const wire of wires) wire.close();
  }
}
