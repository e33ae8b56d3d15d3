// The open model: calls arrive at random and wait for no one. Each takes the agent that has rested longest, so that every
// connection is used in turn; where all are busy it waits for one, and that wait counts.
import { gapMs } from '#test/bench/open-loop.ts';
import type { AgentClient } from './agent.ts';
import type { Call } from './evidence.ts';

export type Load = {
  readonly agents: readonly AgentClient[];
  readonly perS: number;
  readonly seconds: number;
  readonly onCall: (call: Call) => void;
};

/** Timers are no finer; what is due at a tick goes out at once. */
const TICK_MS = 1;

type Due = { readonly mark: string; readonly dueMs: number };

/** Resolves when all calls that arrived have ended. */
export async function arriveAtRandom({ agents, perS, seconds, onCall }: Load): Promise<void> {
  const idle = [...agents];
  const waiting: Due[] = [];
  let [count, open] = [0, 0];
  let onQuiet: () => void = () => undefined;
  const send = async (due: Due, agent: AgentClient): Promise<void> => {
    const call = await agent.call(due);
    onCall(call);
    const next = waiting.shift();
    if (next !== undefined) return send(next, agent);
    idle.push(agent);
    open -= 1;
    if (open === 0) onQuiet();
  };
  const arrive = (dueMs: number): void => {
    count += 1;
    const due = { mark: `c${count}`, dueMs };
    const agent = idle.shift();
    if (agent === undefined) {
      waiting.push(due);
      return;
    }
    open += 1;
    void send(due, agent);
  };
  const end = performance.now() + seconds * 1000;
  let next = performance.now() + gapMs(perS);
  while (next < end) {
    for (; next <= performance.now() && next < end; next += gapMs(perS)) arrive(next);
    await new Promise((done) => setTimeout(done, TICK_MS));
  }
  if (open > 0)
    await new Promise<void>((done) => {
      onQuiet = done;
    });
}
