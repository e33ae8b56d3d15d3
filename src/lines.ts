// Both lines, wired: each step gets what it uses and nothing more. The checks of a person travel the same traffic line with
// another first step.
import { createAgentKeyVerifier } from '#features/agent-keys/verify.ts';
import type { AgentLimits } from '#features/agents/model.ts';
import { createApprovalBook } from '#features/approvals/book.ts';
import { expireApprovals, pruneApprovals } from '#features/approvals/jobs.ts';
import type { CallSafe } from '#features/approvals/safe.ts';
import { createWaiting } from '#features/approvals/waiting.ts';
import { pruneIdempotencyKeys } from '#features/idempotency/jobs.ts';
import type { Safe } from '#features/idempotency/safe.ts';
import { createKeyVerifier } from '#features/keys/verify.ts';
import { createAnnounce } from '#features/notifications/announce.ts';
import { deliverWebhooks, pruneWebhooks } from '#features/notifications/jobs.ts';
import type { SecretPlace } from '#features/notifications/model.ts';
import { createStanding } from '#features/passports/standing.ts';
import { createStatusList } from '#features/passports/status-list.ts';
import { passportBy } from '#features/passports/store.ts';
import { createPassportVerifier } from '#features/passports/verify.ts';
import { allKeyring } from '#features/vault/store.ts';
import { CALLS_IN_FLIGHT_MAX, VERBS_IN_FLIGHT_MAX } from '#kernel/limits.ts';
import { createAdmit } from '#pipeline/admit.ts';
import { createAuthenticator } from '#pipeline/authenticate.ts';
import { createAuthorize } from '#pipeline/authorize.ts';
import type { OutgoingDetector } from '#pipeline/detect.ts';
import { createFollower } from '#pipeline/follow.ts';
import { createForward } from '#pipeline/forward.ts';
import { createGate } from '#pipeline/gate.ts';
import { createInject } from '#pipeline/inject.ts';
import type { IncomingDetector } from '#pipeline/inspect.ts';
import { createIntend } from '#pipeline/intend.ts';
import { followLate } from '#pipeline/late.ts';
import type { Measures } from '#pipeline/measure.ts';
import { createMissions } from '#pipeline/missions.ts';
import { createOnTheSpot } from '#pipeline/on-the-spot.ts';
import { createOnce } from '#pipeline/once.ts';
import { createOperationLine } from '#pipeline/operations.ts';
import { createPlaces } from '#pipeline/places.ts';
import { countJob, createRecorder, type DraftEntry } from '#pipeline/record.ts';
import { createRedactors } from '#pipeline/redact.ts';
import { createRegistry } from '#pipeline/registry.ts';
import { createScrub } from '#pipeline/scrub.ts';
import { createSettle } from '#pipeline/settle.ts';
import type { Storage } from '#pipeline/storage.ts';
import { createSubmission } from '#pipeline/submission.ts';
import { createTraffic } from '#pipeline/traffic.ts';
import { createTurns } from '#pipeline/turns.ts';
import { lookJob, type UnderWay } from '#pipeline/under-way.ts';
import { checkAuthenticator, checkService } from '#pipeline/verify-connection.ts';
import type { Log } from '#platform/log/log.ts';
import type { Upstream } from '#platform/net/upstream.ts';
import type { Config } from './config.ts';
import type { LiveConfig } from './live-config.ts';
import { allOperations, type OperationDeps } from './operations.ts';

export type LineDeps = Omit<
  OperationDeps,
  | 'config'
  | 'traffic'
  | 'checks'
  | 'verifier'
  | 'keyEnded'
  | 'book'
  | 'waiting'
  | 'judging'
  | 'announce'
  | 'submission'
  | 'missions'
> & {
  readonly storage: Storage;
  readonly measures: Measures;
  readonly draft: DraftEntry;
  readonly live: LiveConfig;
  readonly underWay: UnderWay;
  readonly upstream: Upstream;
  readonly safe: Safe;
  readonly callSafe: CallSafe;
  /** What signs webhooks, as it is now in the environment or the file. */
  readonly secretAt: (place: SecretPlace) => string | undefined;
  readonly log: Log;
};

/** Who calls: keys, passports, and the standing passports of X-Stack-Agent. */
function buildAuthentication(deps: LineDeps) {
  const { storage, draft, directory, keys, live, host } = deps;
  const { reader, committer } = storage;
  const keyVerifier = createKeyVerifier({ reader, pepper: deps.pepper, host });
  const agentKeys = createAgentKeyVerifier({ reader, findAgent: directory.find, host });
  const keyEnded = (id: string): boolean => keyVerifier.ended(id) || agentKeys.ended(id);
  const verifier = createPassportVerifier({
    reader,
    keys,
    issuer: () => live.current().publicUrl,
    findAgent: directory.find,
    keyEnded,
    host,
  });
  const standing = createStanding({
    reader,
    verifier,
    findAgent: directory.find,
    commit: committer.commit,
    draft,
    ttlSeconds: () => live.current().passports.ttlSeconds,
    missionSeconds: () => live.current().passports.missionSeconds,
    host: { ...host, statusIndex: deps.statusIndex },
  });
  const authenticator = createAuthenticator({
    keys: keyVerifier,
    agentKeys,
    passports: verifier,
    directory,
    standing,
  });
  const statusList = createStatusList({
    reader,
    key: deps.statusKeys.current,
    issuer: () => live.current().publicUrl,
    findAgent: directory.find,
    keyEnded,
    host,
  });
  return { verifier, authenticator, statusList, keyEnded };
}

/** None yet; what they look at decides whether a body is read whole. */
const detectors: readonly (OutgoingDetector & IncomingDetector)[] = [];

