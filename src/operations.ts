// Every verb of ours in one list, wired; and the same list with nothing behind it, for help, completion and documents.
import { agentKeyOperations } from '#features/agent-keys/operations.ts';
import { forgetAgentKeys } from '#features/agent-keys/store.ts';
import type { AgentDirectory } from '#features/agents/directory.ts';
import { agentOperations } from '#features/agents/operations.ts';
import { blockAgent } from '#features/agents/store.ts';
import type { ApprovalBook } from '#features/approvals/book.ts';
import { approvalDeciding } from '#features/approvals/decide.ts';
import { approvalReading } from '#features/approvals/operations.ts';
import { countOpenOf } from '#features/approvals/store.ts';
import type { Waiting } from '#features/approvals/waiting.ts';
import { auditOperations } from '#features/audit/operations.ts';
import { hasEvents, lastEntryMs, sessionEntries } from '#features/audit/store.ts';
import { configOperations } from '#features/config/operations.ts';
import { keyOperations } from '#features/keys/operations.ts';
import type { Announce } from '#features/notifications/announce.ts';
import { notificationOperations } from '#features/notifications/operations.ts';
import { delegationOperation } from '#features/passports/delegation-operations.ts';
import { missionOperations } from '#features/passports/mission-operations.ts';
import { passportOperations } from '#features/passports/operations.ts';
import { refreshOperation } from '#features/passports/refresh-operations.ts';
import { reportOperation } from '#features/passports/report-operation.ts';
import { revocationOperations } from '#features/passports/revocation-operations.ts';
import type { Revoker } from '#features/passports/revoke.ts';
import { releaseStanding } from '#features/passports/store.ts';
import type { PassportVerifier } from '#features/passports/verify.ts';
import { compileConstraint } from '#features/policy/constraint.ts';
import { serviceOperations } from '#features/services/operations.ts';
import type { Credentials } from '#features/vault/credentials.ts';
import type { Keyring } from '#features/vault/keyring.ts';
import { keyringOperations } from '#features/vault/keyring-operations.ts';
import { secretOperations } from '#features/vault/operations.ts';
import type { SigningKeys } from '#features/vault/signing-keys.ts';
import { REPORT_ENTRIES_MAX } from '#kernel/limits.ts';
import type { Caller, Operation } from '#kernel/operation.ts';
import { intentOperations, type Judging } from '#pipeline/intent-operations.ts';
import type { Missions } from '#pipeline/missions.ts';
import { proxyOperation } from '#pipeline/proxy-operation.ts';
import type { DraftEntry } from '#pipeline/record.ts';
import { createRejection } from '#pipeline/reject.ts';
import { baseUrl } from '#pipeline/request.ts';
import type { Storage } from '#pipeline/storage.ts';
import type { Submission } from '#pipeline/submission.ts';
import type { Traffic } from '#pipeline/traffic.ts';
import { verifyOperation } from '#pipeline/verify-connection.ts';
import type { Host } from '#platform/host/host.ts';
import type { Upstream } from '#platform/net/upstream.ts';
import { type Config, catalogue } from './config.ts';
import type { LiveConfig } from './live-config.ts';

export type OperationDeps = {
  /** The config in force at the moment of asking. */
  readonly config: () => Config;
  readonly live: Pick<LiveConfig, 'look' | 'reload' | 'service'>;
  readonly host: Host;
  readonly storage: Pick<Storage, 'reader' | 'scanChain'>;
  readonly credentials: Credentials;
  readonly directory: AgentDirectory;
  readonly keyring: Keyring;
  readonly pepper: Uint8Array;
  readonly keys: SigningKeys;
  readonly statusKeys: SigningKeys;
  readonly statusIndex: () => number;
  /** Signs receipts and nothing else. */
  readonly receipts: SigningKeys;
  readonly draft: DraftEntry;
  readonly announce: Announce;
  readonly book: ApprovalBook;
  readonly waiting: Waiting;
  /** The first steps of the traffic line, for calls that are submitted or simulated. */
  readonly judging: Judging;
  readonly submission: Submission;
  readonly missions: Missions;
  readonly verifier: PassportVerifier;
  readonly keyEnded: (id: string) => boolean;
  readonly revoker: Revoker;
  readonly traffic: Traffic;
  /** The traffic line of a person who checks a service. */
  readonly checks: Traffic;
  readonly upstream: Pick<Upstream, 'reach'>;
};

