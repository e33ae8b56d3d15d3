// Step 7: opens the secret for this one call, checks its leash again, and puts it in (invariant 2: one of two places).
import { place } from '#features/services/model.ts';
import type { Credentials } from '#features/vault/credentials.ts';
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Sensitive } from '#kernel/sensitive.ts';
import { Sensitive as Hidden } from '#kernel/sensitive.ts';
import type { Intended } from './intend.ts';
import type { Meter } from './measure.ts';
import type { HeaderList } from './request.ts';

declare const injected: unique symbol;
export type Injected = {
  readonly [injected]: true;
  readonly from: Intended;
  /** The whole outgoing header list, credential included. */
  readonly headers: Sensitive<HeaderList>;
  /** The whole outgoing path with its query, credential included. */
  readonly path: Sensitive<string>;
};

export type InjectStep = (from: Intended) => Result<Injected>;

/** Asked for, so that the scrubber can read the answer; set by us, never by the caller. */
const OURS: HeaderList = [['accept-encoding', 'identity']];
const USER_AGENT: HeaderList = [['user-agent', 'stack']];

export function createInject(
  credentials: Pick<Credentials, 'open'>,
  measure: Pick<Meter, 'vaultFailure'>,
): InjectStep {
  return (from) => {
    const { service, payload, target } = from.from.from.from;
    const named = payload.headers.some(([name]) => name.toLowerCase() === 'user-agent');
    const headers: HeaderList = [...payload.headers, ...OURS, ...(named ? [] : USER_AGENT)];
    const { path, query } = target.url;
    const { inject } = service.service;
    if (inject === undefined) return done(from, { headers, path: pathWith(path, [query]) });
    const secret = credentials.open(service.service);
    if (!secret.ok) {
      measure.vaultFailure(service.service.name);
      return secret;
    }
    const placed = place(inject, secret.value.reveal());
    if (placed === undefined) {
      const detail = `the secret of ${service.service.name} has not the form that ${inject.kind} can carry`;
      return refuse(new Fault('CREDENTIAL_MISSING', { detail }));
    }
    const all = placed.header === undefined ? headers : [...headers, placed.header];
    return done(from, { headers: all, path: pathWith(path, [query, placed.query]) });
  };
}

type Outgoing = { readonly headers: HeaderList; readonly path: string };

const done = (from: Intended, { headers, path }: Outgoing): Result<Injected> =>
  ok({ from, headers: new Hidden(headers), path: new Hidden(path) } as Injected);

function pathWith(path: string, parts: readonly (string | undefined)[]): string {
  const query = parts.filter((part) => part !== undefined && part !== '').join('&');
  // An empty query that the caller wrote stays as it was decided.
  return query === '' && parts[0] === undefined ? path : `${path}?${query}`;
}
