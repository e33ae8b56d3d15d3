// Seals a value for the config with nothing but the public half of a ring key: whoever seals cannot open.
import type { Service } from '#features/services/model.ts';
import { utf8 } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { DATA_KEY_BYTES, type Envelope } from '#platform/crypto/envelope.ts';
import type { Host } from '#platform/host/host.ts';
import { type SealKey, secretProblem } from './model.ts';
import { formatSealed, hostsOf, sealedBinding } from './sealed.ts';

type Deps = { readonly envelope: Envelope; readonly host: Pick<Host, 'randomBytes'>; readonly to: SealKey };

export type Sealing = {
  readonly service: Service;
  /** What it may be used on, in place of the service's present hosts. */
  readonly hosts: readonly string[];
  readonly value: string;
};

/** Answers the text for `secret: { sealed: … }`. Refuses a value that could not be told from text in an answer. */
export function sealForConfig({ envelope, host, to }: Deps, sealing: Sealing): Result<string> {
  const { service, value } = sealing;
  const given = sealing.hosts.map((name) => name.toLowerCase());
  const unfit = secretProblem(value);
  const problem = unfit === undefined ? hostProblem(service, given) : `this cannot be a secret: ${unfit}`;
  if (problem !== undefined) return refuse(new Fault('INVALID_REQUEST', { detail: problem }));
  const { scheme, port, path } = service.base;
  const hosts = [...new Set(given.length === 0 ? hostsOf(service) : given)].sort();
  const leash = { ring_key: to.id, service: service.name, scheme, port, path, hosts };
  const key = host.randomBytes(DATA_KEY_BYTES);
  const wrapped = {
    ring_key: to.id,
    data_key: envelope.sealKey(key, to.publicKey),
    value: envelope.encrypt(utf8(value), sealedBinding(leash), key),
  };
  key.fill(0);
  return ok(formatSealed(leash, wrapped));
}

/** A name, an address or `*.` and a name; as in `hosts` of a service. */
const HOST = /^(?:\*\.)?[a-z0-9[][a-z0-9.:-]*[a-z0-9\]]$/;

/** A value that would not open for the service as it stands would only be found out later. */
function hostProblem(service: Service, hosts: readonly string[]): string | undefined {
  if (hosts.length === 0) return undefined;
  const odd = hosts.find((name) => !HOST.test(name));
  if (odd !== undefined) return `--host ${odd} is no host name: leave out scheme, port and path`;
  const missing = hostsOf(service).filter((host) => !hosts.includes(host));
  return missing.length === 0
    ? undefined
    : `service ${service.name} goes to ${missing.join(', ')}, which no --host names`;
}
