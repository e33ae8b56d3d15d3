// Step 8: reads the answer under limits and removes live secrets from headers and body; what cannot be read is withheld.
import { asFault, Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { contentEncoding, filterResponseHeaders } from '#platform/net/response-headers.ts';
import type { UpstreamResponse } from '#platform/net/upstream.ts';
import type { Forwarded } from './forward.ts';
import type { Redactor } from './redact.ts';
import type { HeaderList } from './request.ts';

declare const scrubbed: unique symbol;
export type Scrubbed = {
  readonly [scrubbed]: true;
  readonly from: Forwarded;
  readonly redactor: Redactor;
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
  /** Bytes of the body as it came, up to the limit. */
  readonly bodyBytes: number;
  readonly truncated: boolean;
};

type Deps = { readonly redactor: () => Redactor; readonly bytesMax: () => number };
export type Scrub = (from: Forwarded) => Promise<Result<Scrubbed>>;

export function createScrub({ redactor, bytesMax }: Deps): Scrub {
  return async (from) => {
    const { response } = from;
    const encoding = contentEncoding(response.headers);
    if (encoding !== undefined) return withheld(response, `content-encoding ${encoding}`);
    const rules = redactor();
    const limit = bytesMax();
    const read = await readBody(response, limit + rules.reachBytes);
    if (!read.ok) return read;
    const clean = rules.bytes(read.value.bytes);
    const headers = filterResponseHeaders(response.headers)
      .filter(([name]) => !rules.inName(name))
      .map(([name, value]) => [name, rules.text(value)] as const);
    const truncated = read.value.cut || read.value.bytes.length > limit;
    const bodyBytes = Math.min(read.value.bytes.length, limit);
    // The last bytes of a cut body may be the beginning of a secret whose end was not read; markers are shorter than
    // secrets, so the limit alone does not keep them out.
    const whole = read.value.cut ? Math.max(0, clean.length - rules.reachBytes) : clean.length;
    const shown = truncated ? clean.subarray(0, Math.min(limit, whole)) : clean;
    const answer = {
      from,
      redactor: rules,
      status: response.status,
      headers,
      body: shown,
      bodyBytes,
      truncated,
    };
    return ok(answer as unknown as Scrubbed);
  };
}

function withheld(response: UpstreamResponse, reason: string): Result<never> {
  response.discard();
  const metadata = { sent: true, upstream_status: response.status, reason };
  return refuse(new Fault('RESPONSE_WITHHELD', { detail: reason, metadata }));
}

type Read = { readonly bytes: Uint8Array; readonly cut: boolean };

async function readBody(response: UpstreamResponse, bytesMax: number): Promise<Result<Read>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body) {
      chunks.push(chunk);
      size += chunk.length;
      // Leaving the loop closes the stream: nothing past the limit is read.
      if (size > bytesMax) break;
    }
  } catch (thrown) {
    return refuse(broken(thrown, response.status));
  }
  return ok({ bytes: Buffer.concat(chunks), cut: size > bytesMax });
}

/** The request left and a status came: the caller must know both before it thinks of repeating. */
function broken(thrown: unknown, status: number): Fault {
  const fault = asFault(thrown);
  const metadata = { ...fault.metadata, sent: true, upstream_status: status };
  const code = fault.code === 'INTERNAL' ? 'UPSTREAM_UNREACHABLE' : fault.code;
  return new Fault(code, { detail: fault.detail ?? 'body broke off', metadata, cause: thrown });
}
