// What waits in the outbox is posted, again later where it was not taken, and given up after the last try: then it is dead, and
// stays to be seen. A crash between a post and its record posts it again under the same id.
import type { Job } from '#kernel/job.ts';
import {
  WEBHOOK_KEPT_MS,
  WEBHOOK_LOOK_EVERY_MS,
  WEBHOOK_PRUNE_EVERY_MS,
  WEBHOOK_PRUNE_ROWS_MAX,
  WEBHOOK_RETRIES_MS,
  WEBHOOK_TIMEOUT_MS,
  WEBHOOKS_AT_ONCE,
} from '#kernel/limits.ts';
import type { Log } from '#platform/log/log.ts';
import type { NetworkRule } from '#platform/net/address.ts';
import type { Upstream } from '#platform/net/upstream.ts';
import { type JobDeps, prune } from '#platform/storage/jobs.ts';
import { type SecretPlace, secretBytes, signedHeaders, type Webhook } from './model.ts';
import {
  type Attempted,
  type DeliveryRow,
  deleteDeliveries,
  dueDeliveries,
  oldDeliveries,
  recordAttempt,
} from './store.ts';

type Deps = JobDeps & {
  readonly webhooks: () => readonly Webhook[];
  readonly upstream: Pick<Upstream, 'send'>;
  readonly secretAt: (place: SecretPlace) => string | undefined;
  readonly log: Log;
};

const MS_PER_SECOND = 1_000;
/** The receiver says that it wants no more (Standard Webhooks). */
const GONE = 410;

export const deliverWebhooks = (deps: Deps): Job => ({
  name: 'deliver webhooks',
  everyMs: WEBHOOK_LOOK_EVERY_MS,
  run: async () => {
    const { reader, host } = deps;
    const due = await dueDeliveries(reader, { nowMs: host.nowMs(), limit: WEBHOOKS_AT_ONCE });
    await Promise.all(due.map((row) => deliver(deps, row)));
  },
});

/** Why it was not taken; undefined where it was. */
type Problem = { readonly text: string; readonly final: boolean } | undefined;

async function deliver(deps: Deps, row: DeliveryRow): Promise<void> {
  const problem = await post(deps, row);
  const attempted = judge(deps, row, problem);
  const { state, attempts, last_error } = attempted;
  if (state === 'dead')
    deps.log.warn('a webhook was given up', {
      destination: row.destination,
      delivery: row.id,
      reason: last_error ?? '',
    });
  const entry = deps.draft({
    action: 'notification.deliver',
    outcome: problem === undefined ? 'success' : 'failure',
    approval_id: row.approval_id,
    detail: {
      ...{ delivery: row.id, destination: row.destination, event: row.event, attempts, state },
      ...(last_error === null ? {} : { reason: last_error }),
    },
  });
  const committed = await deps.commit({ statements: [recordAttempt(row.id, attempted)], entries: [entry] });
  if (!committed.ok) throw committed.fault;
}

async function post(deps: Deps, row: DeliveryRow): Promise<Problem> {
  const to = deps.webhooks().find(({ name }) => name === row.destination);
  if (to === undefined) return { text: 'it is no longer in the config', final: true };
  const secret = secretBytes(deps.secretAt(to.secret));
  if (secret === undefined)
    return { text: 'its secret is not set, or is no whsec_ of 24 to 64 bytes', final: false };
  const timestampSeconds = Math.floor(deps.host.nowMs() / MS_PER_SECOND);
  const headers = signedHeaders({ id: row.id, timestampSeconds, body: row.body }, secret);
  const sent = await deps.upstream.send(
    {
      origin: to.origin,
      key: `webhook:${to.name}`,
      network: networkOf(to.network),
      caPem: undefined,
      method: 'POST',
      path: to.path,
      headers,
      body: Buffer.from(row.body),
      timeoutMs: WEBHOOK_TIMEOUT_MS,
      streamMs: undefined,
    },
    new AbortController().signal,
  );
  if (!sent.ok) return { text: sent.fault.code, final: false };
  sent.value.discard();
  const { status } = sent.value;
  // A redirect is followed nowhere.
  if (status >= 200 && status < 300) return undefined;
  return { text: `answered ${status}`, final: status === GONE };
}

const networkOf = (network: Webhook['network']): NetworkRule =>
  network === 'private' ? { kind: 'private', ranges: [] } : { kind: network };

function judge({ host }: Pick<Deps, 'host'>, row: DeliveryRow, problem: Problem): Attempted {
  const nowMs = host.nowMs();
  const attempts = row.attempts + 1;
  if (problem === undefined)
    return { state: 'delivered', attempts, next_at: nowMs, ended_at: nowMs, last_error: null };
  const pauseMs = WEBHOOK_RETRIES_MS[row.attempts];
  const last_error = problem.text;
  if (problem.final || pauseMs === undefined)
    return { state: 'dead', attempts, next_at: nowMs, ended_at: nowMs, last_error };
  return { state: 'waiting', attempts, next_at: nowMs + pauseMs, ended_at: null, last_error };
}

export const pruneWebhooks = ({ reader, commit, draft, host }: JobDeps): Job => ({
  name: 'prune deliveries of webhooks',
  everyMs: WEBHOOK_PRUNE_EVERY_MS,
  run: () => {
    const beforeMs = host.nowMs() - WEBHOOK_KEPT_MS;
    return prune(commit, {
      rowsMax: WEBHOOK_PRUNE_ROWS_MAX,
      old: (limit) => oldDeliveries(reader, { beforeMs, limit }),
      unit: (ids) => ({
        statements: [deleteDeliveries(ids)],
        entries: [draft({ action: 'notification.prune', detail: { deliveries: ids.length } })],
      }),
    });
  },
});
