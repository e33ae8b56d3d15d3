// A body that its client is still sending: read whole where somebody must judge it, else counted, hashed and bounded on
// its way out. Its hash stands in the outcome entry, since the intent entry is durable before the first byte is read.
import { createHash } from 'node:crypto';
import { toHex } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { EntryDraft } from '#kernel/unit.ts';
import type { Payload } from './request.ts';

type Incoming = NonNullable<Payload['upload']>;

export type MeteredUpload = {
  readonly declaredBytes: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** What has passed by now; the hash only of a body that passed whole. */
  readonly tally: () => Partial<EntryDraft>;
};

/** Nothing has left yet; what is refused here was never sent. */
export async function readWhole({ chunks, bytesMax }: Incoming): Promise<Result<Uint8Array>> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of chunks) {
      size += part.length;
      if (size > bytesMax) return refuse(new Fault('PAYLOAD_TOO_LARGE'));
      parts.push(part);
    }
  } catch {
    const issues = [{ path: 'body', message: 'the body broke off' }];
    return refuse(new Fault('INVALID_REQUEST', { metadata: { issues } }));
  }
  return ok(Buffer.concat(parts, size));
}

/** SHA-256(salt ‖ body), as every hash of the log (contract 7). */
export function meter({ chunks, bytesMax, declaredBytes }: Incoming, salt: Uint8Array): MeteredUpload {
  const hash = createHash('sha256').update(salt);
  let bytes = 0;
  let whole = false;
  async function* passing(): AsyncGenerator<Uint8Array> {
    for await (const chunk of guarded(chunks)) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw tooLarge();
      hash.update(chunk);
      yield chunk;
    }
    whole = true;
  }
  return {
    declaredBytes,
    chunks: passing(),
    tally: () =>
      whole
        ? { bytes_out: bytes, request_hash: hash.copy().digest('hex'), salt: toHex(salt) }
        : { bytes_out: bytes },
  };
}

async function* guarded(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (thrown) {
    const metadata = { sent: true, reason: 'aborted' };
    const detail = 'the caller broke off its body';
    throw new Fault('UPSTREAM_UNREACHABLE', { detail, metadata, cause: thrown });
  }
}

const tooLarge = (): Fault =>
  new Fault('PAYLOAD_TOO_LARGE', {
    detail: 'the limit was passed while the body was on its way',
    metadata: { sent: true },
    next: 'A part of the body was sent. Look at its effect at the service, then send less.',
  });
