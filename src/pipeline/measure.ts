// What the appliance counts about itself. Labels are names of the config and words of our own tables, never a caller's
// text, and no secret (invariant 2). Each part is handed the one or two functions it calls.
import type { Fault, FaultCode } from '#kernel/errors.ts';
import { METRIC_LABEL_VALUES_MAX } from '#kernel/limits.ts';
import type { Committed, EntryDraft } from '#kernel/unit.ts';
import { createMetrics, type Metrics } from '#platform/metrics/registry.ts';

/** Refused: nothing left. Failed: it was meant to, and no byte did. Unknown: it left, and no whole answer came. */
export type CallEnd = '2xx' | '3xx' | '4xx' | '5xx' | 'other' | 'refused' | 'failed' | 'unknown';
type Call = {
  readonly service: string | null;
  readonly action: string | null;
  readonly end: CallEnd;
  /** Of a call that was let go; from its intent to its last byte. */
  readonly durationMs?: number;
};
/** Units that were committed together, or refused together. */
type Batch = { readonly units: number; readonly durationMs: number; readonly refused: boolean };

export type Meter = {
  readonly call: (call: Call) => void;
  /** From the dial to the head of the answer. */
  readonly upstream: (service: string, durationMs: number) => void;
  /** A verb of ours was asked for; `fault` is why it was refused. */
  readonly operation: (name: string, fault: Fault | undefined) => void;
  readonly refusal: (code: FaultCode) => void;
  readonly request: (channel: string, status: number) => void;
  readonly committed: (entries: readonly EntryDraft[], at: Committed) => void;
  /** The last entry of the log, before any is added. */
  readonly auditHead: (seq: number) => void;
  readonly batch: (batch: Batch) => void;
  readonly configLoad: (outcome: 'success' | 'failure', nowMs: number) => void;
  readonly vaultFailure: (service: string) => void;
  readonly connectionRefused: (why: string) => void;
};

/** What is not counted but looked at, whenever somebody asks. */
export type Sources = {
  /** Whether the config in force has this service. */
  readonly isService: (name: string) => boolean;
  readonly callsInFlight: () => number;
  readonly connections: () => number;
  readonly writerQueue: () => number;
  /** Whether what needs an entry of the log is done. */
  readonly logAvailable: () => boolean;
  /** On the disk of the data folder; undefined where it does not say. */
  readonly freeBytes: () => number | undefined;
  /** How far the machine's clock is behind the time that counts. */
  readonly clockBehindMs: () => number;
};

export type Measures = Meter & {
  /** Once, when all of it is there. */
  readonly look: (sources: Sources) => void;
  /** Once, after the start. */
  readonly watchProcess: () => void;
  readonly text: () => Promise<string>;
};

const MS_PER_SECOND = 1_000;
const CALL_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const COMMIT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
const BATCH_UNITS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

export const endOf = (status: number): CallEnd =>
  status >= 200 && status < 600 ? (`${Math.floor(status / 100)}xx` as CallEnd) : 'other';

export function createMeasures(version: string): Measures {
  const metrics = createMetrics();
  metrics.constant({ name: 'stack_build_info', help: 'Version of the appliance.' }, { version });
  const known = bounded();
  let isService: Sources['isService'] = () => false;
  return {
    ...measureCalls(metrics, (name) => (name !== null && isService(name) ? known(name) : 'unknown')),
    ...measureDoors(metrics),
    ...measureState(metrics),
    watchProcess: metrics.watchProcess,
    look: (sources) => {
      isService = sources.isService;
      watch(metrics, sources);
    },
    text: metrics.text,
  };
}

/** Reloads bring new names and take none away from what was counted. */
function bounded(): (name: string) => string {
  const seen = new Set<string>();
  return (name) => {
    if (!seen.has(name) && seen.size >= METRIC_LABEL_VALUES_MAX) return 'other';
    seen.add(name);
    return name;
  };
}

const MINTS: ReadonlySet<string> = new Set(['passport.issue', 'passport.delegate', 'passport.refresh']);

function measureCalls(metrics: Metrics, serviceOf: (name: string | null) => string) {
  const calls = metrics.counter({
    name: 'stack_calls_total',
    help: 'Calls by service, action, and status class of the answer, or how the call ended without one.',
    labels: ['service', 'action', 'outcome'],
  });
  const duration = metrics.histogram({
    name: 'stack_call_duration_seconds',
    help: 'Calls that were let go, from the intent to the last byte.',
    labels: ['service'],
    buckets: CALL_SECONDS,
  });
  const upstream = metrics.histogram({
    name: 'stack_upstream_duration_seconds',
    help: 'Services, from the dial to the head of the answer.',
    labels: ['service'],
    buckets: CALL_SECONDS,
  });
  const vault = metrics.counter({
    name: 'stack_vault_open_failures_total',
    help: 'Credentials that did not open for a call.',
    labels: ['service'],
  });
  const known = bounded();
  return {
    call: ({ service, action, end, durationMs }: Call) => {
      const name = serviceOf(service);
      calls({ service: name, action: action === null ? 'none' : known(action), outcome: end });
      if (durationMs !== undefined) duration({ service: name }, durationMs / MS_PER_SECOND);
    },
    upstream: (service: string, durationMs: number) =>
      upstream({ service: serviceOf(service) }, durationMs / MS_PER_SECOND),
    vaultFailure: (service: string) => vault({ service: serviceOf(service) }),
  };
}

