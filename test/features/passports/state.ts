// Keys, agents and passports over a real SQLite in memory: units are applied whole and under their row counts, as the
// writer does. Time stands still until a test moves it.
import { createAgentDirectory } from '#features/agents/directory.ts';
import { migrations as agentMigrations } from '#features/agents/migrations.ts';
import type { AgentSettings, Grant, Mode } from '#features/agents/model.ts';
import { agentOperations } from '#features/agents/operations.ts';
import { type AgentRow, blockAgent, insertAgent, updateAgent } from '#features/agents/store.ts';
import { draftEntry } from '#features/audit/entry.ts';
import { migrations as keyMigrations } from '#features/keys/migrations.ts';
import { delegationOperation } from '#features/passports/delegation-operations.ts';
import { migrations as passportMigrations } from '#features/passports/migrations.ts';
import type { MintingHost } from '#features/passports/mint.ts';
import { missionOperations } from '#features/passports/mission-operations.ts';
import { passportOperations } from '#features/passports/operations.ts';
import { refreshOperation } from '#features/passports/refresh-operations.ts';
import { reportOperation } from '#features/passports/report-operation.ts';
import { revocationOperations } from '#features/passports/revocation-operations.ts';
import { createRevoker, type Revoker } from '#features/passports/revoke.ts';
import { createStanding } from '#features/passports/standing.ts';
import { releaseStanding } from '#features/passports/store.ts';
import { createPassportVerifier } from '#features/passports/verify.ts';
import { compileConstraint } from '#features/policy/constraint.ts';
import { Fault } from '#kernel/errors.ts';
import type { Caller, Operation, Outcome } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Committed, EntryDraft, Unit } from '#kernel/unit.ts';
import { newPrivateKeyDer, signingKeyOf } from '#platform/crypto/signing.ts';
import { locateAssets } from '#platform/host/assets.ts';
import type { Host } from '#platform/host/host.ts';
import { bound, type Lookup, type Reader } from '#platform/storage/compiler.ts';
import { openDatabase } from '#platform/storage/database.ts';

export const ISSUER = 'https://stack.test';
export const TRACE = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
const START_MS = Date.UTC(2026, 0, 1, 12, 0, 0);

export const KEY: Caller = { kind: 'key', id: 'key_one' };
export const OTHER_KEY: Caller = { kind: 'key', id: 'key_two' };
export const PERSON: Caller = { kind: 'person', id: 'local' };

type World = {
  endedKeys: Set<string>;
  agents: Map<string, AgentSettings>;
  ceiling: AgentSettings;
  ttlSeconds: number;
  missionSeconds: number;
  checkpointIntervalSeconds: number;
};
export type State = ReturnType<typeof openState>;