const limitsOf = ({ agents, agentCeiling }: Config, agentName: string): AgentLimits | undefined =>
  (agents.get(agentName) ?? agentCeiling).limits;

/** Who may begin now: turns, places, limits, and what is kept of calls that were made before. */
function buildAdmission({ storage: { reader, committer }, safe, live, draft, host }: LineDeps) {
  const once = createOnce({ reader, safe, host });
  const limits = (agentName: string) => limitsOf(live.current(), agentName);
  const work = { reader, commit: committer.commit, draft, host };
  return {
    turns: createTurns(host.monotonicMs),
    places: createPlaces(CALLS_IN_FLIGHT_MAX),
    admit: createAdmit({ limits, reader, host, once }),
    pruning: pruneIdempotencyKeys({ ...work, pruned: once.recount }),
  };
}

const authorizeFrom = ({ credentials, live }: LineDeps, find: LiveConfig['service']) =>
  createAuthorize({
    services: { find },
    credentials,
    bodyBytesMax: () => live.current().limits.requestBytesMax,
    bodiesWatched: () => detectors.some(({ readsBody }) => readsBody),
  });

/** Questions for persons: what is stored, who waits for a decision, and what time ends. */
function buildApprovals(deps: LineDeps) {
  const { storage, callSafe, draft, host } = deps;
  const { reader, committer } = storage;
  const webhooks = () => deps.live.current().webhooks;
  const announce = createAnnounce({ webhooks, host });
  const waiting = createWaiting();
  const missions = createMissions(reader);
  const book = createApprovalBook({ reader, host, safe: callSafe, passportRevoked: missions.over });
  const work = { reader, commit: committer.commit, draft, host };
  const ending = {
    over: missions.over,
    ended: waiting.wake,
    announce,
  };
  const sending = { webhooks, upstream: deps.upstream, secretAt: deps.secretAt, log: deps.log };
  const jobs = [
    expireApprovals({ ...work, ...ending }),
    pruneApprovals(work),
    deliverWebhooks({ ...work, ...sending }),
    pruneWebhooks(work),
  ];
  const submission = createSubmission({
    ...{ book, reader, host, announce, missionEndMs: missions.endMs, extend: missions.extend },
    mintedBy: (jti) => passportBy(reader, jti)?.minted_by ?? '',
    pendingMs: () => deps.live.current().approvals.pendingMs,
  });
  const authorize = authorizeFrom(deps, deps.live.service);
  const around = { book, reader, submission, authorize, committer, draft, host, wake: waiting.wake };
  const receiptKeys = () => deps.receipts.verifying();
  const onTheSpot = createOnTheSpot(around);
  const gate = createGate({ book, waiting, authorize, onTheSpot, receiptKeys, host });
  return { book, waiting, announce, submission, missions, authorize, gate, jobs };
}

/** What is kept in memory of the vault is that of the database again; who waits for a decision looks again. */
function followChanges({ credentials, keyring, keys, storage }: LineDeps, wake: () => void) {
  return createFollower(async (action) => {
    if (action.startsWith('approval.')) wake();
    if (action.startsWith('secret.')) await credentials.reload();
    if (action === 'vault.rotate') keyring.follow(await allKeyring(storage.reader));
    if (action === 'vault.rotate_signing_key') await keys.follow();
  });
}

export function buildLines(deps: LineDeps) {
  const { storage, draft, credentials, live, measures: measure, host, log } = deps;
  const config = live.current;
  const { committer } = storage;
  const { verifier, authenticator, statusList, keyEnded } = buildAuthentication(deps);
  const recorder = createRecorder({ committer, draft, host, log, measure });
  const { turns, places, admit, pruning } = buildAdmission(deps);
  const approvals = buildApprovals(deps);
  const { authorize, gate } = approvals;
  const steps = {
    turns,
    places,
    authenticator,
    authorize,
    gate,
    detectors,
    admit,
    intend: createIntend({ committer, host }),
    inject: createInject(credentials, measure),
    forward: createForward({
      upstream: deps.upstream,
      timeoutMs: () => config().limits.callTimeoutMs,
      host,
      measure,
    }),
    scrub: createScrub({
      redactor: createRedactors(credentials),
      bytesMax: () => config().limits.responseBytesMax,
    }),
    settle: createSettle({ committer, host, log, measure }),
    recorder,
    underWay: deps.underWay,
  };
  const traffic = createTraffic(steps);
  const checks = createTraffic({
    ...steps,
    authenticator: checkAuthenticator(() => config().services.values()),
    authorize: authorizeFrom(deps, (name) => checkService(live.service(name))),
  });
  const follower = followChanges(deps, approvals.waiting.wake);
  storage.onLate(followLate({ committer, draft, committed: follower.committed }));
  const line = createOperationLine({
    authenticator,
    committer,
    revoker: deps.revoker,
    recorder,
    draft,
    host,
    log,
    committed: follower.committed,
    measure,
    places: createPlaces(VERBS_IN_FLIGHT_MAX),
    turns,
  });
  const wired = { config, verifier, keyEnded, traffic, checks, judging: { authenticator, authorize } };
  const operations = allOperations({ ...deps, ...approvals, ...wired });
  return {
    registry: createRegistry(operations),
    line,
    traffic,
    statusList,
    callsInFlight: places.taken,
    jobs: [
      ...[countJob(recorder), pruning, follower.job, lookJob(deps.underWay, verifier.byJti)],
      ...approvals.jobs,
    ],
    /** What is still to be written when nobody calls any more. */
    finish: () => recorder.writeCounts(true),
  };
}
