// The credential of a service: is it there, does its leash cover this call, and, for inject alone, its plaintext.
// env and file values are read and bound when the config is loaded; stored ones stay ciphertext in memory.
import { type Inject, type Service, shownForms } from '#features/services/model.ts';
import { decodeUtf8, utf8 } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { Sensitive } from '#kernel/sensitive.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import type { Keyring, Wrapped } from './keyring.ts';
import { bindingText, destinationOf, secretProblem } from './model.ts';
import { allSecrets, type SecretRow } from './store.ts';

export type Presence = { readonly connected: boolean; readonly reason?: string };

export type Credentials = {
  readonly presence: (service: Service) => Presence;
  /** The leash, without opening anything: a usable value is there and the host is one it is bound to. */
  readonly covers: (service: Service, host: string, method: string) => Result<void>;
  /** Plaintext for one call. Only inject calls this (invariant 2). */
  readonly open: (service: Service) => Result<Sensitive<string>>;
  /** Every live value in each form it is sent in, stored previous versions included. Only the redactor's compiler calls this (invariant 2). */
  readonly liveSecrets: () => readonly Sensitive<string>[];
  /** Grows whenever the set of live secrets changes. */
  readonly version: () => number;
  /** Reads the stored rows again, after a commit. */
  readonly reload: () => Promise<void>;
  readonly rows: () => readonly SecretRow[];
};

type Deps = {
  readonly reader: Reader;
  readonly keyring: Keyring;
  readonly environment: (name: string) => string | undefined;
  /** Text of a secret's file, or undefined where it cannot be read. */
  readonly readFile: (path: string) => string | undefined;
};

type Held =
  | {
      readonly kind: 'bound';
      readonly destination: string;
      readonly sealed: Wrapped;
      readonly binding: string;
    }
  | { readonly kind: 'stored'; readonly row: SecretRow }
  | { readonly kind: 'missing'; readonly reason: string };

/** `services` are those of the config being loaded; a value is bound to the service it is loaded for. */
export async function createCredentials(services: Iterable<Service>, deps: Deps): Promise<Credentials> {
  let rows = await allSecrets(deps.reader);
  let version = 1;
  const loaded = new Map<string, Held>();
  const injects = new Map<string, Inject | undefined>();
  for (const service of services) {
    loaded.set(service.name, load(service, deps));
    injects.set(service.name, service.inject);
  }
  const held = (service: Service): Held => {
    if (service.secret?.kind !== 'vault') return loaded.get(service.name) ?? missing('not loaded');
    const { name } = service.secret;
    const row = rows.find((candidate) => candidate.name === name);
    return row === undefined ? missing(`no secret ${name} is stored`) : { kind: 'stored', row };
  };
  return {
    presence: (service) => presenceOf(service, held(service)),
    covers: (service) => leash(service, held(service)),
    open: (service) => open(service, held(service), deps.keyring),
    liveSecrets: () => [...plaintexts({ loaded, rows, injects }, deps.keyring)],
    version: () => version,
    reload: async () => {
      rows = await allSecrets(deps.reader);
      version += 1;
    },
    rows: () => rows,
  };
}

const missing = (reason: string): Held => ({ kind: 'missing', reason });

function load(service: Service, { environment, readFile, keyring }: Deps): Held {
  const reference = service.secret;
  if (reference === undefined || reference.kind === 'vault') return missing('nothing to load');
  const text = reference.kind === 'env' ? environment(reference.name) : readFile(reference.path);
  const source = reference.kind === 'env' ? `variable ${reference.name}` : `file ${reference.path}`;
  if (text === undefined || text === '') return missing(`${source} is not set`);
  const value = text.replace(/\r?\n$/, '');
  const problem = secretProblem(value);
  if (problem !== undefined) return missing(`${source} ${problem}`);
  const destination = destinationOf(service);
  const binding = `stack/loaded/${service.name}/${destination}`;
  // Kept as ciphertext: plaintext is opened in two places only.
  return { kind: 'bound', destination, binding, sealed: keyring.wrap(utf8(value), binding) };
}

function presenceOf(service: Service, held: Held): Presence {
  const covered = leash(service, held);
  if (covered.ok) return { connected: true };
  return { connected: false, reason: covered.fault.detail ?? covered.fault.code };
}

function leash(service: Service, held: Held): Result<void> {
  if (service.inject === undefined) return ok(undefined);
  if (held.kind === 'missing') return refuse(new Fault('CREDENTIAL_MISSING', { detail: held.reason }));
  const destination = destinationOf(service);
  const bound = held.kind === 'bound' ? held.destination : held.row.binding;
  const own = held.kind === 'bound' || held.row.service === service.name;
  return own && bound === destination ? ok(undefined) : unbound(service);
}

const unbound = (service: Service): Result<never> =>
  refuse(
    new Fault('VAULT_SEALED', {
      detail: `the secret of ${service.name} is bound to other hosts; a person must set it again for the new ones`,
    }),
  );

function open(service: Service, held: Held, keyring: Keyring): Result<Sensitive<string>> {
  const covered = leash(service, held);
  if (!covered.ok) return covered;
  if (held.kind === 'missing') return refuse(new Fault('CREDENTIAL_MISSING', { detail: held.reason }));
  const text =
    held.kind === 'bound'
      ? plain(keyring, held.sealed, held.binding)
      : plain(keyring, held.row, rowBinding(held.row));
  if (text === undefined) {
    return refuse(
      new Fault('VAULT_SEALED', {
        detail: `the secret of ${service.name} does not open: its row was changed`,
      }),
    );
  }
  return ok(new Sensitive(text));
}

function plain(keyring: Keyring, wrapped: Wrapped, binding: string): string | undefined {
  const bytes = keyring.unwrap(wrapped, binding);
  return bytes === undefined ? undefined : decodeUtf8(bytes);
}

export const rowBinding = ({ id, name, version, service, binding }: SecretRow): string =>
  bindingText({ id, name, version, service, destination: binding });

type Known = {
  readonly loaded: ReadonlyMap<string, Held>;
  readonly rows: readonly SecretRow[];
  readonly injects: ReadonlyMap<string, Inject | undefined>;
};

function* plaintexts({ loaded, rows, injects }: Known, keyring: Keyring): Generator<Sensitive<string>> {
  const forms = (service: string, text: string | undefined): readonly Sensitive<string>[] =>
    text === undefined ? [] : shownForms(injects.get(service), text).map((form) => new Sensitive(form));
  for (const [service, held] of loaded)
    if (held.kind === 'bound') yield* forms(service, plain(keyring, held.sealed, held.binding));
  for (const row of rows) yield* forms(row.service, plain(keyring, row, rowBinding(row)));
}