function clock(): MintingHost & { pass: (ms: number) => void } {
  let [nowMs, made] = [START_MS, 0];
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    randomBytes: (length) => new Uint8Array(length).fill(++made),
    id: (prefix) => `${prefix}_${(++made).toString(16).padStart(32, '0')}`,
    statusIndex: () => ++made,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

function memory() {
  const db = openDatabase(':memory:', { addonPath: locateAssets().addonPath });
  for (const { sql } of [...keyMigrations, ...agentMigrations, ...passportMigrations]) db.exec(sql);
  const rows = <Row>(query: Parameters<Reader['all']>[0]): Row[] => {
    const { sql, parameters } = query.compile();
    return db.prepare<unknown[], Row>(sql).all(...parameters);
  };
  const reader: Reader = {
    all: async <Row>(query: Parameters<Reader['all']>[0]) => rows<Row>(query),
    first: async <Row>(query: Parameters<Reader['all']>[0]) => rows<Row>(query)[0],
    recall: <Row>(of: Lookup<Row>, ...keys: readonly string[]) =>
      db.prepare<unknown[], Row>(of.sql).get(...bound(of, keys)),
  };
  const apply = db.transaction((unit: Pick<Unit, 'statements'>) => {
    for (const { sql, parameters, rows: wanted } of unit.statements) {
      const { changes } = db.prepare<unknown[]>(sql).run(...parameters);
      if (wanted !== undefined && wanted !== changes) throw new Error(`touched ${changes}, not ${wanted}`);
    }
  });
  return { db, reader, apply };
}

export function openState(key = signingKeyOf(newPrivateKeyDer())) {
  const { db, reader, apply } = memory();
  const host = clock();
  const world: World = {
    endedKeys: new Set(),
    agents: new Map(),
    ceiling: { mode: undefined, services: [] },
    ttlSeconds: 900,
    missionSeconds: 86_400,
    // As long as the lifetime: most tests are about other ends than a missed report.
    checkpointIntervalSeconds: 3600,
  };
  const entries: EntryDraft[] = [];
  const commit = async (unit: Unit): Promise<Result<Committed>> => {
    try {
      apply(unit);
    } catch (thrown) {
      return refuse(new Fault('CONFLICT', { detail: String(thrown) }));
    }
    entries.push(...unit.entries);
    return ok({ lastSeq: 0 });
  };
  const directory = createAgentDirectory(reader, () => world);
  const findAgent = directory.find;
  const keyEnded = (id: string) => world.endedKeys.has(id);
  const keys = { current: () => key, verifying: () => [key] };
  const statusKeys = { verifying: () => [] };
  const issuer = () => ISSUER;
  const verifier = createPassportVerifier({ reader, keys, issuer, findAgent, keyEnded, host });
  const draft = (fields: Partial<EntryDraft>) =>
    draftEntry({ ...fields, entry_id: host.id('aud'), timestamp: host.nowMs() });
  const ttlSeconds = () => world.ttlSeconds;
  const standing = createStanding({
    ...{ reader, verifier, findAgent, commit, draft, ttlSeconds, host },
    missionSeconds: () => world.missionSeconds,
  });
  const constraintProblem = (constraint: Parameters<typeof compileConstraint>[0]) => {
    const compiled = compileConstraint(constraint);
    return 'problem' in compiled ? compiled.problem : undefined;
  };
  const terms = () => ({
    ttlSeconds: world.ttlSeconds,
    ttlSecondsMax: 3600,
    missionSeconds: world.missionSeconds,
    checkpointIntervalSeconds: world.checkpointIntervalSeconds,
  });
  const wasNoticed = async (jti: string) =>
    entries.some((entry) => entry.passport_jti === jti && entry.action.startsWith('event.'));
  const missionLog = async (sessionId: string) => ({
    entries: entries.filter(({ session_id }) => session_id === sessionId),
    isCut: false,
  });
  const passports = {
    reader,
    host,
    keys,
    statusKeys,
    receipts: () => [],
    issuer,
    findAgent,
    terms,
    constraintProblem,
    verifier,
  };
  /** What the next unit is said to have cut. */
  const cut = { requests: 0, streams: 0, calls: 0 };
  const revoker = createRevoker({
    reader,
    commit: (unit) => state.commit(unit),
    draft,
    host,
    cutBy: () => cut,
  });
  const operations = [
    ...agentOperations({
      directory,
      settings: () => world,
      host,
      releaseStanding: (agentId) => releaseStanding(agentId),
    }),
    ...passportOperations(passports),
    delegationOperation(passports),
    refreshOperation(passports),
    reportOperation({ reader, verifier, missionLog }),
    ...missionOperations({ ...passports, blockAgent, wasNoticed }),
    ...revocationOperations({ reader, host, findAgent, revoker, approvalsOf: async () => 0 }),
  ];
  const close = () => db.close();
  const seen = { reader, host, key, world, entries, directory, verifier, standing, revoker, cut };
  // Replaced by a test that wants something to happen between a reading and its unit.
  const state = { ...seen, commit, operations, close };
  return state;
}

type Registered = { readonly mode?: Mode; readonly services?: readonly Grant[]; readonly config?: boolean };

/** An agent with a row, and, unless said otherwise, with grants in the config. */
export async function addAgent(state: State, name: string, given: Registered = {}): Promise<string> {
  const {
    mode = 'enforced',
    services = [{ service: 'slack', scopes: ['slack:chat:*'] }],
    config = true,
  } = given;
  if (config) state.world.agents.set(name, { mode: undefined, services });
  const row: AgentRow = {
    id: state.host.id('agt'),
    name,
    description: '',
    mode,
    on_warning: 'notify',
    on_critical: 'notify',
    status: 'active',
    source: config ? 'config' : 'api',
    created_at: state.host.nowMs(),
  };
  await state.commit({ statements: [insertAgent(row)], entries: [] });
  return row.id;
}

export const setAgent = (state: State, id: string, change: Partial<AgentRow>) =>
  state.commit({ statements: [updateAgent(id, change)], entries: [] });

type Shown = Record<string, unknown>;

/** Parses, runs and commits one verb, as the operations line does. */
export async function act(
  state: Pick<State, 'commit'> & {
    readonly host: Pick<Host, 'nowMs'>;
    readonly operations: readonly Operation[];
    readonly revoker?: Revoker;
  },
  name: string,
  { caller, input = {} }: { readonly caller: Caller; readonly input?: Readonly<Record<string, unknown>> },
): Promise<Result<{ readonly output: Shown; readonly status: number }>> {
  const operation = state.operations.find((one) => one.name === name);
  if (operation === undefined) throw new Error(`no operation ${name}`);
  if (operation.callers !== 'anyone' && !operation.callers.includes(caller.kind))
    return refuse(new Fault('FORBIDDEN', { detail: 'kind of caller' }));
  const parsed = operation.input.safeParse(input);
  if (!parsed.success) return refuse(new Fault('INVALID_REQUEST', { detail: String(parsed.error) }));
  const signal = new AbortController().signal;
  const invocation = { caller, input: parsed.data, nowMs: state.host.nowMs(), trace: TRACE, signal };
  const ran: Result<Outcome<unknown>> = await operation.run(invocation);
  if (!ran.ok) return ran;
  const { entry, events = [] } = ran.value;
  const said = entry === undefined ? events : [{ action: operation.action, ...entry }, ...events];
  const entries = said.map((fields) =>
    draftEntry({ entry_id: '', timestamp: state.host.nowMs(), ...fields }),
  );
  const unit = { statements: ran.value.changes, entries };
  const committed = await commitWith(state, ran.value, { caller, unit });
  if (!committed.ok) return committed;
  return ok({ output: operation.output.parse(ran.value.output) as Shown, status: ran.value.status ?? 200 });
}

type Line = { readonly commit: State['commit']; readonly revoker?: Revoker };

function commitWith(
  { commit, revoker }: Line,
  { ends }: Outcome<unknown>,
  { caller, unit }: { readonly caller: Caller; readonly unit: Unit },
): Promise<Result<unknown>> {
  if (ends === undefined || revoker === undefined) return commit(unit);
  const { of, id, reason } = ends;
  const selection =
    of === 'agent' ? { by: 'agents' as const, agentIds: [id] } : { by: 'anyone' as const, mintedBy: id };
  const actor = { kind: caller.kind, id: caller.id };
  return revoker.revoke({
    selection,
    kind: 'agent_ended',
    reason,
    actor,
    trace: TRACE,
    beside: unit,
    reopens: true,
  });
}

export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.fault.code}: ${result.fault.detail ?? ''}`);
  return result.value;
}

export const codeOf = (result: Result<unknown>): string => (result.ok ? 'ok' : result.fault.code);
