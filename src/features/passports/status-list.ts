// Which passports are over before their time, for whoever verifies them without asking us: a signed list of bits (IETF Token
// Status List, draft-ietf-oauth-status-list). It says nothing but valid or not, by an index that stands in the passport.
import zlib from 'node:zlib';
import type { Agent } from '#features/agents/model.ts';
import { toBase64url } from '#kernel/bytes.ts';
import { canonicalize } from '#kernel/canonical.ts';
import {
  STATUS_INDEX_SKIP,
  STATUS_LIST_BITS,
  STATUS_LIST_BUILT_MS,
  STATUS_LIST_KEPT_MS,
  STATUS_LIST_TTL_SECONDS,
  STATUS_LIST_VALID_SECONDS,
} from '#kernel/limits.ts';
import { signJws } from '#platform/crypto/jws.ts';
import type { SigningKey } from '#platform/crypto/signing.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { newestStatusIndex, type StatusRow, statusRows } from './ends-store.ts';

export const STATUS_LIST_PATH = '/v1/passports/status-list';
export const statusListUri = (issuer: string): string => `${issuer}${STATUS_LIST_PATH}`;

const MS = 1000;
const BITS_PER_BYTE = 8;

/**
 * The next place in the list, in turn: two passports that live at the same time never share one. After a start it begins
 * further on, since what was given last need not have become the newest row.
 */
export function createStatusIndexes(reader: Reader): () => number {
  let last: number | undefined;
  return () => {
    last = ((last ?? newestStatusIndex(reader) + STATUS_INDEX_SKIP) + 1) % STATUS_LIST_BITS;
    return last;
  };
}

type Deps = {
  readonly reader: Reader;
  readonly key: () => SigningKey;
  readonly issuer: () => string;
  readonly findAgent: (id: string) => Agent | undefined;
  readonly keyEnded: (id: string) => boolean;
  readonly host: Pick<Host, 'nowMs' | 'monotonicMs'>;
};

/** Built at most once in STATUS_LIST_BUILT_MS, however often it is asked for. */
export function createStatusList(deps: Deps): () => Promise<string> {
  let built: { readonly atMs: number; readonly token: Promise<string> } | undefined;
  return () => {
    const nowMs = deps.host.monotonicMs();
    if (built !== undefined && nowMs - built.atMs < STATUS_LIST_BUILT_MS) return built.token;
    const token = build(deps);
    built = { atMs: nowMs, token };
    // What could not be read is tried again by the next one who asks.
    token.catch(() => {
      built = undefined;
    });
    return token;
  };
}

async function build(deps: Deps): Promise<string> {
  const nowMs = deps.host.nowMs();
  const rows = await statusRows(deps.reader, nowMs - STATUS_LIST_KEPT_MS);
  const bits = new Uint8Array(STATUS_LIST_BITS / BITS_PER_BYTE);
  for (const index of overOf(rows, { ...deps, nowMs })) setBit(bits, index);
  return sign(bits, { ...deps, nowSeconds: Math.floor(nowMs / MS) });
}

type Judging = Pick<Deps, 'findAgent' | 'keyEnded'> & { readonly nowMs: number };

/** The first index is the lowest bit of the first byte. */
function setBit(bits: Uint8Array, index: number): void {
  const at = Math.floor(index / BITS_PER_BYTE);
  bits[at] = (bits[at] ?? 0) | (1 << (index % BITS_PER_BYTE));
}

/**
 * Rows come with parents before their children, and what is over takes what descends from it. A parent may lapse, and leave
 * the list, while the token of its child has time left: its refresh may have asked for less.
 */
function overOf(rows: readonly StatusRow[], { findAgent, keyEnded, nowMs }: Judging): readonly number[] {
  const live = new Set<string>();
  const without = remembered((id) => findAgent(id)?.status !== 'active');
  const ended = remembered(keyEnded);
  for (const { jti, parent_jti, agent_id, minted_by, ...row } of rows) {
    const orphaned = parent_jti !== null && !live.has(parent_jti);
    const over = row.revoked_at !== null || row.ended_at !== null || row.expires_at <= nowMs;
    if (!orphaned && !over && !without(agent_id) && !ended(minted_by)) live.add(jti);
  }
  return rows.flatMap(({ jti, status_index: index }) => (index === null || live.has(jti) ? [] : [index]));
}

function remembered(ask: (id: string) => boolean): (id: string) => boolean {
  const known = new Map<string, boolean>();
  return (id) => {
    const answer = known.get(id) ?? ask(id);
    known.set(id, answer);
    return answer;
  };
}

type Signing = Pick<Deps, 'key' | 'issuer'> & { readonly nowSeconds: number };

function sign(bits: Uint8Array, { key, issuer, nowSeconds: iat }: Signing): string {
  const claims = {
    iss: issuer(),
    sub: statusListUri(issuer()),
    iat,
    exp: iat + STATUS_LIST_VALID_SECONDS,
    ttl: STATUS_LIST_TTL_SECONDS,
    // Of the same length whatever there is, so that nobody reads from it how many passports there are.
    status_list: { bits: 1, lst: toBase64url(zlib.deflateSync(bits, { level: 9 })) },
  };
  return signJws(canonicalize(claims), { type: 'statuslist+jwt', key: key() });
}
