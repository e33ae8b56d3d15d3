// The URL gate: the raw text decides, and only text that says the same thing to every parser passes (security.md 0.6).
import { isIPv4 } from 'node:net';
import { Fault } from '#kernel/errors.ts';
import { URL_BYTES_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';

export type CanonicalUrl = {
  /** Equal to what `new URL(text).href` prints. */
  readonly href: string;
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** Raw, as given. */
  readonly path: string;
  /** Raw text after `?`, or undefined. */
  readonly query: string | undefined;
  readonly ipLiteral: boolean;
};

export type Binding = {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly hosts: readonly string[];
};

const PORTS = { https: 443, http: 80 } as const;
const PORT_MAX = 65_535;
const SHAPE = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?]*)([^?]*)(?:\?(.*))?/s;
type Parts = readonly [text: string, scheme: string, authority: string, path: string, query?: string];
const AUTHORITY = /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:]*))(?::(.*))?$/;
const PRINTABLE = /^[\x21-\x7e]*$/;
const HOST =
  /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
/** A last label that some parser takes for a number makes the host an address. */
const NUMERIC_LABEL = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;
const PATH_CHARS = /^[A-Za-z0-9\-._~!$&'()*+,=:@/%]*$/;
/** RFC 3986 query without the apostrophe, which WHATWG parsers encode. */
const QUERY_CHARS = /^[A-Za-z0-9\-._~!$&()*+,;=:@/?%]*$/;
const BAD_PERCENT = /%(?![0-9A-Fa-f]{2})/;
const ENCODED_UNRESERVED = /%(?:2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aA]|5[fF]|6[1-9a-fA-F]|7[0-9aA]|7[eE])/;
const ENCODED_CONTROL = /%(?:[01][0-9A-Fa-f]|7[fF])/;

const deny = (reason: string): Result<never> =>
  refuse(new Fault('URL_DENIED', { detail: reason, metadata: { reason } }));

export function readUrl(text: string): Result<CanonicalUrl> {
  if (Buffer.byteLength(text) > URL_BYTES_MAX) return deny('too_long');
  if (!PRINTABLE.test(text)) return deny('illegal_char');
  if (text.includes('\\')) return deny('backslash');
  if (text.includes('#')) return deny('fragment');
  const parts = SHAPE.exec(text);
  if (parts === null) return deny('not_absolute');
  const [, rawScheme, authority, path, query] = parts as unknown as Parts;
  const scheme = rawScheme.toLowerCase();
  if (scheme !== 'https' && scheme !== 'http') return deny('scheme');
  const place = readAuthority(authority, scheme);
  if (!place.ok) return place;
  const problem = pathProblem(path) ?? queryProblem(query ?? '');
  if (problem !== undefined) return deny(problem);
  const { host, port, ipLiteral } = place.value;
  const shownHost = host.includes(':') ? `[${host}]` : host;
  const shownPort = port === PORTS[scheme] ? '' : `:${port}`;
  const href = `${scheme}://${shownHost}${shownPort}${path}${query === undefined ? '' : `?${query}`}`;
  return ok({ href, scheme, host, port, path, query, ipLiteral });
}

type Place = { readonly host: string; readonly port: number; readonly ipLiteral: boolean };

function readAuthority(authority: string, scheme: 'http' | 'https'): Result<Place> {
  if (authority.includes('@')) return deny('userinfo');
  if (authority.includes('%')) return deny('host_encoding');
  if (authority === '') return deny('empty_host');
  const [, bracketed, name, givenPort] = AUTHORITY.exec(authority.toLowerCase()) ?? [];
  const host = bracketed === undefined ? readHost(name) : readIpv6(bracketed);
  if (!host.ok) return host;
  const port = readPort(givenPort, scheme);
  return port.ok ? ok({ ...host.value, port: port.value }) : port;
}

type Host = Omit<Place, 'port'>;

/** One spelling per address, the one the platform prints; anything else could be compared wrongly. */
function readIpv6(host: string): Result<Host> {
  const printed = URL.parse(`http://[${host}]/`)?.hostname;
  return printed === `[${host}]` ? ok({ host, ipLiteral: true }) : deny('ip_literal');
}

function readHost(host: string | undefined): Result<Host> {
  // Brackets that hold no address, or stand around a part.
  if (host === undefined) return deny('ip_literal');
  if (host.endsWith('.')) return deny('trailing_dot');
  const ipLiteral = NUMERIC_LABEL.test(host);
  // Only the one spelling of dotted decimals is an address we can compare.
  if (ipLiteral && !isIPv4(host)) return deny('ip_literal');
  return HOST.test(host) ? ok({ host, ipLiteral }) : deny('host_syntax');
}

function readPort(text: string | undefined, scheme: 'http' | 'https'): Result<number> {
  if (text === undefined) return ok(PORTS[scheme]);
  if (!/^[1-9]\d{0,4}$/.test(text)) return deny('port_syntax');
  return Number(text) > PORT_MAX ? deny('port') : ok(Number(text));
}

function pathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'path_prefix';
  if (BAD_PERCENT.test(path)) return 'bad_percent';
  if (path.includes(';')) return 'semicolon';
  if (!PATH_CHARS.test(path)) return 'illegal_path_char';
  if (/%25/.test(path)) return 'double_encoding';
  if (/%5c/i.test(path)) return 'encoded_backslash';
  if (ENCODED_CONTROL.test(path)) return 'encoded_control';
  const decoded = decode(path);
  if (decoded === undefined) return 'bad_utf8';
  if (dotted(decoded)) return 'dot_segment';
  if (ENCODED_UNRESERVED.test(path)) return 'non_canonical_encoding';
  if (/\/\//.test(path)) return 'empty_segment';
  if (decoded.includes(';')) return 'semicolon';
  // A full-width slash or dot folds into the plain one somewhere behind us.
  return marks(decoded.normalize('NFKC')) === marks(decoded) ? undefined : 'unicode_confusable';
}

function queryProblem(query: string): string | undefined {
  if (BAD_PERCENT.test(query)) return 'bad_percent';
  return QUERY_CHARS.test(query) ? undefined : 'illegal_query_char';
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

const dotted = (path: string): boolean =>
  path.split('/').some((segment) => segment === '.' || segment === '..');
const marks = (text: string): string => text.replace(/[^/\\.]/g, '');

/** Scheme, host, port and base path of the service; answers the raw path below the base. */
export function bindUrl(url: CanonicalUrl, binding: Binding): Result<{ readonly relativePath: string }> {
  if (url.scheme !== binding.scheme) return deny('scheme');
  const named =
    url.host === binding.host ||
    (!url.ipLiteral && binding.hosts.some((rule) => matchesHost(rule, url.host)));
  if (!named) return deny(url.ipLiteral ? 'ip_literal' : 'host');
  if (url.port !== binding.port) return deny('port');
  if (!url.path.startsWith(`${binding.path}/`)) return deny('path_prefix');
  return ok({ relativePath: url.path.slice(binding.path.length) });
}

/** `*.` covers exactly one label. */
const matchesHost = (rule: string, host: string): boolean =>
  rule === host || rule === host.replace(/[^.]+\./, '*.');
