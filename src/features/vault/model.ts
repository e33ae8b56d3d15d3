// What a secret is bound to, and the rules a value must meet to be one.

import type { Service } from '#features/services/model.ts';
import { canonicalize } from '#kernel/canonical.ts';
import { SECRET_BYTES_MAX, SECRET_CHARS_MIN } from '#kernel/limits.ts';

/** The leash of a stored secret, inside its encryption: a swapped or edited row does not open (invariant 3). */
export type Binding = {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly service: string;
  /** Where it may go: scheme, port, base path and every host pattern. */
  readonly destination: string;
};

/** The public half of the ring key that new values are sealed to. */
export type SealKey = { readonly id: string; readonly publicKey: Uint8Array };

type Destined = Pick<Service, 'base' | 'hosts'>;
/** Every call asks for it twice, and a definition does not change. */
const destinations = new WeakMap<Destined, string>();

export function destinationOf(service: Destined): string {
  const known = destinations.get(service);
  if (known !== undefined) return known;
  const { scheme, port, path, host } = service.base;
  const destination = canonicalize({ scheme, port, path, hosts: [host, ...service.hosts].sort() });
  destinations.set(service, destination);
  return destination;
}

/** The host patterns of a destination. */
export const hostsOf = (destination: string): string[] =>
  (JSON.parse(destination) as { hosts: string[] }).hosts;

export const bindingText = (binding: Binding): string => canonicalize({ table: 'secrets', ...binding });

/** Fewer different characters are a word or a placeholder, and could not be told from text when scrubbed. */
const DISTINCT_CHARS_MIN = 4;
const PRINTABLE = /^[\x20-\x7e]+$/;

/** Why a value cannot be a secret, or undefined. Never quotes the value. */
export function secretProblem(value: string): string | undefined {
  if (value.length < SECRET_CHARS_MIN) return `shorter than ${SECRET_CHARS_MIN} characters`;
  if (Buffer.byteLength(value) > SECRET_BYTES_MAX) return `longer than ${SECRET_BYTES_MAX} bytes`;
  if (!PRINTABLE.test(value)) return 'holds characters that no header may carry';
  if (new Set(value).size < DISTINCT_CHARS_MIN) return 'has too few different characters to be a secret';
  return undefined;
}
