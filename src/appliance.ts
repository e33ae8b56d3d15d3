// Composition root: config and host in, one appliance out. Authority by wiring: each factory gets what it uses.
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { createAgentDirectory, missingAgents } from '#features/agents/directory.ts';
import { createCallSafe } from '#features/approvals/safe.ts';
import { newestEntryMs } from '#features/audit/store.ts';
import { createSafe } from '#features/idempotency/safe.ts';
import { mintKey } from '#features/keys/operations.ts';
import { liveKeys } from '#features/keys/store.ts';
import type { SecretPlace } from '#features/notifications/model.ts';
import { prunePassports } from '#features/passports/jobs.ts';
import { createRevoker, type Revoker } from '#features/passports/revoke.ts';
import { createStatusIndexes } from '#features/passports/status-list.ts';
import type { Service } from '#features/services/model.ts';
import { createCredentials } from '#features/vault/credentials.ts';
import { emptyOldRingKeys } from '#features/vault/jobs.ts';
import { openKeyring } from '#features/vault/keyring.ts';
import { openSigningKeys } from '#features/vault/signing-keys.ts';
import { allKeyring } from '#features/vault/store.ts';
import { stackOf } from '#kernel/errors.ts';
import type { Job } from '#kernel/job.ts';
import {
  CONFIG_WATCH_EVERY_MS,
  CUT_CALLS_LOOK_MS,
  CUT_CALLS_SETTLE_MS,
  STORAGE_LOOK_EVERY_MS,
} from '#kernel/limits.ts';
import type { Sensitive } from '#kernel/sensitive.ts';
import type { Statement, Unit } from '#kernel/unit.ts';
import { createMeasures, type Measures } from '#pipeline/measure.ts';
import { metricsOperation } from '#pipeline/metrics-operation.ts';
import { createDraft, type DraftEntry } from '#pipeline/record.ts';
import { recover } from '#pipeline/recover.ts';
import { baseUrl } from '#pipeline/request.ts';
import type { Storage } from '#pipeline/storage.ts';
import { createUnderWay } from '#pipeline/under-way.ts';
import { resumeClock, watchClock } from '#pipeline/watch-clock.ts';
import { watchOwnUser } from '#pipeline/watch-own-user.ts';
import { watchStorage } from '#pipeline/watch-storage.ts';
import { deriveKey } from '#platform/crypto/derive.ts';
import { createEnvelope, type Envelope } from '#platform/crypto/envelope.ts';
import { loadSodium } from '#platform/crypto/sodium.ts';
import type { Assets } from '#platform/host/assets.ts';
import { ownerOf, readTextOrNothing } from '#platform/host/files.ts';
import type { Host, SystemHost } from '#platform/host/host.ts';
import { type Schedule, startJobs } from '#platform/host/schedule.ts';
import { type Watch, watchFiles } from '#platform/host/watch.ts';
import type { Log, ProcessLog } from '#platform/log/log.ts';
import { closedPlaces, isLoopbackPlace } from '#platform/net/listening.ts';
import { socketPathOf } from '#platform/net/local-socket.ts';
import { systemResolver } from '#platform/net/resolve.ts';
import { createUpstream } from '#platform/net/upstream.ts';
import type { SelfCheck } from '#platform/storage/database.ts';
import { createDoor } from '#surfaces/http/door.ts';
import { createHostList } from '#surfaces/http/guard.ts';
import { type Listener, listen, OPEN_DOOR } from '#surfaces/http/listener.ts';
import { createPeers } from '#surfaces/http/peers.ts';
import type { ServicePlace, Surface } from '#surfaces/http/surface.ts';
import type { Config, ConfigRead } from './config.ts';
import { buildLines } from './lines.ts';
import { type Cause, createLiveConfig, digestOf, type LiveConfig } from './live-config.ts';
import { haltOf, hold, rootKey } from './open-state.ts';

export type Machine = {
  readonly host: SystemHost;
  readonly log: ProcessLog;
  readonly assets: Assets;
  readonly environment: (name: string) => string | undefined;
  /** The config file as it is now, for a reload. */
  readonly readConfig: () => ConfigRead;
  readonly version: string;
};

