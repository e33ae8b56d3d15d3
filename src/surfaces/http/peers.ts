// Who stands at the other end of a connection: whether it is served at all, and whether what it says of others counts.
// Only a listed proxy is believed, and it only about the hop before it (security.md 3.2: forwarded headers from anybody).
import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { FORWARDED_HOPS_MAX } from '#kernel/limits.ts';
import { type Cidr, isLoopbackPeer, isPeerWithin, parseRange, plainPeer } from '#platform/net/address.ts';

export type Peers = {
  /** Before a byte is read: beyond loopback only listed proxies, and this machine itself. */
  readonly admits: (address: string | undefined) => boolean;
  /** The address that counts for records and folding. */
  readonly sourceOf: (request: IncomingMessage) => string;
  /** The other end is a listed proxy: what it adds about the hop before it is no word of the caller. */
  readonly isProxy: (request: IncomingMessage) => boolean;
  /** A listed proxy says that the request came to it without TLS, although the public URL has it. */
  readonly cameInClear: (request: IncomingMessage) => boolean;
};

type Deps = {
  readonly loopbackOnly: boolean;
  /** Addresses and ranges, as the config in force has them. */
  readonly proxies: () => readonly string[];
  readonly publicUrl: () => string;
};

export function createPeers({ loopbackOnly, proxies, publicUrl }: Deps): Peers {
  const ranges = createRanges(proxies);
  const isProxy = (address: string | undefined): address is string =>
    address !== undefined && ranges().length > 0 && isPeerWithin(address, ranges());
  /** A connection keeps its address, and many requests come on one. */
  const plain = new WeakMap<Socket, string>();
  const plainOf = (socket: Socket, peer: string): string => {
    const known = plain.get(socket);
    if (known !== undefined) return known;
    const address = plainPeer(peer) ?? peer;
    plain.set(socket, address);
    return address;
  };
  return {
    admits: (address) =>
      loopbackOnly || (address !== undefined && (isLoopbackPeer(address) || isProxy(address))),
    sourceOf: (request) => {
      const peer = request.socket.remoteAddress;
      if (peer === undefined) return 'unknown';
      return (isProxy(peer) && lastStranger(request, isProxy)) || plainOf(request.socket, peer);
    },
    isProxy: (request) => isProxy(request.socket.remoteAddress),
    cameInClear: (request) =>
      isProxy(request.socket.remoteAddress) &&
      listOf(request, 'x-forwarded-proto').at(-1)?.toLowerCase() === 'http' &&
      publicUrl().startsWith('https:'),
  };
}

/** Read once per list: a reload brings another. */
function createRanges(texts: () => readonly string[]): () => readonly Cidr[] {
  let of: readonly string[] | undefined;
  let ranges: readonly Cidr[] = [];
  return () => {
    if (of === texts()) return ranges;
    of = texts();
    ranges = of.flatMap((text) => parseRange(text) ?? []);
    return ranges;
  };
}

/** The nearest hop that is no proxy of ours. What stands left of it, anybody may have written. */
function lastStranger(request: IncomingMessage, isProxy: (address: string) => boolean): string | undefined {
  let nearest: string | undefined;
  for (const hop of listOf(request, 'x-forwarded-for').reverse().slice(0, FORWARDED_HOPS_MAX)) {
    const address = addressOf(hop);
    // A hop that cannot be read is where the chain ends that we can follow.
    if (address === undefined) return nearest;
    nearest = address;
    if (!isProxy(address)) return nearest;
  }
  return nearest;
}

/** Node joins repeated lines with a comma, in their order. */
function listOf(request: IncomingMessage, name: string): string[] {
  const value = request.headers[name];
  return typeof value === 'string' ? value.split(',').map((part) => part.trim()) : [];
}

/** Some proxies add the port. */
function addressOf(hop: string): string | undefined {
  const bare = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(hop)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(hop)?.[1] ?? hop;
  return isIP(bare) === 0 ? undefined : plainPeer(bare);
}
