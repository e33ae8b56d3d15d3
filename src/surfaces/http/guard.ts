// What every request must pass before anything reads it: Host list, web Origin, one credential, a plain path.
// Keeps DNS rebinding, cross-site pages, tokens in URLs and path tricks away from every route (security.md 3.1).
import type { IncomingMessage } from 'node:http';
import { Fault } from '#kernel/errors.ts';
import { isEveryAddress } from '#platform/net/listening.ts';
import { carriesToken, isProxyTarget } from '#surfaces/proxy/target.ts';

export type HostList = {
  /** Lower-case `host:port` values of the Host header that are ours. */
  readonly hosts: ReadonlySet<string>;
  /** Origins of our own pages, `scheme://host[:port]`. */
  readonly origins: ReadonlySet<string>;
};

/** Headers that decide who calls; two of one kind would leave the choice to the parser. */
const SINGLE = new Set([
  'host',
  'authorization',
  'x-passport-token',
  'x-stack-agent',
  'x-stack-intent',
  'x-stack-approval',
  'x-stack-idempotency-key',
  'content-type',
  'content-length',
]);
/** Headers of the path form, where there is no body of ours; elsewhere they are arguments, and not to hear them would be worse. */
const ARGUMENTS = [
  ['x-stack-idempotency-key', 'idempotency_key'],
  ['x-stack-approval', 'approval_id'],
] as const;
const TOKEN_PARAMETERS = [
  ...['access_token', 'token', 'passport', 'api_key', 'apikey', 'key', 'authorization'],
  // Secrets that verbs take in their bodies.
  ...['parent_token', 'challenge_id', 'value'],
];
/** Letters of our own routes; anything else could mean one thing to the guard and another to the router. */
const PLAIN_PATH = /^\/(?:[A-Za-z0-9._~:@!$'()*+,=-]+\/)*(?:[A-Za-z0-9._~:@!$'()*+,=-]+)?$/;
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/;

/** `list` is undefined on the local socket, where Host has no meaning. */
export function guardRequest(request: IncomingMessage, list: HostList | undefined): Fault | undefined {
  const repeated = repeatedHeader(request);
  if (repeated !== undefined) return invalid(`header ${repeated} is given twice`);
  if (list !== undefined) {
    const stranger = guardOrigin(request, list);
    if (stranger !== undefined) return stranger;
  }
  const unread = framingProblem(request);
  if (unread !== undefined) return invalid(unread);
  const target = request.url ?? '';
  if (!target.startsWith('/')) return invalid('request target is not in origin form');
  // Its path and query are the service's, for the URL gate to judge as they were written; only ours may not be in them.
  if (carriesToken(target)) return leaked();
  if (list !== undefined && isProxyTarget(target)) return undefined;
  const misplaced = ARGUMENTS.find(([name]) => request.headers[name] !== undefined);
  if (list !== undefined && misplaced !== undefined) return unheard(misplaced);
  const [path = '', query = ''] = split(target);
  if (!PLAIN_PATH.test(path) || DOT_SEGMENT.test(path)) {
    return new Fault('NOT_FOUND', { detail: 'path has characters that no route has' });
  }
  const names = [...new URLSearchParams(query).keys()].map((name) => name.toLowerCase());
  return names.some((name) => TOKEN_PARAMETERS.includes(name)) ? leaked() : undefined;
}

/** Node's parser takes any list of codings that ends in chunked, and versions that are not its own. */
function framingProblem({ headers, httpVersion }: IncomingMessage): string | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return `HTTP/${httpVersion} is not spoken here`;
  const coding = headers['transfer-encoding'];
  return coding === undefined || coding.toLowerCase() === 'chunked'
    ? undefined
    : 'transfer-encoding must be chunked and nothing else';
}

const leaked = (): Fault =>
  new Fault('UNAUTHORIZED', {
    detail: 'token in the URL',
    next: 'Send it in a header, or where the verb says so in the body. It stood in a URL, so treat it as leaked and replace it.',
  });

