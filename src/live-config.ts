// The config in force, and how another one takes its place: all of it or nothing, and durable in the log before it is
// used (invariant 8). Whoever asks `current()` at the moment of use needs to know nothing of reloads.
import { createHash } from 'node:crypto';
import { droppedAgents, missingAgents } from '#features/agents/directory.ts';
import { changeText, compareSettings } from '#features/config/compare.ts';
import { type Change, type Look, needsRestart, type Problem } from '#features/config/model.ts';
import type { Revoker } from '#features/passports/revoke.ts';
import { type CompiledService, compileService } from '#features/policy/decide.ts';
import type { Service } from '#features/services/model.ts';
import type { Credentials, Loaded } from '#features/vault/credentials.ts';
import { destinationOf } from '#features/vault/model.ts';
import { leashProblem, readSealed } from '#features/vault/sealed.ts';
import { canonicalize } from '#kernel/canonical.ts';
import { Fault } from '#kernel/errors.ts';
import { CONFIG_CHANGE_VALUE_CHARS_MAX, CONFIG_CHANGES_IN_ENTRY_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { EntryDraft, Statement, Unit } from '#kernel/unit.ts';
import type { Committer } from '#pipeline/commit.ts';
import type { Meter } from '#pipeline/measure.ts';
import type { DraftEntry } from '#pipeline/record.ts';
import type { Host } from '#platform/host/host.ts';
import type { Log } from '#platform/log/log.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { type Config, type ConfigRead, placeText } from './config.ts';

/** Who or what asked for the reload. */
export type Cause = {
  readonly by: 'signal' | 'change' | 'call';
  readonly actor: EntryDraft['actor'];
};

export type LiveConfig = {
  readonly current: () => Config;
  /** A service in force, compiled once per load. */
  readonly service: (name: string) => CompiledService | undefined;
  /** What the file as it is now would change. Changes nothing. */
  readonly look: () => Look;
  /** The changes that are now in force; none where the file says what is in force already. */
  readonly reload: (cause: Cause) => Promise<Result<readonly Change[]>>;
};

type Deps = {
  /** The file as it is now. */
  readonly read: () => ConfigRead;
  readonly credentials: Credentials;
  readonly committer: Committer;
  readonly revoker: Revoker;
  readonly reader: Reader;
  readonly draft: DraftEntry;
  readonly host: Host;
  readonly log: Log;
  readonly measure: Pick<Meter, 'configLoad'>;
  /** Another config is in force; for what cannot ask `current()` at the moment of use. */
  readonly adopted: (config: Config) => void;
};

type Compiled = ReadonlyMap<string, CompiledService>;
type Next = { readonly config: Config; readonly compiled: Compiled; readonly values: Loaded };
type Looked = { readonly look: Look; readonly next: Next | undefined };

export function createLiveConfig(first: Config, deps: Deps): LiveConfig {
  let inForce = first;
  let compiled = compileAll(first);
  let turn: Promise<unknown> = Promise.resolve();
  const apply = async (cause: Cause): Promise<Result<readonly Change[]>> => {
    const { look, next } = lookAt(inForce, deps);
    if (next === undefined) return refused(look, cause, deps);
    if (look.changes.length === 0) return unchanged(cause, deps);
    const gone = goneWith(inForce, next.config, deps);
    const unit = await unitOf(next, { look, cause }, deps);
    // One step without an await: no call sees half of it.
    const adopt = (): void => {
      inForce = next.config;
      compiled = next.compiled;
      deps.credentials.adopt(next.values);
      deps.adopted(next.config);
    };
    const committed = await commitAnd(adopt, { gone, unit, actor: cause.actor }, deps);
    if (!committed.ok) return committed;
    deps.log.info('config reloaded', { cause: cause.by, changes: look.changes.map(changeText) });
    return ok(look.changes);
  };
  return {
    current: () => inForce,
    service: (name) => compiled.get(name),
    look: () => lookAt(inForce, deps).look,
    reload: (cause) => {
      // One after the other, so that the last one asked for is the last one read.
      const result = turn.then(() => measured(() => apply(cause), deps));
      turn = result.catch(() => undefined);
      return result;
    },
  };
}

async function measured<T>(
  load: () => Promise<Result<T>>,
  { measure, host }: Pick<Deps, 'measure' | 'host'>,
): Promise<Result<T>> {
  const result = await load();
  measure.configLoad(result.ok ? 'success' : 'failure', host.nowMs());
  return result;
}

const compileAll = (config: Config): Compiled =>
  new Map([...config.services].map(([name, service]) => [name, compileService(service)] as const));

function lookAt(inForce: Config, deps: Deps): Looked {
  const read = deps.read();
  if ('mistakes' in read) {
    const problems = read.mistakes.map((one) => ({ place: placeText(one), message: one.message }));
    return { look: { problems, changes: [] }, next: undefined };
  }
  const { config } = read;
  const values = deps.credentials.load(config.services.values());
  const changes = [
    ...compareSettings(inForce.settings, config.settings),
    ...fileChanges(inForce, config, deps.credentials.differing(values)),
  ];
  const problems = [...restarts(changes), ...movedSecrets(inForce, config, deps.credentials)];
  const next = { config, compiled: compileAll(config), values };
  return { look: { problems, changes }, next: problems.length === 0 ? next : undefined };
}

/** The file may say the same and a file that it names may not. */
function fileChanges(inForce: Config, next: Config, secrets: readonly string[]): readonly Change[] {
  const kept = [...next.services].filter(([name]) => inForce.services.has(name));
  const authorities = kept.filter(([name, { caPem }]) => caPem !== inForce.services.get(name)?.caPem);
  const changed = (path: string): Change => ({ path, from: 'its text before', to: 'its text now' });
  return [
    ...authorities.map(([name]) => changed(`services.${name}.tls.ca_file`)),
    ...kept.filter(([name]) => secrets.includes(name)).map(([name]) => changed(`services.${name}.secret`)),
  ];
}

/** What the file does not name any more; passports that live by it end with it. */
type Gone = { readonly services: readonly string[]; readonly agentIds: readonly string[] };

const goneWith = (inForce: Config, next: Config, { reader }: Pick<Deps, 'reader'>): Gone => ({
  services: [...inForce.services.keys()].filter((name) => !next.services.has(name)),
  agentIds: droppedAgents({ before: inForce.agents, after: next.agents }, reader),
});

type Applied = { readonly gone: Gone; readonly unit: Unit; readonly actor: Cause['actor'] };

async function commitAnd(
  adopt: () => void,
  { gone: { services, agentIds }, unit, actor }: Applied,
  { committer, revoker }: Pick<Deps, 'committer' | 'revoker'>,
): Promise<Result<unknown>> {
  if (services.length === 0 && agentIds.length === 0) {
    const committed = await committer.commit(unit);
    if (committed.ok) adopt();
    return committed;
  }
  const order = { actor, trace: undefined, reopens: true } as const;
  const removed = await revoker.revoke({
    ...order,
    kind: 'service_removed',
    selection: { by: 'services', services },
    reason: 'a service was removed from the config',
    beside: unit,
    first: adopt,
  });
  if (!removed.ok || agentIds.length === 0) return removed;
  return revoker.revoke({
    ...order,
    kind: 'agent_ended',
    selection: { by: 'agents', agentIds },
    reason: 'the agent was removed from the config',
    beside: undefined,
  });
}

const restarts = (changes: readonly Change[]): readonly Problem[] =>
  changes.filter(needsRestart).map(({ path }) => ({
    place: path,
    message: 'takes effect at a start only; restart to apply this file',
  }));

/** A stored secret stays with its hosts until a person binds it again (invariant 3). */
function movedSecrets(
  inForce: Config,
  next: Config,
  { rows }: Pick<Credentials, 'rows'>,
): readonly Problem[] {
  return [...next.services.values()].flatMap((service) => {
    const { name, secret } = service;
    if (secret?.kind === 'sealed') return movedSealed(service, inForce.services.get(name));
    if (secret?.kind !== 'vault') return [];
    const row = rows().find((one) => one.name === secret.name);
    const old = inForce.services.get(name);
    const bound = row?.service === name && old !== undefined && row.binding === destinationOf(old);
    if (!bound || row.binding === destinationOf(service)) return [];
    const message = `the stored secret ${secret.name} is bound to the present hosts of ${name}; delete it, reload, and set it again for the new ones`;
    return [{ place: `services.${name}`, message }];
  });
}

/** So does a sealed value: what it was sealed for stands beside it, and the service has left that. */
function movedSealed(service: Service, old: Service | undefined): readonly Problem[] {
  const fits = (text: string, at: Service): boolean => {
    const sealed = readSealed(text);
    return sealed !== undefined && leashProblem(sealed, at) === undefined;
  };
  if (service.secret?.kind !== 'sealed' || old?.secret?.kind !== 'sealed') return [];
  if (!fits(old.secret.text, old) || fits(service.secret.text, service)) return [];
  const { name } = service;
  const message = `the sealed value of ${name} is not for the hosts that ${name} has in this file; seal it for these: stack seal --service ${name}`;
  return [{ place: `services.${name}`, message }];
}

function refused({ problems }: Look, { by }: Cause, { log }: Deps): Result<never> {
  const texts = problems.map(({ place, message }) => `${place}: ${message}`);
  log.error('config not reloaded, the one in force stays', { cause: by, mistakes: texts });
  const next = 'Correct the file where metadata.problems says so, and reload again. Nothing has changed.';
  return refuse(new Fault('CONFLICT', { detail: texts[0] ?? '', metadata: { problems }, next }));
}

/** Only a person who asked wants to hear of it. */
function unchanged({ by }: Cause, { log }: Deps): Result<readonly Change[]> {
  if (by === 'signal') log.info('config read again, nothing has changed', { cause: by });
  return ok([]);
}

type Asked = { readonly look: Look; readonly cause: Cause };

async function unitOf({ config }: Next, { look, cause }: Asked, deps: Deps) {
  const { agents, agentCeiling } = config;
  const added = await missingAgents({ agents, ceiling: agentCeiling }, deps);
  const reload = deps.draft({
    action: 'config.reload',
    outcome: 'success',
    actor: cause.actor,
    detail: {
      cause: cause.by,
      digest: digestOf(config),
      changed: look.changes.length,
      changes: look.changes
        .slice(0, CONFIG_CHANGES_IN_ENTRY_MAX)
        .map(({ path }) => path.slice(0, CONFIG_CHANGE_VALUE_CHARS_MAX)),
    },
  });
  const registered = added.map(({ id }) =>
    deps.draft({ action: 'agent.register', outcome: 'success', agent_id: id }),
  );
  const statements: readonly Statement[] = added.map(({ statement }) => statement);
  return { statements, entries: [reload, ...registered] };
}

/** SHA-256 over what was loaded, so that the log says under which config it was written. */
export const digestOf = ({ settings }: Config): string =>
  createHash('sha256').update(canonicalize(settings)).digest('hex');
