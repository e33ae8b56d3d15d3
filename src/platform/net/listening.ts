// Where the appliance listens: the place as the config writes it, and the addresses that no call may therefore reach.
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isLoopbackAddress, isSameAddress } from './address.ts';
import type { ClosedPlaces } from './resolve.ts';

export type ListenPlace = { readonly host: string; readonly port: number };

const PLACE = /^(localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/;
/** IPv4 inside IPv6: a second spelling of a place that has a plain one, wildcard included. */
const MAPPED = /^::ffff:/i;

/** `undefined`: not ADDRESS:PORT. A name would leave the choice of the address to a resolver; `localhost` alone is safe. */
export function readPlace(text: string): ListenPlace | undefined {
  const [, shown = '', port = ''] = PLACE.exec(text) ?? [];
  const host = shown.replace(/^\[|\]$/g, '');
  if (host !== 'localhost' && (isIP(host) === 0 || MAPPED.test(host))) return undefined;
  return { host, port: Number(port) };
}

export const isLoopbackPlace = ({ host }: ListenPlace): boolean =>
  host === 'localhost' || isLoopbackAddress(host);

export const isEveryAddress = (host: string): boolean =>
  isSameAddress(host, '0.0.0.0') || isSameAddress(host, '::');

export function urlOf({ host, port }: ListenPlace): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Every address of this machine, as it is now. */
export type OwnAddresses = () => readonly string[];

const ownAddresses: OwnAddresses = () =>
  Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));

/** The appliance's own listening places: a call that reached them would be a loop into its own door. */
export function closedPlaces(place: () => ListenPlace, own: OwnAddresses = ownAddresses): ClosedPlaces {
  return (address, port) => {
    const listening = place();
    if (port !== listening.port) return false;
    if (isLoopbackAddress(address)) return isLoopbackPlace(listening) || isEveryAddress(listening.host);
    if (!isEveryAddress(listening.host)) return isSameAddress(address, listening.host);
    try {
      return own().some((mine) => isSameAddress(address, mine));
    } catch {
      // A sandbox may keep the list from us. Then any address may be ours.
      return true;
    }
  };
}