function guardOrigin(request: IncomingMessage, list: HostList): Fault | undefined {
  const host = request.headers.host?.toLowerCase();
  if (host === undefined || !list.hosts.has(host))
    return new Fault('HOST_DENIED', { detail: `host ${host}` });
  const { origin } = request.headers;
  if (origin !== undefined && !list.origins.has(origin.toLowerCase())) {
    return new Fault('ORIGIN_DENIED', { detail: `origin ${origin}` });
  }
  return undefined;
}

function split(target: string): readonly [string, string] {
  const mark = target.indexOf('?');
  return mark < 0 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)];
}

const unheard = ([header, argument]: (typeof ARGUMENTS)[number]): Fault =>
  new Fault('INVALID_REQUEST', {
    detail: `${header} is a header of the path form`,
    metadata: {
      issues: [{ path: header, message: `is for /proxy/<service>/ only; here it is ${argument}` }],
    },
    next: `Give ${argument} as an argument of the call.`,
  });

const invalid = (detail: string): Fault =>
  new Fault('INVALID_REQUEST', { detail, metadata: { issues: [{ path: '', message: detail }] } });

/** Node joins or drops repeated lines in `headers`; only the raw list tells. */
function repeatedHeader({ rawHeaders }: IncomingMessage): string | undefined {
  const seen: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    if (!SINGLE.has(name)) continue;
    if (seen.includes(name)) return name;
    seen.push(name);
  }
  return undefined;
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };
/** Other names of loopback that a client on this machine may type. */
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];

type Names = {
  readonly listenHost: string;
  readonly port: number;
  readonly publicUrl: string;
  readonly hosts: readonly string[];
};

/** The list of the names in force; put together again only when one of them has changed. */
export function createHostList(names: () => Names): () => HostList {
  let of: Names | undefined;
  let list: HostList = { hosts: new Set(), origins: new Set() };
  return () => {
    const now = names();
    const same =
      now.port === of?.port &&
      now.publicUrl === of.publicUrl &&
      now.hosts === of.hosts &&
      now.listenHost === of.listenHost;
    if (same) return list;
    of = now;
    list = hostList(now);
    return list;
  };
}

export function hostList({ listenHost, port, publicUrl, hosts }: Names): HostList {
  const url = new URL(publicUrl);
  const local = [...LOOPBACK_NAMES, ...literals(listenHost)].flatMap((name) => named(name, port));
  const further = hosts.flatMap((name) => (/:\d+$/.test(name) ? [name] : [name, `${name}:${port}`]));
  const publicPort = url.port === '' ? [`${url.hostname}:${DEFAULT_PORTS[url.protocol] ?? ''}`] : [];
  const away = [...further, url.host, ...publicPort];
  // A page that came without TLS may be anybody's on the way: it is no page of an https origin.
  const schemes = url.protocol === 'https:' ? ['https'] : ['http', 'https'];
  return {
    hosts: lower([...local, ...away]),
    origins: lower([...originsOf(['http', 'https'], local), ...originsOf(schemes, away)]),
  };
}

const lower = (texts: readonly string[]): ReadonlySet<string> =>
  new Set(texts.map((text) => text.toLowerCase()));
const originsOf = (schemes: readonly string[], names: readonly string[]): readonly string[] =>
  schemes.flatMap((scheme) => names.map((name) => `${scheme}://${name}`));

/** Clients leave the usual port out; our own listeners speak HTTP. */
const named = (name: string, port: number): readonly string[] =>
  String(port) === DEFAULT_PORTS['http:'] ? [name, `${name}:${port}`] : [`${name}:${port}`];

/** As it was written and as clients shorten it. `0.0.0.0` and `::` say where to listen and name nobody. */
function literals(host: string): readonly string[] {
  if (isEveryAddress(host)) return [];
  if (!host.includes(':')) return [host];
  return [`[${host}]`, new URL(`http://[${host}]`).hostname];
}
