// Step 6: the intent entry is durable before anything leaves (invariant 1). Nothing has been opened or dialled yet.
import { BLANK_ENTRY, saltedHash } from '#features/audit/entry.ts';
import { toHex, utf8 } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import { NOTED_HEADER_CHARS_MAX, NOTED_HEADERS_MAX } from '#kernel/limits.ts';
import type { Trace } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { EntryDraft } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Admitted } from './admit.ts';
import type { Authenticated } from './authenticate.ts';
import type { Committer } from './commit.ts';
import type { Watched } from './detect.ts';
import type { Claim } from './once.ts';
import type { Payload, Target } from './request.ts';
import { type MeteredUpload, meter } from './upload.ts';

declare const intended: unique symbol;
/** The log holds the intent; from here on every end of the call writes an outcome. */
export type Intended = {
  readonly [intended]: true;
  readonly from: Watched;
  readonly intent: EntryDraft;
  /** The idempotency key that the call is made under. */
  readonly claim: Claim | undefined;
  readonly startedMs: number;
  /** A body that is still on its way; only now may it be read. */
  readonly upload: MeteredUpload | undefined;
};

type Deps = { readonly committer: Committer; readonly host: Host };
export type Intend = (admitted: Admitted, trace: Trace) => Promise<Result<Intended>>;

/** Salt length: the hash of a short query cannot be guessed back (security.md 4.1). */
const SALT_BYTES = 16;

export function createIntend({ committer, host }: Deps): Intend {
  return async ({ from, claim }, trace) => {
    const intent = intentOf(from, trace, host);
    const { ticket } = from.from;
    const claimed = claim?.opening(intent.entry_id) ?? [];
    const statements = ticket === undefined ? claimed : [...claimed, ...ticket.opening(intent.entry_id)];
    const committed = await committer.commit({ statements, entries: [intent] });
    if (!committed.ok) return refuse(unsent(committed.fault));
    const { upload } = from.from.from.payload;
    const metered = upload === undefined ? undefined : meter(upload, host.randomBytes(SALT_BYTES));
    return ok({ from, intent, claim, startedMs: host.monotonicMs(), upload: metered } as Intended);
  };
}

/** Whatever becomes of the entry, the call was not sent; one that comes late gets its outcome (late.ts). */
function unsent({ code, detail, metadata: { reason } }: Fault): Fault {
  return new Fault(code, {
    ...(detail === undefined ? {} : { detail }),
    metadata: reason === undefined ? {} : { reason },
  });
}

export const traceOf = (trace: Trace): Partial<EntryDraft> => ({
  trace_id: trace.traceId,
  span_id: trace.spanId,
  parent_span_id: trace.parentSpanId ?? null,
});

/** Who the passport says is acting, for any entry on the traffic line. */
export const actorOf = ({ caller, passport }: Authenticated): Partial<EntryDraft> => ({
  actor: { kind: caller.kind, id: caller.id },
  agent_id: passport.agentId,
  session_id: passport.sessionId,
  passport_jti: passport.jti,
});

/** Written out and not put together from parts: it is made for every call. */
function intentOf(from: Watched, trace: Trace, host: Host): EntryDraft {
  const { from: authenticated, call, payload, action, target } = from.from.from;
  const { caller, passport } = authenticated;
  const salt = host.randomBytes(SALT_BYTES);
  return {
    ...BLANK_ENTRY,
    entry_id: host.id('aud'),
    timestamp: host.nowMs(),
    trace_id: trace.traceId,
    span_id: trace.spanId,
    parent_span_id: trace.parentSpanId ?? null,
    layer: 'vault',
    action: 'credential.proxy',
    outcome: 'pending',
    actor: { kind: caller.kind, id: caller.id },
    agent_id: passport.agentId,
    session_id: passport.sessionId,
    passport_jti: passport.jti,
    service: call.service,
    service_action: action,
    method: call.method,
    host: target.url.host,
    path: target.url.path,
    request_hash: saltedHash(salt, hashedOf(target, payload)),
    bytes_out: payload.upload === undefined ? (payload.body?.length ?? 0) : null,
    approval_id: from.from.ticket?.approvalId ?? null,
    detail: detailOf(from),
    salt: toHex(salt),
  };
}

/** What the entry says beside its fields. Of an approved call, in what it differs from the stored one. */
function detailOf({ from: { from, ticket } }: Watched): EntryDraft['detail'] {
  const { dropped } = from.payload;
  return {
    ...(dropped.length === 0 ? {} : { headers_dropped: shown(dropped) }),
    ...(ticket === undefined || ticket.differs.length === 0 ? {} : { approval_free: shown(ticket.differs) }),
  };
}

/** The caller chose these names: no more of them than fit into an entry beside the rest. */
function shown(dropped: readonly string[]): readonly string[] {
  const names = dropped.slice(0, NOTED_HEADERS_MAX).map((name) => name.slice(0, NOTED_HEADER_CHARS_MAX));
  const left = dropped.length - names.length;
  return left > 0 ? [...names, `and ${left} more`] : names;
}

/** Query and body enter as a salted hash only; the salt stands beside the entry. */
function hashedOf({ url }: Target, { headers, body }: Payload): Uint8Array {
  // Canonical as it stands (RFC 8785): its two members in their order, and texts that have passed the gate.
  const head = utf8(`{"headers":${JSON.stringify(headers)},"query":${JSON.stringify(url.query ?? null)}}`);
  return body === undefined ? head : Buffer.concat([head, body]);
}