export type Appliance = {
  readonly listen: () => Promise<{ readonly port: number }>;
  readonly check: SelfCheck;
  /** A key if there is none yet, or if another one is wanted; else null. */
  readonly firstKey: (another: boolean) => Promise<string | null>;
  /** Reads the config again; what comes of it is in the log. */
  readonly reload: () => Promise<void>;
  /** Resolves when only a new start can tell what the disk has kept, with the reason. */
  readonly failed: Promise<string>;
  readonly close: (graceMs: number) => Promise<void>;
};

export async function openAppliance(config: Config, machine: Machine): Promise<Appliance> {
  const root = rootKey(config, machine);
  const envelope = createEnvelope(await loadSodium(), machine.host.randomBytes);
  const measures = createMeasures(machine.version);
  measures.configLoad('success', machine.host.nowMs());
  const failed = Promise.withResolvers<string>();
  const held = hold(config, machine, {
    tryKey: (rows) => void openKeyring(rows, { envelope, host: machine.host, root }),
    watch: watchStorage({ ...machine, measures, fatal: failed.resolve }),
  });
  // The surfaces load while the writer's thread comes up.
  const [storage] = await Promise.all([held, loadSurfaces()]);
  try {
    const state = { root, envelope, storage, measures };
    return { ...(await assemble(config, machine, state)), failed: failed.promise };
  } catch (thrown) {
    await storage.close();
    throw haltOf(thrown);
  }
}

const loadSurfaces = () => import('#surfaces/http/app.ts');

type State = {
  readonly root: Sensitive<Uint8Array>;
  readonly envelope: Envelope;
  readonly storage: Storage;
  readonly measures: Measures;
};

async function assemble(config: Config, machine: Machine, state: State): Promise<Omit<Appliance, 'failed'>> {
  const { host, log } = machine;
  const { storage, measures } = state;
  const draft = createDraft(host);
  const { reader, committer } = storage;
  const timing = { clock: host.clock, committer, draft, log };
  await resumeClock((await newestEntryMs(reader)) ?? 0, timing);
  const underWay = createUnderWay();
  storage.onCommitted(underWay.committed);
  const revoker = createRevoker({ reader, commit: committer.commit, draft, host, cutBy: underWay.cutBy });
  const base = await openBase(config, machine, { ...state, draft, revoker });
  const unknown = await recover({ reader, committer, draft });
  if (unknown > 0) log.warn('calls of the last run ended unknown', { calls: unknown });
  let port = config.listen.port;
  const upstream = createUpstream({
    resolver: systemResolver,
    closed: closedPlaces(() => ({ ...config.listen, port })),
  });
  const { live } = base;
  const own = ownSecrets(machine, state);
  const lines = buildLines({ ...base, ...state, ...own, draft, upstream, host, log, underWay, revoker });
  const surface = surfaceOf(config, machine, { lines, measures, live, unready: storage.failure });
  const jobs = [...jobsOf(storage, { ...base, ...timing, host, config, port: () => port }), ...lines.jobs];
  const listeners: Listener[] = [];
  measures.look({
    ...sourcesOf(storage, host),
    isService: (name) => live.current().services.has(name),
    callsInFlight: lines.callsInFlight,
    connections: () => listeners.reduce((sum, listener) => sum + listener.connections(), 0),
  });
  let schedule: Schedule | undefined;
  let watch: Watch | undefined;
  const reload = (by: Cause['by']): Promise<unknown> => live.reload({ by, actor: OPERATOR });
  const socket = socketPathOf(config.dataDir, machine.environment);
  return {
    listen: async () => {
      const { createApp } = await loadSurfaces();
      await noteConfig(config, { storage, draft });
      const ours = createHostList(() => namesOf(live.current(), { ...config.listen, port }));
      // The folder's lock is ours: a socket that is still there belongs to no one.
      rmSync(socket, { force: true });
      const app = (channel: 'socket' | 'network') => createApp(surface, channel, ours);
      listeners.push(await listen({ path: socket }, app('socket'), OPEN_DOOR));
      const network = await listen(config.listen, app('network'), createDoor(surface));
      listeners.push(network);
      port = network.port;
      schedule = startJobs(jobs, (job, thrown) => log.error('job failed', { job, error: String(thrown) }));
      watch = watchFiles(() => [config.configPath, ...live.current().files], {
        everyMs: CONFIG_WATCH_EVERY_MS,
        changed: () => void reload('change').catch((thrown) => unexpected(log, thrown)),
      });
      setImmediate(measures.watchProcess);
      return { port };
    },
    check: storage.check,
    firstKey: (another) => firstKey(another, { ...base, storage, draft, host }),
    reload: async () => {
      await reload('signal').catch((thrown) => unexpected(log, thrown));
    },
    close: async (graceMs) => {
      watch?.stop();
      await Promise.all(listeners.map((listener) => listener.close(graceMs)));
      await settled(lines.callsInFlight);
      await schedule?.stop();
      await upstream.close();
      await lines.finish().catch((thrown) => unexpected(log, thrown));
      await storage.close();
    },
  };
}

