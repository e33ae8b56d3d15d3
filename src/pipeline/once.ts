// A call under an idempotency key is made at most once (contract 5): its row is written with its intent and ended with its
// outcome, each in one unit. Where there is a row, its state is the answer; only a call of which no byte left gives it back.
import { saltedHash } from '#features/audit/entry.ts';
import { type AnswerBinding, IDEMPOTENCY_KEY, type Kept } from '#features/idempotency/model.ts';
import type { Safe } from '#features/idempotency/safe.ts';
import {
  deleteExpiredKey,
  endKey,
  insertKey,
  type KeyRow,
  keyRow,
  oldestKeyMs,
  releaseKey,
  usages,
} from '#features/idempotency/store.ts';
import { toHex, utf8 } from '#kernel/bytes.ts';
import { canonicalize } from '#kernel/canonical.ts';
import { Fault, type FaultCode, type FaultMetadata } from '#kernel/errors.ts';
import {
  IDEMPOTENCY_KEPT_MS,
  IDEMPOTENCY_KEYS_PER_OWNER_MAX,
  KEPT_BYTES_PER_OWNER_MAX,
} from '#kernel/limits.ts';
import { ok, type Refused, type Result, refuse } from '#kernel/result.ts';
import type { Statement } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import type { Watched } from './detect.ts';

/** The right to make the call under its key; somebody else may take it first. */
export type Claim = {
  /** Belongs into the unit of the intent, which is a CONFLICT where the key is taken. */
  readonly opening: (intent: string) => readonly Statement[];
  /** That unit was not taken. */
  readonly lost: () => void;
  /** Belong into the unit of the outcome. */
  readonly finished: (status: number, answer: Uint8Array | undefined) => readonly Statement[];
  readonly failed: (fault: Fault) => readonly Statement[];
  /** Ends when that unit is decided; a second try waits for it. */
  readonly settled: (decided: Promise<void>) => void;
};

export type Once = {
  /** What was kept of an earlier call; else a claim, or why there is none. */
  readonly look: (from: Watched, key: string) => Promise<Result<Claim> | Earlier>;
  /** Counts anew what is kept. */
  readonly recount: () => Promise<void>;
};
export type Earlier = { readonly ok: true; readonly kept: Kept; readonly status: number | null };

type Deps = {
  readonly reader: Reader;
  readonly safe: Safe;
  readonly host: Pick<Host, 'nowMs' | 'randomBytes'>;
};

/** Both forms of a call are this verb. */
const VERB = 'stack_proxy_request';
const SALT_BYTES = 16;

export function createOnce(deps: Deps): Once {
  const running: Running = new Map();
  const room = createRoom(deps.reader);
  return {
    recount: room.recount,
    look: async (from, key) => {
      if (!IDEMPOTENCY_KEY.test(key)) return invalid();
      const { caller, passport } = from.from.from.from;
      const owner = passport.agentId ?? caller.id;
      const id = deps.safe.idOf({ owner, verb: VERB, key });
      const row = await settledRow(deps, id, running);
      const beforeMs = deps.host.nowMs() - IDEMPOTENCY_KEPT_MS;
      if (row !== undefined && row.created_at >= beforeMs) return earlier(deps, row, from);
      const full = await room.fault(owner, deps.host.nowMs());
      if (full !== undefined) return refuse(full);
      return ok(claimOf({ ...deps, running, room }, { id, owner, from }));
    },
  };
}

const invalid = (): Refused => {
  const issues = [
    { path: 'idempotency_key', message: 'must be 1 to 255 characters of printable ASCII, no blanks' },
  ];
  return refuse(new Fault('INVALID_REQUEST', { metadata: { issues } }));
};

/** Calls of this process, by their intents; the promise is there while the outcome is being committed. */
type Running = Map<string, Promise<void> | undefined>;

