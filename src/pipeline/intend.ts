// Step 5: the intent entry is durable before anything leaves (invariant 1). Nothing has been opened or dialled yet.
import { saltedHash } from '#features/audit/entry.ts';
import { toHex, utf8 } from '#kernel/bytes.ts';
import { canonicalize } from '#kernel/canonical.ts';
import type { Trace } from '#kernel/operation.ts';
import { ok, type Result } from '#kernel/result.ts';
import type { EntryDraft } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Authenticated } from './authenticate.ts';
import { askedOf } from './authorize.ts';
import type { Committer } from './commit.ts';
import type { Watched } from './detect.ts';
import type { DraftEntry } from './record.ts';

declare const intended: unique symbol;
/** The log holds the intent; from here on every end of the call writes an outcome. */
export type Intended = {
  readonly [intended]: true;
  readonly from: Watched;
  readonly intent: EntryDraft;
  readonly startedMs: number;
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
    return ok({ from, intent, startedMs: host.monotonicMs() } as Intended);
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
    bytes_out: payload.body?.length ?? 0,
  };
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
