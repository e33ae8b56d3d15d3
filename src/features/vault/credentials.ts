// The credential of a service: is it there, does its leash cover this call, and, for inject alone, its plaintext.
// env, file and sealed values are read and bound when the config is loaded; stored ones stay ciphertext in memory.
import type { Inject, Service } from '#features/services/model.ts';
import { decodeUtf8, utf8 } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import { REPLACED_SECRET_KEPT_MS, REPLACED_SECRETS_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { Sensitive } from '#kernel/sensitive.ts';
import { keyedHash } from '#platform/crypto/derive.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import type { Keyring, Wrapped } from './keyring.ts';
import { bindingText, destinationOf, secretProblem } from './model.ts';
import { leashProblem, readSealed } from './sealed.ts';
import { secretTexts } from './secret-parts.ts';
import { allSecrets, type SecretRow } from './store.ts';

export type Presence = { readonly connected: boolean; readonly reason?: string };

/** A text that no answer may show, and the service it belongs to. */
export type LiveSecret = { readonly service: string; readonly text: Sensitive<string> };

export type Credentials = {
  readonly presence: (service: Service) => Presence;
  /** The leash, without opening anything: a usable value is there and the host is one it is bound to. */
  readonly covers: (service: Service, host: string, method: string) => Result<void>;
  /** Plaintext for one call. Only inject calls this (invariant 2). */
  readonly open: (service: Service) => Result<Sensitive<string>>;
  /**
   * The secret parts of every live value: of the services in force, of those that calls under way may still use, and
   * stored previous versions. Only the redactor's compiler calls this (invariant 2).
   */
  readonly liveSecrets: () => readonly LiveSecret[];
  /** Grows whenever the set of live secrets changes. */
  readonly version: () => number;
  /** Reads the stored rows again, after a commit. */
  readonly reload: () => Promise<void>;
  readonly rows: () => readonly SecretRow[];
  /** Reads what these services name outside the vault. Nothing of it is used before `adopt`. */
  readonly load: (services: Iterable<Service>) => Loaded;
  /** From here on these services are in force; a call under way keeps the values of its own service. */
  readonly adopt: (values: Loaded) => void;
  /** Names of services whose value outside the vault is another one than that in force. */
  readonly differing: (values: Loaded) => readonly string[];
};

type Deps = {
  readonly reader: Reader;
  readonly keyring: Keyring;
  readonly host: Pick<Host, 'monotonicMs' | 'randomBytes'>;
  readonly environment: (name: string) => string | undefined;
  /** Text of a secret's file, or undefined where it cannot be read. */
  readonly readFile: (path: string) => string | undefined;
};

type Bound = {
  readonly kind: 'bound';
  readonly destination: string;
  readonly sealed: Wrapped;
  readonly binding: string;
  /** Tells two values apart without opening them; keyed, so that it cannot be guessed back. */
  readonly mark: string;
};
type Held =
  | Bound
  | { readonly kind: 'stored'; readonly row: SecretRow }
  | { readonly kind: 'missing'; readonly reason: string }
  /** A sealed value that does not open for this service. */
  | { readonly kind: 'closed'; readonly reason: string };

declare const loaded: unique symbol;
export type Loaded = { readonly [loaded]: true; readonly held: ReadonlyMap<Service, Held> };

/** A value that was in force, and how its service sent it. */
type Replaced = {
  readonly service: string;
  readonly held: Bound;
  readonly inject: Inject | undefined;
  readonly untilMs: number;
};
/** A row that was deleted, or replaced twice, while calls may have its value under way. */
type Departed = { readonly row: SecretRow; readonly untilMs: number };

const MARK_KEY_BYTES = 32;

/** Services are told apart by identity, not by name: a call under way keeps the definition it was judged by. */
export async function createCredentials(first: Iterable<Service>, deps: Deps): Promise<Credentials> {
  const markKey = deps.host.randomBytes(MARK_KEY_BYTES);
  const known = new WeakMap<Service, Held>();
  let rows = await allSecrets(deps.reader);
  let version = 0;
  let inForce: readonly Service[] = [];
  let before: readonly Service[] = [];
  let replaced: readonly Replaced[] = [];
  let departed: readonly Departed[] = [];
  const boundOf = (service: Service): Bound | undefined => {
    const held = known.get(service);
    return held?.kind === 'bound' ? held : undefined;
  };
  const held = (service: Service): Held => {
    if (service.secret?.kind !== 'vault') return known.get(service) ?? missing('not loaded');
    const { name } = service.secret;
    const row = rows.find((candidate) => candidate.name === name);
    return row === undefined ? missing(`no secret ${name} is stored`) : { kind: 'stored', row };
  };
  const load = (services: Iterable<Service>): Loaded => {
    const pairs = [...services].map((service) => [service, loadOne(service, { ...deps, markKey })] as const);
    return { held: new Map(pairs) } as unknown as Loaded;
  };
  const adopt = (next: Loaded): void => {
    const now = deps.host.monotonicMs();
    const untilMs = now + REPLACED_SECRET_KEPT_MS;
    const left = inForce.flatMap((service) => {
      const bound = boundOf(service);
      const { name, inject } = service;
      return bound === undefined ? [] : [{ service: name, held: bound, inject, untilMs }];
    });
    const live = replaced.filter(({ untilMs }) => untilMs > now);
    replaced = distinct([...live, ...left]).slice(-REPLACED_SECRETS_MAX);
    for (const [service, value] of next.held) known.set(service, value);
    before = inForce;
    inForce = [...next.held.keys()];
    version += 1;
  };
  adopt(load(first));
  return {
    presence: (service) => presenceOf(service, held(service)),
    covers: (service) => leash(service, held(service)),
    open: (service) => open(service, held(service), deps.keyring),
    liveSecrets: () => [...plaintexts({ inForce, before, rows, replaced, departed, boundOf }, deps.keyring)],
    version: () => version,
    reload: async () => {
      const next = await allSecrets(deps.reader);
      // A row's id stands for its value: rows that a rotation has moved hold the same secrets.
      if (next.length !== rows.length || next.some(({ id }, at) => id !== rows[at]?.id)) version += 1;
      departed = departing(departed, { before: rows, next, nowMs: deps.host.monotonicMs() });
      rows = next;
    },
    rows: () => rows,
    load,
    adopt,
    differing: (next) =>
      [...next.held]
        .filter(([service, value]) => {
          const old = inForce.find(({ name }) => name === service.name);
          return markOf(value) !== markOf(old === undefined ? undefined : known.get(old));
        })
        .map(([{ name }]) => name),
  };
}

type Rows = {
  readonly before: readonly SecretRow[];
  readonly next: readonly SecretRow[];
  readonly nowMs: number;
};

/** Rows that are no more, for as long as a call can show them. */
function departing(departed: readonly Departed[], { before, next, nowMs }: Rows): readonly Departed[] {
  const gone = before.filter(({ id }) => !next.some((row) => row.id === id));
  const left = gone.map((row) => ({ row, untilMs: nowMs + REPLACED_SECRET_KEPT_MS }));
  return [...departed.filter(({ untilMs }) => untilMs > nowMs), ...left].slice(-REPLACED_SECRETS_MAX);
}

/** A reload that changes nothing must not fill the list with one value many times. */
function distinct(list: readonly Replaced[]): readonly Replaced[] {
  const form = ({ held, inject }: Replaced): string => `${held.mark} ${JSON.stringify(inject ?? null)}`;
  return [...new Map(list.map((one) => [form(one), one])).values()];
}

const markOf = (held: Held | undefined): string | undefined =>
  held?.kind === 'bound' ? held.mark : undefined;

const missing = (reason: string): Held => ({ kind: 'missing', reason });

type Loading = Deps & { readonly markKey: Uint8Array };

function loadOne(service: Service, { environment, readFile, keyring, markKey }: Loading): Held {
  const reference = service.secret;
  if (reference === undefined || reference.kind === 'vault') return missing('nothing to load');
  if (reference.kind === 'sealed') return loadSealed(service, reference.text, { keyring, markKey });
  const text = reference.kind === 'env' ? environment(reference.name) : readFile(reference.path);
  const source = reference.kind === 'env' ? `variable ${reference.name}` : `file ${reference.path}`;
  if (text === undefined || text === '') return missing(`${source} is not set`);
  const value = text.replace(/\r?\n$/, '');
  const problem = secretProblem(value);
  if (problem !== undefined) return missing(`${source} ${problem}`);
  const destination = destinationOf(service);
  const binding = `stack/loaded/${service.name}/${destination}`;
  // Kept as ciphertext: plaintext is opened in two places only.
  const mark = keyedHash(markKey, value);
  return { kind: 'bound', destination, binding, mark, sealed: keyring.wrap(utf8(value), binding) };
}

const closed = (reason: string): Held => ({ kind: 'closed', reason });

type Judging = Pick<Loading, 'keyring' | 'markKey'>;

/** Opened once to be judged, like any value that is loaded; kept as the ciphertext it came as. */
function loadSealed(service: Service, text: string, { keyring, markKey }: Judging): Held {
  const sealed = readSealed(text);
  if (sealed === undefined) return closed(`the sealed value of ${service.name} is not whole`);
  const problem = leashProblem(sealed, service);
  const again = `; seal it again: stack seal --service ${service.name}`;
  if (problem !== undefined) return closed(`the value of ${service.name} is ${problem}${again}`);
  if (!keyring.has(sealed.wrapped.ring_key))
    return closed(`the value of ${service.name} was sealed for another vault${again}`);
  const value = plain(keyring, sealed.wrapped, sealed.binding);
  if (value === undefined) return closed(`the sealed value of ${service.name} does not open${again}`);
  const unfit = secretProblem(value);
  if (unfit !== undefined) return missing(`the sealed value of ${service.name} ${unfit}`);
  const { wrapped, binding } = sealed;
  const mark = keyedHash(markKey, value);
  return { kind: 'bound', destination: destinationOf(service), binding, mark, sealed: wrapped };
}

function presenceOf(service: Service, held: Held): Presence {
  const covered = leash(service, held);
  if (covered.ok) return { connected: true };
  return { connected: false, reason: covered.fault.detail ?? covered.fault.code };
}

function leash(service: Service, held: Held): Result<void> {
  if (service.inject === undefined) return ok(undefined);
  if (held.kind === 'missing' || held.kind === 'closed') return unusable(held);
  const destination = destinationOf(service);
  const bound = held.kind === 'bound' ? held.destination : held.row.binding;
  const own = held.kind === 'bound' || held.row.service === service.name;
  return own && bound === destination ? ok(undefined) : unbound(service);
}

const unusable = ({ kind, reason }: Extract<Held, { readonly reason: string }>): Result<never> =>
  refuse(new Fault(kind === 'missing' ? 'CREDENTIAL_MISSING' : 'VAULT_SEALED', { detail: reason }));

const unbound = (service: Service): Result<never> =>
  refuse(
    new Fault('VAULT_SEALED', {
      detail: `the secret of ${service.name} is bound to other hosts; a person must set it again for the new ones`,
    }),
  );

function open(service: Service, held: Held, keyring: Keyring): Result<Sensitive<string>> {
  const covered = leash(service, held);
  if (!covered.ok) return covered;
  if (held.kind === 'missing' || held.kind === 'closed') return unusable(held);
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
  readonly inForce: readonly Service[];
  readonly before: readonly Service[];
  readonly rows: readonly SecretRow[];
  readonly replaced: readonly Replaced[];
  readonly departed: readonly Departed[];
  readonly boundOf: (service: Service) => Bound | undefined;
};

function* plaintexts(known: Known, keyring: Keyring): Generator<LiveSecret> {
  const bound = [
    ...known.inForce.map((service) => ({
      service: service.name,
      held: known.boundOf(service),
      inject: service.inject,
    })),
    ...known.replaced,
  ];
  for (const { service, held, inject } of bound)
    if (held !== undefined) yield* texts({ service, inject }, plain(keyring, held.sealed, held.binding));
  const services = [...known.inForce, ...known.before];
  for (const row of [...known.rows, ...known.departed.map((left) => left.row)]) {
    const text = plain(keyring, row, rowBinding(row));
    const injects = services.filter(({ name }) => name === row.service).map(({ inject }) => inject);
    for (const inject of injects.length === 0 ? [undefined] : injects)
      yield* texts({ service: row.service, inject }, text);
  }
}

type Sent = { readonly service: string; readonly inject: Inject | undefined };

function texts({ service, inject }: Sent, secret: string | undefined): readonly LiveSecret[] {
  if (secret === undefined) return [];
  return secretTexts(inject, secret).map((text) => ({ service, text: new Sensitive(text) }));
}
