// The agent: a registered identity an AI process acts as. Grants are a ceiling that the live config sets.
export const MODES = ['enforced', 'logged', 'standard'] as const;
export type Mode = (typeof MODES)[number];

/** Position in MODES: a smaller one is stricter. */
export const looser = (mode: Mode, than: Mode): boolean => MODES.indexOf(mode) > MODES.indexOf(than);
export const stricter = (a: Mode, b: Mode): Mode => (looser(a, b) ? b : a);

/** An agent's access to one service, as scopes `service:resource:verb` with `*` parts. */
export type Grant = { readonly service: string; readonly scopes: readonly string[] };

export type Agent = {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly mode: Mode;
  readonly onWarning: 'notify' | 'block';
  readonly onCritical: 'notify' | 'block';
  readonly status: 'active' | 'blocked';
  readonly source: 'api' | 'config';
  readonly grants: readonly Grant[];
  readonly createdAtMs: number;
};

/** How many calls an agent may make; what is absent is not limited. */
export type AgentLimits = {
  readonly calls_per_minute?: number | undefined;
  /** Calls under way at once. */
  readonly concurrency?: number | undefined;
  /** Of the day in UTC. */
  readonly calls_per_day?: number | undefined;
  /** Of one session, with all its refreshes. */
  readonly calls_per_mission?: number | undefined;
};

/** What the YAML says of one agent, or of `"*"`: the ceiling of agents registered by a call. */
export type AgentSettings = {
  readonly mode: Mode | undefined;
  readonly services: readonly Grant[];
  readonly limits?: AgentLimits;
};