/** What is kept under keys of their own, and what signs webhooks. */
const ownSecrets = ({ environment }: Machine, { envelope, root }: State) => ({
  safe: createSafe(envelope, root),
  callSafe: createCallSafe(envelope, root),
  secretAt: (place: SecretPlace): string | undefined =>
    place.kind === 'env' ? environment(place.name) : readTextOrNothing(place.path),
});

const canApproveForItself = ({ approvals, services }: Config): boolean =>
  approvals.localSocket && [...services.values()].some(({ approval }) => approval.length > 0);

const sourcesOf = ({ depth, failure, freeBytes }: Storage, { clock }: SystemHost) => ({
  writerQueue: depth,
  logAvailable: () => failure() === undefined,
  freeBytes,
  clockBehindMs: clock.behindMs,
});

/** Calls that were cut write their outcomes yet. */
async function settled(callsInFlight: () => number): Promise<void> {
  for (let looks = CUT_CALLS_SETTLE_MS / CUT_CALLS_LOOK_MS; looks > 0 && callsInFlight() > 0; looks -= 1)
    await delay(CUT_CALLS_LOOK_MS);
}

type JobDeps = Parameters<typeof watchClock>[0] &
  Pick<Base, 'keyring' | 'credentials' | 'live'> & {
    readonly log: Log;
    readonly host: Host;
    readonly config: Config;
    readonly port: () => number;
  };

function jobsOf({ reader, committer, tend }: Storage, deps: JobDeps): readonly Job[] {
  const work = { ...deps, reader, commit: committer.commit };
  return [
    { name: 'tend the storage', everyMs: STORAGE_LOOK_EVERY_MS, run: tend },
    watchClock(deps),
    prunePassports(work),
    emptyOldRingKeys({ ...work, moved: deps.credentials.reload }),
    watchOwnUser({
      ...deps,
      ownUid: () => ownerOf(deps.config.dataDir),
      matters: () => canApproveForItself(deps.live.current()),
    }),
  ];
}

type Behind = Pick<Surface, 'unready'> & {
  readonly lines: ReturnType<typeof buildLines>;
  readonly measures: Measures;
  readonly live: LiveConfig;
};

/** What every way in is given. */
function surfaceOf(config: Config, { host, log, version }: Machine, behind: Behind): Surface {
  const { lines, measures, live, unready } = behind;
  const peers = createPeers({
    loopbackOnly: isLoopbackPlace(config.listen),
    proxies: () => live.current().behindProxy,
    publicUrl: () => live.current().publicUrl,
  });
  const metrics = metricsOperation(measures);
  const place = (name: string): ServicePlace | undefined => placeOf(live.service(name)?.service);
  const publicUrl = (): string => live.current().publicUrl;
  return { ...lines, host, log, unready, version, metrics, measure: measures, peers, place, publicUrl };
}

/** Under which names this appliance is called. */
const namesOf = ({ publicUrl, hosts }: Config, { host, port }: Config['listen']) => ({
  publicUrl,
  hosts,
  listenHost: host,
  port,
});

/** Whoever may write the file or send a signal is the person of the local socket (contract 2). */
const OPERATOR = { kind: 'person', id: 'local' } as const;

const unexpected = (log: Log, thrown: unknown): void =>
  log.error('reload failed', { error: stackOf(thrown) });

/** Under which config the entries that follow were written. */
async function noteConfig(
  config: Config,
  { storage, draft }: Pick<KeyDeps, 'storage' | 'draft'>,
): Promise<void> {
  const detail = { digest: digestOf(config) };
  const entry = draft({ action: 'config.load', outcome: 'success', actor: OPERATOR, detail });
  await commitOrThrow(storage, { statements: [], entries: [entry] });
}