/** A row that says running is one whose call is under way here; any other has ended unseen. */
async function settledRow(deps: Deps, id: string, running: Running): Promise<KeyRow | undefined> {
  const row = await keyRow(deps.reader, id);
  if (row?.state !== 'running') return row;
  if (running.has(row.intent)) {
    const settled = running.get(row.intent);
    if (settled === undefined) return row;
    await settled;
  }
  const again = await keyRow(deps.reader, id);
  return again?.state === 'running' && !running.has(again.intent) ? { ...again, state: 'unknown' } : again;
}

/** The same arguments are the same bytes on their way to the service; volatile headers may differ. */
function fingerprint({ from }: Watched, salt: string): string {
  const { call, service, target, payload } = from.from;
  const { headersVolatile } = service.service;
  const headers = payload.headers.filter(([name]) => !headersVolatile.includes(name.toLowerCase()));
  const { scheme, host, port, path, query = null } = target.url;
  const said = [call.form, call.service, call.method, scheme, host, port, path, query];
  const text = utf8(canonicalize([...said, headers.map(([name, value]) => [name, value])]));
  return saltedHash(utf8(salt), Buffer.concat([text, payload.body ?? new Uint8Array()]));
}

function earlier({ safe }: Deps, row: KeyRow, from: Watched): Result<never> | Earlier {
  const entryId = row.intent;
  if (fingerprint(from, row.salt) !== row.fingerprint)
    return conflict('other_arguments', {
      next: 'This key was used for another call. Use a new key for every call; the same key only to send the same call again.',
    });
  if (row.state === 'running')
    return conflict('running', {
      entryId,
      next: 'The first call under this key is still running. Send it again under the same key in a few seconds.',
    });
  const value = row.value === null ? undefined : safe.open(row.value, bindingOf(row, row));
  if (row.state === 'unknown') return refuse(unknown(value, entryId));
  if (value !== undefined) return { ok: true, kept: { answer: value, entryId }, status: row.status };
  return conflict('answer_not_kept', {
    entryId,
    status: row.status,
    next: 'The call was made, and the service answered with metadata.upstream_status; its answer was too long to keep. Read the result at the service.',
  });
}

type Why = { readonly next: string; readonly entryId?: string; readonly status?: number | null };

function conflict(reason: string, { next, entryId, status }: Why): Result<never> {
  const metadata = {
    reason,
    ...(entryId === undefined ? {} : { entry_id: entryId }),
    ...(status === undefined ? {} : { sent: true, upstream_status: status }),
  };
  return refuse(new Fault('CONFLICT', { detail: `idempotency key: ${reason}`, metadata, next }));
}

type KeptFault = { readonly code: FaultCode; readonly metadata: FaultMetadata; readonly next: string };

/** The error of the first call again; where the appliance ended during it, there was none. */
function unknown(value: Uint8Array | undefined, entryId: string): Fault {
  const again = { outcome: 'unknown', sent: true, entry_id: entryId, replayed: true };
  const detail = 'idempotency key: the outcome of its call is unknown';
  if (value !== undefined) {
    const { code, metadata, next } = JSON.parse(Buffer.from(value).toString('utf8')) as KeptFault;
    return new Fault(code, { detail, metadata: { ...metadata, ...again }, next });
  }
  return new Fault('CONFLICT', {
    detail,
    metadata: { reason: 'unknown', ...again },
    next: 'The call may have been made: the appliance ended during it. Check its effect at the service, and use a new key if it is to be made again.',
  });
}

const bindingOf = (
  { id, owner, intent }: Pick<KeyRow, 'id' | 'owner' | 'intent'>,
  end: End,
): AnswerBinding => ({
  id,
  owner,
  intent,
  state: end.state,
  status: end.status,
});
type End = Pick<KeyRow, 'state' | 'status'>;

type Claiming = { readonly id: string; readonly owner: string; readonly from: Watched };
type Around = Deps & { readonly running: Running; readonly room: Room };

