// Is this API key live, and what is it bound to? Looked up by its keyed hash, so that no comparison of secrets can leak by time.
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { keyedHash } from '#platform/crypto/derive.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { type KeyRow, keyBy, keyByHash } from './store.ts';

export type LiveKey = {
  readonly id: string;
  readonly name: string;
  /** The only agent it may act for. */
  readonly agentId: string | undefined;
  readonly readOnly: boolean;
};
export type KeyVerifier = {
  readonly verify: (presented: string) => Result<LiveKey>;
  /** Whether this id is of a key that is revoked or expired. What is no key's id never ends here. */
  readonly ended: (id: string) => boolean;
};

const KEY_ID = /^key_/;
/** `sk_live_` and 32 random bytes in hex. */
const SHAPE = /^sk_live_[0-9a-f]{64}$/;

const invalid = (detail: string, next?: string): Result<never> =>
  refuse(new Fault('INVALID_API_KEY', next === undefined ? { detail } : { detail, next }));

const isOver = ({ revoked_at, expires_at }: KeyRow, nowMs: number): boolean =>
  revoked_at !== null || (expires_at !== null && expires_at <= nowMs);

export function createKeyVerifier(deps: {
  readonly reader: Reader;
  readonly pepper: Uint8Array;
  readonly host: Pick<Host, 'nowMs'>;
}): KeyVerifier {
  return {
    verify: (presented) => {
      if (!SHAPE.test(presented)) return invalid('not the shape of a key');
      const row = keyByHash(deps.reader, keyedHash(deps.pepper, presented));
      if (row === undefined) return invalid('unknown key');
      if (row.revoked_at !== null) return invalid(`key ${row.id} is revoked`);
      if (row.expires_at !== null && row.expires_at <= deps.host.nowMs()) {
        const next = 'The key has expired. Ask the operator for a new one; `stack keys create` makes it.';
        return invalid(`key ${row.id} expired at ${new Date(row.expires_at).toISOString()}`, next);
      }
      return ok({
        id: row.id,
        name: row.name,
        agentId: row.agent_id ?? undefined,
        readOnly: row.read_only === 1,
      });
    },
    ended: (id) => {
      if (!KEY_ID.test(id)) return false;
      const row = keyBy(deps.reader, id);
      return row === undefined || isOver(row, deps.host.nowMs());
    },
  };
}
