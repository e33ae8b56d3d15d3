// Step 8: dials the checked address and sends; the answer is read under limits by the next step.
import { STREAM_MS_MAX } from '#kernel/limits.ts';
import { ok, type Result } from '#kernel/result.ts';
import type { Host } from '#platform/host/host.ts';
import type { Handle, UpstreamResponse } from '#platform/net/exchange.ts';
import type { Upstream } from '#platform/net/upstream.ts';
import type { Injected } from './inject.ts';
import type { Meter } from './measure.ts';
import type { HeaderList } from './request.ts';

declare const forwarded: unique symbol;
export type Forwarded = {
  readonly [forwarded]: true;
  readonly from: Injected;
  readonly response: UpstreamResponse;
};

type Deps = {
  readonly upstream: Upstream;
  readonly timeoutMs: () => number;
  readonly host: Pick<Host, 'monotonicMs'>;
  readonly measure: Pick<Meter, 'upstream'>;
};
export type Forward = (from: Injected, out: Leaving) => Promise<Result<Forwarded>>;
export type Leaving = {
  /** Fires when the caller has gone away. */
  readonly signal: AbortSignal;
  /** The answer is passed on as it comes and may last longer than its head may take. */
  readonly streams: boolean;
  /** Through which the call is cut. */
  readonly handle: Handle;
};

export function createForward({ upstream, timeoutMs, host, measure }: Deps): Forward {
  return async (from, { signal, streams, handle }) => {
    const { upload } = from.from;
    const { call, service, target, payload } = from.from.from.from.from;
    const { url } = target;
    const definition = service.service;
    const sentMs = host.monotonicMs();
    const response = await upstream.send(
      {
        origin: { scheme: url.scheme, host: url.host, port: url.port },
        key: `${definition.name}:${service.fingerprint}`,
        network: definition.network,
        caPem: definition.caPem,
        method: call.method,
        path: from.path.reveal(),
        headers: [...from.headers.reveal(), ...framingOf(upload?.declaredBytes)],
        body: upload?.chunks ?? payload.body,
        timeoutMs: timeoutMs(),
        streamMs: streams ? STREAM_MS_MAX : undefined,
        handle,
      },
      signal,
    );
    measure.upstream(definition.name, host.monotonicMs() - sentMs);
    return response.ok ? ok({ from, response: response.value } as Forwarded) : response;
  };
}

/** A length that the client declared goes on, and the HTTP client holds the body to it; without one it goes in chunks. */
const framingOf = (declaredBytes: number | undefined): HeaderList =>
  declaredBytes === undefined ? [] : [['content-length', String(declaredBytes)]];
