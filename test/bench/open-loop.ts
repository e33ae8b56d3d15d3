// Load for latency: calls arrive when they arrive, at random and no matter how many are still open. A closed loop would wait
// with the system and so hide its stalls.
import { type Latencies, latenciesOf } from './closed-loop.ts';
import { openWire, type Target, type Wire } from './wire.ts';

export type Arrivals = { readonly perS: number; readonly warmS: number; readonly seconds: number };
export type Opened = Latencies & { readonly calls: number };

const WIRES_AT_FIRST = 64;
/** Timers are no finer; what is due at a tick goes out at once. */
const TICK_MS = 1;
const DRAIN_MS = 20_000;
const MS_PER_S = 1000;

/** Time to the next arrival of a Poisson process, in ms. */
export const gapMs = (perS: number): number => (-Math.log(1 - Math.random()) * MS_PER_S) / perS;

export async function openLoop(target: Target, { perS, warmS, seconds }: Arrivals): Promise<Opened> {
  const samplesMs: number[] = [];
  const began = new Map<Wire, number>();
  const idle: Wire[] = [];
  const wires: Wire[] = [];
  let calls = 0;
  let counted = false;
  const { promise: broken, reject: onFault } = Promise.withResolvers<never>();
  broken.catch(() => undefined);
  const onAnswer = (wire: Wire): void => {
    const sentAt = began.get(wire) ?? 0;
    began.delete(wire);
    idle.push(wire);
    calls += 1;
    if (counted) samplesMs.push(performance.now() - sentAt);
  };
  const addWire = async (): Promise<void> => {
    const wire = await openWire(target, { connection: wires.length, onAnswer, onFault });
    wires.push(wire);
    idle.push(wire);
  };
  const send = (): void => {
    const wire = idle.pop();
    // The call goes out as soon as its connection is open; dialling is part of the price of a stall.
    if (wire === undefined) return void addWire().then(send, onFault);
    began.set(wire, performance.now());
    wire.send();
  };
  const arrive = async (forMs: number): Promise<void> => {
    const end = performance.now() + forMs;
    let next = performance.now() + gapMs(perS);
    while (performance.now() < end) {
      for (; next <= performance.now(); next += gapMs(perS)) send();
      await new Promise((done) => setTimeout(done, TICK_MS));
    }
  };
  const run = async (): Promise<Opened> => {
    for (let count = 0; count < WIRES_AT_FIRST; count += 1) await addWire();
    await arrive(warmS * MS_PER_S);
    counted = true;
    await arrive(seconds * MS_PER_S);
    const late = performance.now() + DRAIN_MS;
    while (began.size > 0 && performance.now() < late) await new Promise((done) => setTimeout(done, TICK_MS));
    if (began.size > 0) throw new Error(`${began.size} calls were not answered`);
    return { ...latenciesOf(samplesMs), calls };
  };
  try {
    return await Promise.race([run(), broken]);
  } finally {
    for (const wire of wires) wire.close();
  }
}
