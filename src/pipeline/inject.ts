// Step 6: opens the secret for this one call, checks its leash again, and puts it in (invariant 2: one of two places).
import type { Inject } from '#features/services/model.ts';
import type { Credentials } from '#features/vault/credentials.ts';
import { ok, type Result } from '#kernel/result.ts';
import type { Sensitive } from '#kernel/sensitive.ts';
import { Sensitive as Hidden } from '#kernel/sensitive.ts';
import type { Intended } from './intend.ts';
import type { HeaderList } from './request.ts';

declare const injected: unique symbol;
export type Injected = {
  readonly [injected]: true;
  readonly from: Intended;
  /** The whole outgoing header list, credential included. */
  readonly headers: Sensitive<HeaderList>;
};

export type InjectStep = (from: Intended) => Result<Injected>;

/** Asked for, so that the scrubber can read the answer; set by us, never by the caller. */
const OURS: HeaderList = [['accept-encoding', 'identity']];
const USER_AGENT: HeaderList = [['user-agent', 'stack']];

export function createInject(credentials: Pick<Credentials, 'open'>): InjectStep {
  return (from) => {
    const { service, payload } = from.from.from.from;
    const named = payload.headers.some(([name]) => name.toLowerCase() === 'user-agent');
    const plain: HeaderList = [...payload.headers, ...OURS, ...(named ? [] : USER_AGENT)];
    const { inject } = service.service;
    if (inject === undefined) return done(from, plain);
    const secret = credentials.open(service.service);
    if (!secret.ok) return secret;
    return done(from, [...plain, [inject.header, fill(inject, secret.value)]]);
  };
}

const done = (from: Intended, headers: HeaderList): Result<Injected> =>
  ok({ from, headers: new Hidden(headers) } as Injected);

/** A replacer function, since `$&` in a secret must not be read as a pattern. */
const fill = (inject: Inject, secret: Sensitive<string>): string =>
  inject.template.replace('{secret}', () => secret.reveal());
