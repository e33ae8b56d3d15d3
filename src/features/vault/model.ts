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

/** Random hex of eight has fewer than five different characters once in a few hundred; words and placeholders often. */
const DISTINCT_CHARS_MIN = 5;
/** `abcabcabc`, `changeme-changeme-`: a piece that comes so often is all there is to know. */
const REPEATS_MIN = 3;
/** A row such as `12345678` or `hgfedcba`: so many steps to a neighbour are no chance. */
const SEQUENCE_SHARE_MAX = 0.7;
const PRINTABLE = /^[\x20-\x7e]+$/;

/** Why a value cannot be a secret, or undefined. Never quotes the value. */
export function secretProblem(value: string): string | undefined {
  if (value.length < SECRET_CHARS_MIN) return `shorter than ${SECRET_CHARS_MIN} characters`;
  if (Buffer.byteLength(value) > SECRET_BYTES_MAX) return `longer than ${SECRET_BYTES_MAX} bytes`;
  if (!PRINTABLE.test(value)) return 'holds characters that no header may carry';
  if (new Set(value).size < DISTINCT_CHARS_MIN) return 'has too few different characters to be a secret';
  if (repeats(value)) return 'repeats one piece and can be guessed';
  if (isSequence(value)) return 'is a sequence and can be guessed';
  return undefined;
}

/** One piece, `REPEATS_MIN` times or more, the last one perhaps cut. */
function repeats(value: string): boolean {
  for (let size = 1; size * REPEATS_MIN <= value.length + 1; size += 1)
    if (value.startsWith(value.slice(size))) return true;
  return false;
}

function isSequence(value: string): boolean {
  const codes = [...value].map((char) => char.charCodeAt(0));
  const steps = codes.slice(1).filter((code, at) => Math.abs(code - (codes[at] as number)) === 1);
  return steps.length > SEQUENCE_SHARE_MAX * (value.length - 1);
}