export function allOperations(deps: OperationDeps): readonly Operation[] {
  const { config, host, storage, credentials, directory, keyring, pepper, keys, verifier } = deps;
  const { reader } = storage;
  const services = () => config().services.values();
  const settings = () => ({ agents: config().agents, ceiling: config().agentCeiling });
  const passports = {
    reader,
    host: { ...host, statusIndex: deps.statusIndex },
    keys,
    statusKeys: deps.statusKeys,
    receipts: () => deps.receipts.verifying(),
    issuer: () => config().publicUrl,
    findAgent: directory.find,
    terms: () => config().passports,
    constraintProblem,
    verifier,
  };
  return [
    ...serviceOperations({
      catalogue,
      services,
      presence: credentials.presence,
      baseUrl: (service) => baseUrl(service.base),
      grantsOf: (caller) => grantsOf(directory, caller),
    }),
    ...agentOperations({
      ...{ directory, settings, host, releaseStanding },
      forgetKeys: forgetAgentKeys,
    }),
    ...agentKeyOperations({ reader, host, findAgent: directory.find, keyEnded: deps.keyEnded }),
    ...passportOperations(passports),
    delegationOperation(passports),
    refreshOperation(passports),
    reportOperation({
      reader,
      verifier,
      missionLog: (sessionId) => sessionEntries(reader, { sessionId, limit: REPORT_ENTRIES_MAX }),
    }),
    ...missionOperations({ ...passports, blockAgent, wasNoticed: (jti) => hasEvents(reader, jti) }),
    ...revocationOperations({
      ...{ reader, host, findAgent: directory.find, revoker: deps.revoker },
      approvalsOf: (jtis) => countOpenOf(reader, jtis),
    }),
    ...auditOperations({ reader, scanChain: storage.scanChain }),
    ...keyOperations({
      reader,
      host,
      pepper,
      findAgent: directory.find,
      lastEntryMs: (keyId) => lastEntryMs(reader, keyId),
    }),
    ...secretOperations({ services, credentials, keyring, host }),
    ...keyringOperations({ reader, keyring, services, signingKeys: keys }),
    ...configOperations({
      look: () => deps.live.look(),
      reload: ({ kind, id }) => deps.live.reload({ by: 'call', actor: { kind, id } }),
    }),
    verifyOperation({
      service: (name) => deps.live.service(name),
      presence: (service) => credentials.presence(service),
      reach: (place) => deps.upstream.reach(place),
      traffic: deps.checks,
      host,
    }),
    proxyOperation(deps.traffic),
    ...approvalVerbs(deps),
    ...notificationOperations({ reader }),
  ];
}

function approvalVerbs(deps: OperationDeps): readonly Operation[] {
  const { config, host, directory, waiting, announce, book } = deps;
  const { reader } = deps.storage;
  const { endMs: missionEndMs, guard, extend } = deps.missions;
  return [
    ...intentOperations({ ...deps.judging, book, submission: deps.submission }),
    ...approvalReading({ reader, host, book, waiting, findAgent: directory.find }),
    ...approvalDeciding({
      ...{ book, announce, missionEndMs, guard, extend },
      receiptKey: () => deps.receipts.current(),
      issuer: () => config().publicUrl,
      settings: () => config().approvals,
      revoke: createRejection({ revoker: deps.revoker, draft: deps.draft, wake: waiting.wake }),
    }),
  ];
}

async function grantsOf(
  directory: AgentDirectory,
  caller: Caller,
): Promise<ReadonlyMap<string, readonly string[]> | undefined> {
  if (caller.acting === undefined) return undefined;
  const agent = directory.find(caller.acting.agentId);
  return new Map((agent?.grants ?? []).map(({ service, scopes }) => [service, scopes]));
}

function constraintProblem(constraint: Parameters<typeof compileConstraint>[0]): string | undefined {
  const compiled = compileConstraint(constraint);
  return 'problem' in compiled ? compiled.problem : undefined;
}

/** Names, schemas and routes without an appliance. To run one of these is our mistake. */
export function describedOperations(): readonly Operation[] {
  const absent = (): never => {
    throw new Error('this operation was only described; it has nothing to run on');
  };
  const nothing: OperationDeps = new Proxy({} as OperationDeps, {
    get: () => new Proxy(absent, { get: () => absent }),
  });
  return allOperations(nothing);
}
