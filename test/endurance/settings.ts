// What the command line of the endurance run says: which of the two runs, how large, how long, and how often it is disturbed.
import { parseArgs } from 'node:util';

export const MODES = ['load', 'soak'] as const;
export type Mode = (typeof MODES)[number];
export const FORMS = ['path', 'proxy', 'mcp'] as const;
/** How a call is made: the path form, `POST /v1/proxy`, or the MCP tool. */
export type Form = (typeof FORMS)[number];

export const USAGE = `node build.mjs endurance load|soak [options]
  load             1,000 agents, 300 calls/s for 10 minutes
  soak             half of that for 30 minutes, with rotations of the keyring, reloads of the config and kill -9
  --seconds n      how long, by default 600 and 1800
  --agents n       each with a passport and a connection of its own, by default 1000
  --rate n         calls per second, at random, no matter how many are still open; by default 300 and 150
  --warm-up n      seconds that the growth of memory is not judged by, by default a fifth of the run, at most 120
  --forms a,b      path, proxy, mcp; by default all three, agent by agent in turn
  --verify-every n seconds between two walks over the chain, by default 10; 0 for none but that at the end
  --rotate-every n seconds, in a soak 60, else 0: never
  --reload-every n seconds, in a soak 10, else 0: never
  --kill-every n   seconds, in a soak 120, else 0: never
  --entry path     what is run, by default dist/stack
  --data folder    where the data directory is made, by default dist: the disk that commits go to
`;

export type Settings = {
  readonly mode: Mode;
  readonly seconds: number;
  readonly agents: number;
  readonly perS: number;
  readonly warmUpS: number;
  readonly forms: readonly Form[];
  /** All four: 0 is never. */
  readonly verifyEveryS: number;
  readonly rotateEveryS: number;
  readonly reloadEveryS: number;
  readonly killEveryS: number;
  readonly entry: string;
  readonly data: string | undefined;
};

type Defaults = Pick<Settings, 'seconds' | 'perS' | 'rotateEveryS' | 'reloadEveryS' | 'killEveryS'>;

/** Security plan 5.6. */
const DEFAULTS: Readonly<Record<Mode, Defaults>> = {
  load: { seconds: 600, perS: 300, rotateEveryS: 0, reloadEveryS: 0, killEveryS: 0 },
  soak: { seconds: 1800, perS: 150, rotateEveryS: 60, reloadEveryS: 10, killEveryS: 120 },
};
const AGENTS = 1_000;
const VERIFY_EVERY_S = 10;
const WARM_UP_SHARE = 0.2;
const WARM_UP_S_MAX = 120;
/** The longest life of a passport is an hour, and none is renewed in a run. */
const SECONDS_MAX = 3_300;
/** The appliance closes a connection that is idle for longer, and every agent's is to stay open. */
const IDLE_S_MAX = 60;

const text = { type: 'string' } as const;
const options = {
  seconds: text,
  agents: text,
  rate: text,
  'warm-up': text,
  forms: text,
  'verify-every': text,
  'rotate-every': text,
  'reload-every': text,
  'kill-every': text,
  entry: text,
  data: text,
  help: { type: 'boolean' },
} as const;

type Wish = { readonly name: string; readonly text: string | undefined; readonly otherwise: number };

function numberOf({ name, text: given, otherwise }: Wish, least: number): number {
  const value = given === undefined ? otherwise : Number(given);
  if (given === '' || !Number.isFinite(value) || value < least)
    throw new Error(`--${name} takes a number of at least ${least}, not ${given}`);
  return value;
}

function formsOf(given: string | undefined): readonly Form[] {
  if (given === undefined) return FORMS;
  return given.split(',').map((name) => {
    const form = FORMS.find((one) => one === name);
    if (form === undefined) throw new Error(`--forms takes ${FORMS.join(', ')}, not ${name}`);
    return form;
  });
}

/** `undefined` where help is asked for. Throws on an unknown mode or option, and on a wrong value. */
export function settingsOf(args: readonly string[]): Settings | undefined {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (values.help === true) return undefined;
  const mode = MODES.find((one) => one === positionals[0]);
  if (mode === undefined || positionals.length !== 1) throw new Error(`say one of ${MODES.join(', ')}`);
  const otherwise = DEFAULTS[mode];
  const every = (
    name: 'verify-every' | 'rotate-every' | 'reload-every' | 'kill-every',
    usual: number,
  ): number => numberOf({ name, text: values[name], otherwise: usual }, 0);
  const seconds = numberOf({ name: 'seconds', text: values.seconds, otherwise: otherwise.seconds }, 1);
  const warmUp = Math.min(seconds * WARM_UP_SHARE, WARM_UP_S_MAX);
  const settings = {
    mode,
    seconds,
    agents: Math.floor(numberOf({ name: 'agents', text: values.agents, otherwise: AGENTS }, 1)),
    perS: numberOf({ name: 'rate', text: values.rate, otherwise: otherwise.perS }, 0.1),
    warmUpS: numberOf({ name: 'warm-up', text: values['warm-up'], otherwise: warmUp }, 0),
    forms: formsOf(values.forms),
    verifyEveryS: every('verify-every', VERIFY_EVERY_S),
    rotateEveryS: every('rotate-every', otherwise.rotateEveryS),
    reloadEveryS: every('reload-every', otherwise.reloadEveryS),
    killEveryS: every('kill-every', otherwise.killEveryS),
    entry: values.entry ?? 'dist/stack',
    data: values.data,
  };
  assertFeasible(settings);
  return settings;
}

function assertFeasible({ seconds, agents, perS }: Settings): void {
  if (seconds > SECONDS_MAX)
    throw new Error(`--seconds takes at most ${SECONDS_MAX}: passports end after an hour`);
  if (agents / perS > IDLE_S_MAX)
    throw new Error(
      `${agents} agents at ${perS} calls/s: connections would be idle for over ${IDLE_S_MAX} s`,
    );
}
