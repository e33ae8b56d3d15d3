// The `server` section: where the appliance listens, whom it believes there, and how its log looks. The descriptions are the manual.
import { z } from 'zod';
import { PROXY_RANGE_BITS_MIN, PROXY_RANGES_MAX } from '#kernel/limits.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogSettings } from '#platform/log/log.ts';
import { parseRange } from '#platform/net/address.ts';
import { isLoopbackPlace, type ListenPlace, readPlace } from '#platform/net/listening.ts';

const PORT_MAX = 65_535;
const DEFAULT_PLACE = '127.0.0.1:7822';
/** What a Host header may say: a name or an address, and a port where it is not the usual one. */
const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;
const LOOPBACK_HOSTS = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

function rangeProblem(text: string): string | undefined {
  const range = parseRange(text);
  if (range === undefined)
    return 'must be an address or a range without host bits, such as 10.0.0.5 or 10.0.0.0/24';
  return range.bits < PROXY_RANGE_BITS_MIN
    ? 'this range is nearly everybody; name the reverse proxies'
    : undefined;
}

const proxyRange = z.string().check((context) => {
  const problem = rangeProblem(context.value);
  if (problem !== undefined) context.issues.push({ code: 'custom', message: problem, input: context.value });
});

const placeOf = (text: string): ListenPlace => readPlace(text) ?? { host: '127.0.0.1', port: 0 };

export const serverSettings = z
  .strictObject({
    listen: z
      .string()
      .refine(
        (text) => readPlace(text) !== undefined,
        'listen must be ADDRESS:PORT, such as 127.0.0.1:7822, 0.0.0.0:7822 or [::]:7822',
      )
      .refine((text) => Number(text.split(':').at(-1)) <= PORT_MAX, `port must be at most ${PORT_MAX}`)
      .default(DEFAULT_PLACE)
      .describe('Address and port. Beyond loopback it needs behind_proxy.'),
    public_url: z
      .string()
      .regex(
        /^https?:\/\/[A-Za-z0-9.[\]:-]+$/,
        'public_url must be an origin like http://localhost:7822, with no path and no trailing slash',
      )
      .default('http://localhost:7822')
      .describe('How agents reach the appliance; issuer and audience of passports.'),
    hosts: z
      .array(
        z.string().regex(HOST, 'must be a Host value such as stack.corp.example or stack.corp.example:8443'),
      )
      .default([])
      .describe('Further Host values that are accepted.'),
    behind_proxy: z
      .array(proxyRange)
      .max(PROXY_RANGES_MAX)
      .default([])
      .describe(
        'Addresses or ranges of the reverse proxies that speak TLS: they alone are served, and believed.',
      ),
    log: z
      .strictObject({
        format: z
          .enum(LOG_FORMATS)
          .default('auto')
          .describe('json, text, or auto: text at a terminal, else JSON.'),
        level: z.enum(LOG_LEVELS).default('info').describe('The least that is written.'),
      })
      .prefault({})
      .describe('The process log on standard error.'),
  })
  .superRefine(({ listen, public_url, behind_proxy }, context) => {
    if (isLoopbackPlace(placeOf(listen))) return;
    if (behind_proxy.length === 0) {
      const message =
        'listen beyond loopback needs behind_proxy: the addresses of the reverse proxies that speak TLS; TLS of its own is not in this version';
      context.addIssue({ code: 'custom', path: ['listen'], message });
    }
    if (isClear(public_url)) {
      const message = 'public_url must be https:// beyond loopback: keys and passports travel to it';
      context.addIssue({ code: 'custom', path: ['public_url'], message });
    }
  });
type Section = z.infer<typeof serverSettings>;

export type ServerConfig = {
  readonly listen: ListenPlace;
  readonly publicUrl: string;
  readonly hosts: readonly string[];
  /** Peers that are served beyond loopback, and whose X-Forwarded-For and -Proto are believed. */
  readonly behindProxy: readonly string[];
  readonly log: LogSettings;
};

export function serverOf({ listen, public_url, hosts, behind_proxy, log }: Section): ServerConfig {
  return {
    listen: placeOf(listen),
    publicUrl: public_url,
    hosts,
    behindProxy: behind_proxy,
    log,
  };
}

type Warning = { readonly path: readonly string[]; readonly message: string };

/** What may be meant, and mostly is not. */
export function serverWarnings({ listen, public_url }: Section): readonly Warning[] {
  const path = ['server', 'public_url'];
  if (isLoopbackPlace(placeOf(listen)))
    return isClear(public_url)
      ? [{ path, message: 'public_url is http:// beyond loopback: keys and passports travel in clear text' }]
      : [];
  return isLoopbackUrl(public_url)
    ? [{ path, message: 'public_url still names loopback, where agents on other machines reach nothing' }]
    : [];
}

const isLoopbackUrl = (url: string): boolean => LOOPBACK_HOSTS.test(hostOf(url));
const isClear = (url: string): boolean => url.startsWith('http://') && !isLoopbackUrl(url);
/** The pattern of public_url lets texts through that are no URL, such as two colons. */
const hostOf = (url: string): string => URL.parse(url)?.hostname ?? '';
