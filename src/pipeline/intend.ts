// Step 5: the intent entry is durable before anything leaves (invariant 1). Nothing has been opened or dialled yet.
import { saltedHash } from '#features/audit/entry.ts';
import { toHex, utf8 } from '#kernel/bytes.ts';
import { canonicalize } from '#kernel/canonical.ts';
import { NOTED_HEADER_CHARS_MAX, NOTED_HEADERS_MAX } from '#kernel/limits.ts';
import type { Trace } from '#kernel/operation.ts';
import { ok, type Result } from '#kernel/result.ts';
import type { EntryDraft } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Authenticated } from './authenticate.ts';
import { askedOf } from './authorize.ts';
import type { Committer } from './commit.ts';
import type { Watched } from './detect.ts';
import type { DraftEntry } from './record.ts';
import { type MeteredUpload, meter } from './upload.ts';

declare const intended: unique symbol;
/** The log holds the intent; from here on every end of the call writes an outcome. */
export type Intended = {
  readonly [intended]: true;
  readonly from: Watched;
  readonly intent: EntryDraft;
  readonly startedMs: number;
  /** A body that is still on its way; only now may it be read. */
  readonly upload: MeteredUpload | undefined;
};

type Deps = { readonly committer: Committer; readonly draft: DraftEntry; readonly host: Host };
export type Intend = (from: Watched, trace: Trace) => Promise<Result<Intended>>;

/** Salt length: the hash of a short query cannot be guessed back (security.md 4.1). */
const SALT_BYTES = 16;

export function createIntend({ committer, draft, host }: Deps): Intend {
  return async (from, trace) => {
    const intent = draft({
      ...fieldsOf(from),
      ...hashOf(from, host.randomBytes(SALT_BYTES)),
      ...traceOf(trace),
    });
    const committed = await committer.commit({ statements: [], entries: [intent] });
    if (!committed.ok) return committed;
    const { upload } = from.from.from.payload;
    const metered = upload === undefined ? undefined : meter(upload, host.randomBytes(SALT_BYTES));
    return ok({ from, intent, startedMs: host.monotonicMs(), upload: metered } as Intended);
  };
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

function fieldsOf(from: Watched): Partial<EntryDraft> {
  const authorized = from.from.from;
  const { from: authenticated, call, payload } = authorized;
  return {
    ...actorOf(authenticated),
    layer: 'vault',
    action: 'credential.proxy',
    outcome: 'pending',
    service: call.service,
    ...askedOf(authorized),
    method: call.method,
    bytes_out: payload.upload === undefined ? (payload.body?.length ?? 0) : null,
    detail: payload.dropped.length === 0 ? {} : { headers_dropped: shown(payload.dropped) },
  };
}

/** The caller chose these names: no more of them than fit into an entry beside the rest. */
function shown(dropped: readonly string[]): readonly string[] {
  const names = dropped.slice(0, NOTED_HEADERS_MAX).map((name) => name.slice(0, NOTED_HEADER_CHARS_MAX));
  const left = dropped.length - names.length;
  return left > 0 ? [...names, `and ${left} more`] : names;
}

/** Query and body enter as a salted hash only; the salt stands beside the entry. */
function hashOf(from: Watched, salt: Uint8Array): Partial<EntryDraft> {
  const { target, payload } = from.from.from;
  const head = utf8(
    canonicalize({ query: target.url.query ?? null, headers: payload.headers.map(([n, v]) => [n, v]) }),
  );
  const bytes = Buffer.concat([head, payload.body ?? new Uint8Array()]);
  return { request_hash: saltedHash(salt, bytes), salt: toHex(salt) };
}
