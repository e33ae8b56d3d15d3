// What the command line says: which systems, how long, how often, and which of the long parts.
import { parseArgs } from 'node:util';

export const PARTS = [
  'compare',
  'arrivals',
  'streams',
  'slow-disk',
  'footprint',
  'verification',
  'profile',
] as const;
export type Part = (typeof PARTS)[number];

export const USAGE = `npm run bench [-- options]
  --quick          one repeat of 1 s, for a look; its figures are worth little
  --long           memory up to the 300,000th call
  --profile        where the time of a call goes, and nothing else; of the form that --only names, by default path
  --parts a,b      compare (the systems), arrivals (calls at random), streams (events), slow-disk, footprint (memory, start),
                   verification (of passports), profile; by default all
  --only a,b       compare these systems, and no other part: direct, undici, nginx, mitmproxy, path, proxy, mcp, mcp-2025,
                   empty, empty-2025, mcp-mcp, undici-mcp, mcp-proxy, supergateway
  --connections a  numbers of connections, by default 1,16,64
  --repeats n      by default 5
  --seconds n      of each measurement, by default 2.5
  --entry path     what of ours is run, by default dist/stack
  --data folder    where data directories are made, by default dist: the disk that commits go to
Environment: MITMDUMP names mitmproxy's program where it is not on the path.
`;

export type Settings = {
  readonly parts: readonly Part[];
  readonly only: readonly string[] | undefined;
  readonly connections: readonly number[];
  readonly repeats: number;
  readonly seconds: number;
  readonly entry: string;
  readonly data: string | undefined;
  readonly isLong: boolean;
  readonly warmUpCalls: number;
};

const WARM_UP_CALLS = 20_000;
/** Cold, and so slow, but enough for a look. */
const QUICK_WARM_UP_CALLS = 2_000;

const options = {
  quick: { type: 'boolean' },
  only: { type: 'string' },
  connections: { type: 'string' },
  repeats: { type: 'string' },
  seconds: { type: 'string' },
  entry: { type: 'string' },
  data: { type: 'string' },
  profile: { type: 'boolean' },
  long: { type: 'boolean' },
  parts: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** A number above 0, or what is to be taken in its place. Throws on anything else. */
function positive(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!(value > 0)) throw new Error(`--${name} takes a number above 0, not ${text}`);
  return value;
}

type Wish = { readonly profile?: boolean; readonly only?: string; readonly parts?: string };

function partsOf({ profile, only, parts }: Wish): readonly Part[] {
  if (profile === true) return ['profile'];
  if (parts === undefined) return only === undefined ? PARTS : ['compare'];
  return parts.split(',').map((name) => {
    const part = PARTS.find((one) => one === name);
    if (part === undefined) throw new Error(`--parts takes ${PARTS.join(', ')}, not ${name}`);
    return part;
  });
}

/** `undefined` where help is asked for. Throws on an unknown option or a wrong value. */
export function settingsOf(args: readonly string[]): Settings | undefined {
  const { values } = parseArgs({ args: [...args], options });
  if (values.help === true) return undefined;
  const isQuick = values.quick === true;
  return {
    parts: partsOf(values),
    only: values.only?.split(','),
    connections: (values.connections ?? '1,16,64').split(',').map((text) => positive('connections', text, 1)),
    repeats: positive('repeats', values.repeats, isQuick ? 1 : 5),
    seconds: positive('seconds', values.seconds, isQuick ? 1 : 2.5),
    entry: values.entry ?? 'dist/stack',
    data: values.data,
    isLong: values.long === true,
    warmUpCalls: isQuick ? QUICK_WARM_UP_CALLS : WARM_UP_CALLS,
  };
}