function measureDoors(metrics: Metrics) {
  const operations = metrics.counter({
    name: 'stack_operations_total',
    help: 'Verbs of the appliance that were asked for.',
    labels: ['operation', 'outcome'],
  });
  const refusals = metrics.counter({
    name: 'stack_refusals_total',
    help: 'Refusals by code.',
    labels: ['code'],
  });
  const requests = metrics.counter({
    name: 'stack_http_requests_total',
    help: 'Answered requests, health and metrics included.',
    labels: ['channel', 'status'],
  });
  const connections = metrics.counter({
    name: 'stack_listener_connections_refused_total',
    help: 'Connections closed before a byte was read: from no listed proxy (peer), or too many at once (full).',
    labels: ['reason'],
  });
  return {
    operation: (operation: string, fault: Fault | undefined) => {
      if (fault !== undefined) refusals({ code: fault.code });
      const refused = fault !== undefined && fault.status < 500 ? 'refused' : 'failed';
      operations({ operation, outcome: fault === undefined ? 'success' : refused });
    },
    refusal: (code: FaultCode) => refusals({ code }),
    request: (channel: string, status: number) => requests({ channel, status: String(status) }),
    connectionRefused: (reason: string) => connections({ reason }),
  };
}

/** Each entry of these is about one passport. */
const REVOKING: ReadonlySet<string> = new Set(['passport.revoke', 'passport.revoke_cascade']);

function measureState(metrics: Metrics) {
  const counter = (name: string, help: string) => metrics.counter({ name, help, labels: [] });
  const issued = counter(
    'stack_passports_issued_total',
    'Passports minted: issued, delegated, refreshed; standing ones included.',
  );
  const revoked = counter(
    'stack_passports_revoked_total',
    'Passports revoked, those that descend from a revoked one included.',
  );
  const loads = metrics.counter({
    name: 'stack_config_loads_total',
    help: 'Times the config was read, at the start or later; one that failed changed nothing.',
    labels: ['outcome'],
  });
  loads({ outcome: 'failure' }, 0);
  let loadedMs = 0;
  metrics.gauge(
    { name: 'stack_config_last_load_success_timestamp_seconds', help: 'When the config in force was read.' },
    () => loadedMs / MS_PER_SECOND,
  );
  let head = 0;
  metrics.gauge(
    { name: 'stack_audit_head_sequence', help: 'Number of the last entry of the log.' },
    () => head,
  );
  return {
    ...measureWriter(metrics),
    committed: (entries: readonly EntryDraft[], at: Committed) => {
      for (const { action, outcome, detail } of entries) {
        if (MINTS.has(action) && outcome === 'success') issued({});
        if (REVOKING.has(action) && outcome === 'success' && detail['already'] !== true) revoked({});
      }
      head = Math.max(head, at.lastSeq);
    },
    auditHead: (seq: number) => {
      head = Math.max(head, seq);
    },
    configLoad: (outcome: 'success' | 'failure', nowMs: number) => {
      loads({ outcome });
      if (outcome === 'success') loadedMs = nowMs;
    },
  };
}

function measureWriter(metrics: Metrics) {
  const failures = metrics.counter({
    name: 'stack_writer_batch_failures_total',
    help: 'Batches that the disk did not take.',
    labels: [],
  });
  const commit = metrics.histogram({
    name: 'stack_writer_commit_duration_seconds',
    help: 'One batch, from its way to the writer to its answer, fsync included.',
    labels: [],
    buckets: COMMIT_SECONDS,
  });
  const size = metrics.histogram({
    name: 'stack_writer_batch_units',
    help: 'Units that shared one fsync.',
    labels: [],
    buckets: BATCH_UNITS,
  });
  return {
    batch: ({ units, durationMs, refused }: Batch) => {
      size({}, units);
      commit({}, durationMs / MS_PER_SECOND);
      if (refused) failures({});
    },
  };
}

function watch(metrics: Metrics, sources: Sources): void {
  const { callsInFlight, connections, writerQueue, logAvailable, freeBytes, clockBehindMs } = sources;
  metrics.gauge({ name: 'stack_log_available', help: '1 while the log takes entries, else 0.' }, () =>
    logAvailable() ? 1 : 0,
  );
  metrics.gauge(
    { name: 'stack_data_dir_free_bytes', help: 'Room for state and log; 0 where nobody can say.' },
    () => freeBytes() ?? 0,
  );
  metrics.gauge(
    { name: 'stack_clock_behind_seconds', help: 'How far the clock of the machine is behind the log.' },
    () => clockBehindMs() / MS_PER_SECOND,
  );
  metrics.gauge({ name: 'stack_calls_in_flight', help: 'Calls under way.' }, callsInFlight);
  metrics.gauge(
    { name: 'stack_listener_connections', help: 'Open connections, local socket included.' },
    connections,
  );
  metrics.gauge(
    { name: 'stack_writer_queue_units', help: 'Units that wait for the writer or are with it.' },
    writerQueue,
  );
}
