// Is this API key live? Looked up by its keyed hash, so that no comparison of secrets can leak by time.
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { keyedHash } from '#platform/crypto/derive.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { keyByHash } from './store.ts';

export type KeyVerifier = {
  readonly verify: (presented: string) => Promise<Result<{ readonly id: string; readonly name: string }>>;
};

/** `sk_live_` and 32 random bytes in hex. */
const SHAPE = /^sk_live_[0-9a-f]{64}$/;

export function createKeyVerifier(deps: {
  readonly reader: Reader;
  readonly pepper: Uint8Array;
}): KeyVerifier {
  return {
    verify: async (presented) => {
      if (!SHAPE.test(presented))
        return refuse(new Fault('INVALID_API_KEY', { detail: 'not the shape of a key' }));
      const row = await keyByHash(deps.reader, keyedHash(deps.pepper, presented));
      if (row === undefined) return refuse(new Fault('INVALID_API_KEY', { detail: 'unknown key' }));
      if (row.revoked_at !== null)
        return refuse(new Fault('INVALID_API_KEY', { detail: `key ${row.id} is revoked` }));
      return ok({ id: row.id, name: row.name });
    },
  };
}
