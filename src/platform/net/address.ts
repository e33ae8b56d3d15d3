// Which addresses a dial may go to: parsed to bytes, known-good ranges only (corpus, address rule).
import { isIPv4, isIPv6 } from 'node:net';

export type NetworkRule =
  | { readonly kind: 'public' }
  | { readonly kind: 'private'; readonly ranges: readonly string[] }
  | { readonly kind: 'loopback' };

export type Cidr = { readonly family: 4 | 6; readonly base: bigint; readonly bits: number };

const IPV4_BITS = 32;
const IPV6_BITS = 128;
const IPV6_GROUPS = 8;
const HEX = 16;
const DOTTED = /\d+\.\d+\.\d+\.\d+/;
const CIDR = /^[^/]+\/\d{1,3}$/;

const widthOf = (family: Address['family']): number => (family === 4 ? IPV4_BITS : IPV6_BITS);

/** RFC 6890 and its registry: nothing in here is global unicast. */
const IPV4_CLOSED = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
].map(cidrOf);
const IPV6_OPEN = cidrOf('2000::/3');
/** Inside 2000::/3: protocol assignments with Teredo, 6to4, documentation. */
const IPV6_CLOSED = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map(cidrOf);
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'].map(cidrOf);
const LOOPBACK = ['127.0.0.0/8', '::1/128'].map(cidrOf);

type Address = { readonly family: 4 | 6; readonly value: bigint };

function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, value: valueOfIpv4(text) };
  return isIPv6(text) && !text.includes('%') ? { family: 6, value: valueOfIpv6(text) } : undefined;
}

function valueOfIpv4(text: string): bigint {
  return text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

function valueOfIpv6(text: string): bigint {
  const hex = text.replace(DOTTED, (dotted) => {
    const low = valueOfIpv4(dotted);
    return `${(low >> 16n).toString(HEX)}:${(low & 0xffffn).toString(HEX)}`;
  });
  const sides = hex.split('::').map((side) => (side === '' ? [] : side.split(':')));
  const zeros = Array<string>(IPV6_GROUPS - sides.flat().length).fill('0');
  const groups = sides.toSpliced(1, 0, zeros).flat();
  return groups.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}

export function parseCidr(text: string): Cidr | undefined {
  if (!CIDR.test(text)) return undefined;
  const cut = text.indexOf('/');
  const parsed = parseAddress(text.slice(0, cut));
  if (parsed === undefined) return undefined;
  const bits = Number(text.slice(cut + 1));
  const width = widthOf(parsed.family);
  // Host bits would say that the writer meant something else than the range.
  if (bits > width || parsed.value % (1n << BigInt(width - bits)) !== 0n) return undefined;
  return { family: parsed.family, base: parsed.value, bits };
}

function cidrOf(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Error(`not a range: ${text}`);
  return cidr;
}

function holds({ family, base, bits }: Cidr, address: Address): boolean {
  if (family !== address.family) return false;
  const shift = BigInt(widthOf(family) - bits);
  return address.value >> shift === base >> shift;
}

/** Whether a range may be opened by `network: {private: […]}`: it lies inside RFC 1918 or fc00::/7. */
export function isPrivateRange(text: string): boolean {
  const cidr = parseCidr(text);
  if (cidr === undefined) return false;
  return PRIVATE.some(
    (range) => range.bits <= cidr.bits && holds(range, { family: cidr.family, value: cidr.base }),
  );
}

export function isAllowedAddress(text: string, rule: NetworkRule): boolean {
  const address = parseAddress(text);
  if (address === undefined) return false;
  const within = (ranges: readonly Cidr[]): boolean => ranges.some((range) => holds(range, address));
  if (rule.kind === 'loopback') return within(LOOPBACK);
  if (rule.kind === 'private') {
    const ranges = rule.ranges.length === 0 ? PRIVATE : rule.ranges.map(cidrOf);
    if (within(PRIVATE)) return within(ranges);
  }
  if (address.family === 4) return !within(IPV4_CLOSED);
  return holds(IPV6_OPEN, address) && !within(IPV6_CLOSED);
}

export const isLoopbackAddress = (text: string): boolean => isAllowedAddress(text, { kind: 'loopback' });

const MAPPED = cidrOf('::ffff:0:0/96');
const IPV4_VALUES = 1n << BigInt(IPV4_BITS);

/** An IPv4 peer of a socket that serves both families is shown as ::ffff:a.b.c.d; it is the same machine. */
function readPeer(text: string): Address | undefined {
  const address = parseAddress(text);
  if (address === undefined || !holds(MAPPED, address)) return address;
  return { family: 4, value: address.value % IPV4_VALUES };
}

/** A single address, or a range without host bits. */
export function parseRange(text: string): Cidr | undefined {
  if (text.includes('/')) return parseCidr(text);
  const address = parseAddress(text);
  if (address === undefined) return undefined;
  return { family: address.family, base: address.value, bits: widthOf(address.family) };
}

/** Whether a connection's peer, in either spelling, is in one of the ranges. */
export function isPeerWithin(text: string, ranges: readonly Cidr[]): boolean {
  const peer = readPeer(text);
  return peer !== undefined && ranges.some((range) => holds(range, peer));
}

export const isLoopbackPeer = (text: string): boolean => isPeerWithin(text, LOOPBACK);

/** One spelling for one peer: IPv4 where it is one, IPv6 in lower case. */
export function plainPeer(text: string): string | undefined {
  const peer = readPeer(text);
  if (peer === undefined) return undefined;
  return peer.family === 4 ? dottedOf(peer.value) : text.toLowerCase();
}

const dottedOf = (value: bigint): string =>
  [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');

/** Whether two texts name one address, in whichever spelling. */
export function isSameAddress(one: string, other: string): boolean {
  const [left, right] = [readPeer(one), readPeer(other)];
  return left !== undefined && left.family === right?.family && left.value === right.value;
}

/** What one host of a provider usually has for itself; a key of its own per address would cost it nothing. */
const IPV6_HOST_BITS = 64n;

/** For folding what comes from one place: the address, of IPv6 its /64. Any other text stands for itself. */
export function placeOfPeer(text: string): string {
  const peer = readPeer(text);
  if (peer?.family !== 6) return text;
  return `${(peer.value >> IPV6_HOST_BITS).toString(HEX)}::/64`;
}