function claimOf({ safe, host, running, room }: Around, { id, owner, from }: Claiming): Claim {
  let intent = '';
  const end = (how: End, plain: Uint8Array | undefined): readonly Statement[] => {
    const place = { id, owner, intent };
    const closed = plain === undefined ? null : safe.close(plain, bindingOf(place, how));
    const value = closed !== null && room.keep(owner, closed.length) ? closed : null;
    return [endKey(place, { ...how, value })];
  };
  return {
    opening: (entryId) => {
      intent = entryId;
      running.set(intent, undefined);
      room.add(owner, 1);
      const nowMs = host.nowMs();
      const salt = toHex(host.randomBytes(SALT_BYTES));
      const row: KeyRow = {
        ...{ id, owner, intent, state: 'running', fingerprint: fingerprint(from, salt), salt },
        ...{ created_at: nowMs, status: null, value: null },
      };
      return [deleteExpiredKey(id, nowMs - IDEMPOTENCY_KEPT_MS), insertKey(row)];
    },
    lost: () => {
      running.delete(intent);
      room.add(owner, -1);
    },
    finished: (status, answer) => end({ state: 'done', status }, answer),
    failed: (fault) => {
      if (fault.metadata['sent'] !== true) {
        room.add(owner, -1);
        return [releaseKey({ id, intent })];
      }
      const { code, metadata, next } = fault;
      const status = metadata['upstream_status'];
      const kept: KeptFault = { code, metadata, next };
      return end(
        { state: 'unknown', status: typeof status === 'number' ? status : null },
        utf8(JSON.stringify(kept)),
      );
    },
    settled: (decided) => {
      const over = (): void => void running.delete(intent);
      running.set(intent, decided.then(over, over));
    },
  };
}

type Room = ReturnType<typeof createRoom>;
type Used = { rows: number; bytes: number };

/** How much each owner has under its keys (invariant 9). Read with the first key, and again after each deletion of old ones. */
function createRoom(reader: Reader) {
  const used = new Map<string, Used>();
  let read: Promise<void> | undefined;
  const recount = async (): Promise<void> => {
    const counts = await usages(reader);
    used.clear();
    for (const { owner, rows, bytes } of counts) used.set(owner, { rows, bytes });
  };
  const usedBy = (owner: string): Used => {
    const known = used.get(owner) ?? { rows: 0, bytes: 0 };
    used.set(owner, known);
    return known;
  };
  return {
    recount,
    /** Why this owner gets no further key, or undefined. */
    fault: async (owner: string, nowMs: number): Promise<Fault | undefined> => {
      read ??= recount();
      await read;
      if ((used.get(owner)?.rows ?? 0) < IDEMPOTENCY_KEYS_PER_OWNER_MAX) return undefined;
      const oldestMs = (await oldestKeyMs(reader, owner)) ?? nowMs;
      return tooMany(Math.max(1, Math.ceil((oldestMs + IDEMPOTENCY_KEPT_MS - nowMs) / 1_000)));
    },
    add: (owner: string, rows: number): void => {
      usedBy(owner).rows += rows;
    },
    /** Whether an answer of so many bytes may be kept; then they are counted. */
    keep: (owner: string, bytes: number): boolean => {
      const own = usedBy(owner);
      if (own.bytes + bytes > KEPT_BYTES_PER_OWNER_MAX) return false;
      own.bytes += bytes;
      return true;
    },
  };
}

function tooMany(retryAfterSeconds: number): Fault {
  const value = IDEMPOTENCY_KEYS_PER_OWNER_MAX;
  const metadata = { limit: 'idempotency_keys', value, retry_after_seconds: retryAfterSeconds };
  const next = `This agent has used ${value} idempotency keys in 24 hours. Send the call without one, or wait as long as Retry-After says.`;
  return new Fault('RATE_LIMITED', { detail: `idempotency keys of ${value}`, metadata, next });
}
