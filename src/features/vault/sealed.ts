// A sealed value of the config, as text: its leash in clear, so that `check` can judge it without any key, and the same
// leash as associated data of its encryption, so that it opens nowhere else (invariant 3).
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Service } from '#features/services/model.ts';
import { decodeUtf8, utf8 } from '#kernel/bytes.ts';
import { canonicalize } from '#kernel/canonical.ts';
import type { Wrapped } from './keyring.ts';

/** `sealed1.<leash>.<data key in its box>.<value>.<check>`, each part base64url. */
const VERSION = 'sealed1';
const PART = /^[A-Za-z0-9_-]+$/;
const CHECK_CHARS = 12;
/** crypto_box_seal of 32 bytes. */
const BOX_BYTES = 80;
/** Nonce and tag. */
const FRAME_BYTES = 40;

const leashShape = z.strictObject({
  ring_key: z.string().min(1),
  service: z.string().min(1),
  scheme: z.enum(['https', 'http']),
  port: z.number().int(),
  path: z.string(),
  hosts: z.array(z.string()).min(1),
});
export type SealedLeash = z.infer<typeof leashShape>;
export type SealedValue = {
  readonly leash: SealedLeash;
  readonly wrapped: Wrapped;
  readonly binding: string;
};

export const sealedBinding = (leash: SealedLeash): string => canonicalize({ table: 'sealed', ...leash });

export function formatSealed(leash: SealedLeash, { data_key, value }: Wrapped): string {
  const parts = [utf8(canonicalize(leash)), data_key, value].map((part) =>
    Buffer.from(part).toString('base64url'),
  );
  const text = [VERSION, ...parts].join('.');
  return `${text}.${checkOf(text)}`;
}

/** Finds a slip of the copying hand without a key; it proves nothing. */
const checkOf = (text: string): string =>
  createHash('sha256').update(text).digest('base64url').slice(0, CHECK_CHARS);

/** `undefined`: not a whole sealed value. */
export function readSealed(text: string): SealedValue | undefined {
  const [version, head = '', box = '', body = '', check, ...rest] = text.split('.');
  if (version !== VERSION || rest.length > 0 || ![head, box, body].every((part) => PART.test(part)))
    return undefined;
  if (check !== checkOf(text.slice(0, text.lastIndexOf('.')))) return undefined;
  const leash = readLeash(head);
  const data_key = Buffer.from(box, 'base64url');
  const value = Buffer.from(body, 'base64url');
  if (leash === undefined || data_key.length !== BOX_BYTES || value.length <= FRAME_BYTES) return undefined;
  return { leash, wrapped: { ring_key: leash.ring_key, data_key, value }, binding: sealedBinding(leash) };
}

function readLeash(part: string): SealedLeash | undefined {
  try {
    return leashShape.parse(JSON.parse(decodeUtf8(Buffer.from(part, 'base64url')) ?? ''));
  } catch {
    return undefined;
  }
}

export const hostsOf = ({ base, hosts }: Pick<Service, 'base' | 'hosts'>): readonly string[] =>
  [base.host, ...hosts].sort();

/** Why a value of this leash is not for this service, or undefined. A service may be narrower than the leash, never wider. */
export function leashProblem({ leash }: SealedValue, service: Service): string | undefined {
  if (leash.service !== service.name) return `sealed for service ${leash.service}`;
  const { scheme, port, path } = service.base;
  const outside = hostsOf(service).filter((host) => !leash.hosts.includes(host));
  const same = leash.scheme === scheme && leash.port === port && leash.path === path;
  if (same && outside.length === 0) return undefined;
  const [host, ...further] = leash.hosts;
  const also = further.length === 0 ? '' : ` and hosts ${further.join(', ')}`;
  return `sealed for ${leash.scheme}://${host}:${leash.port}${leash.path}${also}`;
}
