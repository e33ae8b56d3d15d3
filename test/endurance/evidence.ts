// What a run has seen, as data: calls as their callers saw them, the log as its reader found it, the upstream's memory, the
// process from outside. `judge.ts` makes verdicts of it.
import type { Reading } from './forms.ts';
import type { Form, Settings } from './settings.ts';

type Made = {
  /** No two calls of a run share one. */
  readonly mark: string;
  /** Index of the agent that made it. */
  readonly agent: number;
  readonly form: Form;
  /** All three by performance.now() of the generator: when it was to be sent, was sent, and ended. */
  readonly dueMs: number;
  readonly sentMs: number;
  readonly endMs: number;
};
/** `cut`: no whole answer. */
export type Call = Made & (Reading | { readonly kind: 'cut'; readonly why: string });

/** From just before a kill until the next process is ready. */
export type Outage = { readonly fromMs: number; readonly toMs: number };

/** What the log has of one mark. */
export type Trace = {
  readonly jti: string;
  readonly intents: number;
  readonly outcomes: readonly string[];
};
export type LogEvidence = {
  readonly entries: number;
  readonly traces: ReadonlyMap<string, Trace>;
  /** Entries by action. */
  readonly actions: ReadonlyMap<string, number>;
  /** Holes, broken links, outcomes of nothing. */
  readonly faults: readonly string[];
  /** Pages that were read while it was written. */
  readonly pages: number;
  readonly walks: number;
  readonly slowestWalkMs: number;
};

export type Sample = {
  readonly atMs: number;
  readonly pid: number;
  readonly rssMb: number;
  readonly connections: number;
};
/** Delay of the event loop in one span. */
export type LoopDelay = { readonly p99Ms: number; readonly maxMs: number };

/** What was done to the appliance beside the load. */
export type Acts = {
  readonly rotations: number;
  readonly reloads: number;
  readonly kills: number;
  readonly slowestStartMs: number;
  /** Acts that failed, without a kill that broke them. */
  readonly faults: readonly string[];
};

/** What is found when the appliance has been told to stop. */
export type Remains = {
  /** How it ended, and what its process log has of trouble. */
  readonly faults: readonly string[];
  /** Of the chain, read from the file by the test's own reader. */
  readonly chainFaults: readonly string[];
  /** Places that hold a credential, a passport or the key. */
  readonly leaks: readonly string[];
};

export type Evidence = {
  readonly settings: Settings;
  /** Of the load, by the same clock as all else. */
  readonly beganMs: number;
  readonly endedMs: number;
  readonly calls: readonly Call[];
  /** Passport of each agent, by index. */
  readonly jtis: readonly string[];
  readonly outages: readonly Outage[];
  readonly log: LogEvidence;
  readonly received: readonly string[];
  /** Requests that reached the upstream without the credential of their service. */
  readonly bare: number;
  readonly idleMb: number;
  readonly samples: readonly Sample[];
  readonly loop: readonly LoopDelay[];
  readonly cpuMs: number;
  readonly connectionsOpened: number;
  readonly acts: Acts;
  readonly remains: Remains;
};
