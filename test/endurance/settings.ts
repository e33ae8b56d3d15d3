// The runs of the load plan (security plan 5.6) as data: how many agents, how fast, how long, how often disturbed.

export const FORMS = ['path', 'proxy', 'mcp'] as const;
/** How a call is made: the path form, `POST /v1/proxy`, or the MCP tool. Agents take them in turn. */
export type Form = (typeof FORMS)[number];

export type Settings = {
  readonly name: 'crowd' | 'soak' | 'sample';
  readonly seconds: number;
  /** Each has a passport and an open MCP connection of its own. */
  readonly agents: number;
  /** Calls arrive at random, no matter how many are still open. */
  readonly perS: number;
  /** What the process takes by then is not yet what it takes for ever. */
  readonly warmUpS: number;
  /** All four: 0 is never. */
  readonly verifyEveryS: number;
  readonly rotateEveryS: number;
  readonly reloadEveryS: number;
  readonly killEveryS: number;
};

const UNDISTURBED = { rotateEveryS: 0, reloadEveryS: 0, killEveryS: 0 };
const S_PER_MINUTE = 60;
const AGENTS = 1_000;
const VERIFY_EVERY_S = 10;
const WARM_UP_SHARE = 0.2;
const WARM_UP_S_MAX = 120;
/** The longest life of a passport is an hour, and none is renewed in a run. */
const MINUTES_MAX = 55;

function spanOf(minutes: number): Pick<Settings, 'seconds' | 'warmUpS'> {
  if (!(minutes > 0 && minutes <= MINUTES_MAX))
    throw new Error(`a run takes up to ${MINUTES_MAX} minutes, since passports end after an hour`);
  const seconds = minutes * S_PER_MINUTE;
  return { seconds, warmUpS: Math.min(seconds * WARM_UP_SHARE, WARM_UP_S_MAX) };
}

export const crowd = (minutes = 10): Settings => ({
  name: 'crowd',
  ...spanOf(minutes),
  agents: AGENTS,
  perS: 300,
  verifyEveryS: VERIFY_EVERY_S,
  ...UNDISTURBED,
});

/** Half the load; a short one is disturbed more often, so that it meets everything several times. */
export function soak(minutes = 30): Settings {
  const span = spanOf(minutes);
  return {
    ...crowd(minutes),
    name: 'soak',
    perS: 150,
    rotateEveryS: Math.min(60, span.seconds / 6),
    reloadEveryS: Math.min(10, span.seconds / 8),
    killEveryS: Math.min(120, span.seconds / 4),
  };
}

/** What `npm test` has time for. */
export const sample: Settings = {
  name: 'sample',
  seconds: 10,
  warmUpS: 2,
  agents: 60,
  perS: 60,
  verifyEveryS: 2,
  rotateEveryS: 3,
  reloadEveryS: 2,
  killEveryS: 4,
};
