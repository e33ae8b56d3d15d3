// What the command line says: which systems, how long, how often, and which of the long parts.
import { parseArgs } from 'node:util';

export const USAGE = `npm run bench [-- options]
  --quick          one repeat of 1 s, for a look; its figures are worth little
  --only a,b       these systems only: direct, undici, nginx, path, proxy
  --connections a  numbers of connections, by default 1,16,64
  --repeats n      by default 5
  --seconds n      of each measurement, by default 2.5
  --entry path     what of ours is run, by default dist/stack
  --profile        only says where the time of a call goes; of the form that --only names, by default path
  --data folder    where the data directory is made, by default below dist: the disk that commits go to
`;

export type Settings = {
  readonly only: readonly string[] | undefined;
  readonly connections: readonly number[];
  readonly repeats: number;
  readonly seconds: number;
  readonly entry: string;
  readonly data: string | undefined;
  readonly isProfile: boolean;
  readonly warmUpCalls: number;
};

const WARM_UP_CALLS = 20_000;

const options = {
  quick: { type: 'boolean' },
  only: { type: 'string' },
  connections: { type: 'string' },
  repeats: { type: 'string' },
  seconds: { type: 'string' },
  entry: { type: 'string' },
  data: { type: 'string' },
  profile: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/** A number above 0, or what is to be taken in its place. Throws on anything else. */
function positive(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!(value > 0)) throw new Error(`--${name} takes a number above 0, not ${text}`);
  return value;
}

/** `undefined` where help is asked for. Throws on an unknown option or a wrong value. */
export function settingsOf(args: readonly string[]): Settings | undefined {
  const { values } = parseArgs({ args: [...args], options });
  if (values.help === true) return undefined;
  const isQuick = values.quick === true;
  return {
    only: values.only?.split(','),
    connections: (values.connections ?? '1,16,64').split(',').map((text) => positive('connections', text, 1)),
    repeats: positive('repeats', values.repeats, isQuick ? 1 : 5),
    seconds: positive('seconds', values.seconds, isQuick ? 1 : 2.5),
    entry: values.entry ?? 'dist/stack',
    data: values.data,
    isProfile: values.profile === true,
    warmUpCalls: WARM_UP_CALLS,
  };
}