type BaseDeps = State & { readonly draft: DraftEntry; readonly revoker: Revoker };

/** Vault, keys and agents of the config; what is new is committed before anything uses it. */
async function openBase(config: Config, machine: Machine, deps: BaseDeps) {
  const { host, log, environment } = machine;
  const { root, envelope, storage, draft } = deps;
  const { reader } = storage;
  const ring = openKeyring(await allKeyring(reader), { envelope, host, root });
  await commitSetup(storage, draft, { action: 'vault.ring', statements: ring.created });
  const signing = await openSigningKeys('passport', { reader, keyring: ring.keyring, host });
  await commitSetup(storage, draft, { action: 'vault.signing_key', statements: signing.created });
  const status = await openSigningKeys('status_list', { reader, keyring: ring.keyring, host });
  await commitSetup(storage, draft, { action: 'vault.signing_key', statements: status.created });
  const receipts = await openSigningKeys('receipt', { reader, keyring: ring.keyring, host });
  await commitSetup(storage, draft, { action: 'vault.signing_key', statements: receipts.created });
  for (const agent of await missingAgents(ceilingsOf(config), { reader, host })) {
    await commitSetup(storage, draft, {
      action: 'agent.register',
      statements: [agent.statement],
      agentId: agent.id,
    });
  }
  const credentials = await createCredentials(config.services.values(), {
    reader,
    keyring: ring.keyring,
    host,
    environment,
    readFile: readTextOrNothing,
  });
  // What the config can tell, it has told; a value that is not stored yet is known only here.
  for (const service of config.services.values()) {
    const { connected, reason } = credentials.presence(service);
    if ((service.secret?.kind === 'vault' || service.secret?.kind === 'sealed') && !connected)
      log.warn('calls to this service will be refused', { service: service.name, reason });
  }
  const pepper = deriveKey(root.reveal(), 'stack/api-key-pepper');
  const { committer } = storage;
  const read = machine.readConfig;
  const live = createLiveConfig(config, {
    read,
    credentials,
    committer,
    revoker: deps.revoker,
    reader,
    draft,
    host,
    log,
    measure: deps.measures,
    adopted: (next) => log.configure(next.log),
  });
  const directory = createAgentDirectory(reader, () => ceilingsOf(live.current()));
  const statusIndex = createStatusIndexes(reader);
  const keys = { keys: signing.keys, statusKeys: status.keys, receipts: receipts.keys };
  return { ...keys, keyring: ring.keyring, credentials, pepper, directory, live, statusIndex };
}

const ceilingsOf = ({ agents, agentCeiling }: Config) => ({ agents, ceiling: agentCeiling });

type Setup = {
  readonly action: string;
  readonly statements: readonly Statement[];
  readonly agentId?: string;
};

/** At a start nothing goes on without what it stands on. */
async function commitOrThrow({ committer }: Storage, unit: Unit): Promise<void> {
  const committed = await committer.commit(unit);
  if (!committed.ok) throw committed.fault;
}

async function commitSetup(
  storage: Storage,
  draft: DraftEntry,
  { action, statements, agentId }: Setup,
): Promise<void> {
  if (statements.length === 0) return;
  const entry = draft({ action, outcome: 'success', agent_id: agentId ?? null });
  await commitOrThrow(storage, { statements, entries: [entry] });
}

type Base = Awaited<ReturnType<typeof openBase>>;

function placeOf(service: Service | undefined): ServicePlace | undefined {
  if (service === undefined) return undefined;
  const keyHeader = service.inject?.kind === 'header' ? service.inject.name : undefined;
  return { baseUrl: baseUrl(service.base), keyHeader };
}

type KeyDeps = Base & { readonly storage: Storage; readonly draft: DraftEntry; readonly host: Host };

async function firstKey(another: boolean, { storage, draft, host, pepper }: KeyDeps): Promise<string | null> {
  const live = await liveKeys(storage.reader, host.nowMs());
  if (live.length > 0 && !another) return null;
  const key = mintKey({ host, pepper }, 'init');
  await commitSetup(storage, draft, { action: 'key.create', statements: [key.statement] });
  return key.apiKey;
}
