// Is a service reachable, and does it take its credential? One harmless call of the config, on the traffic line like any.
import { z } from 'zod';
import { type CompiledService, compileService } from '#features/policy/decide.ts';
import type { METHODS } from '#features/policy/pattern.ts';
import type { Service, Verification } from '#features/services/model.ts';
import type { Presence } from '#features/vault/credentials.ts';
import { Fault } from '#kernel/errors.ts';
import { SERVICE_NAME_CHARS_MAX } from '#kernel/limits.ts';
import { type Caller, type Invocation, type Operation, operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Host } from '#platform/host/host.ts';
import type { Upstream } from '#platform/net/upstream.ts';
import { type Authenticator, authenticateCheck } from './authenticate.ts';
import { type CallAnswer, callOf } from './call.ts';
import { collected } from './deliver.ts';
import type { Traffic } from './traffic.ts';

const REFUSED_STATUS = [401, 403];
const MS_PER_SECOND = 1000;

const verdict = z.strictObject({
  service: z.string().describe('Name of the service.'),
  reachable: z
    .boolean()
    .describe('Its name resolves to an allowed address that answers, with a certificate that holds.'),
  credential: z
    .enum(['accepted', 'refused', 'missing', 'unknown', 'none'])
    .describe(
      'What the harmless call showed; unknown without one, none where the service takes no credential.',
    ),
  status: z.number().int().min(100).max(599).optional().describe('HTTP status of the harmless call.'),
  reason: z.string().optional().describe('What is wrong, for the operator.'),
  clock_skew_seconds: z
    .number()
    .int()
    .optional()
    .describe('By how much the clock of the service is ahead of this one.'),
});
export type Verdict = z.infer<typeof verdict>;

type Deps = {
  readonly service: (name: string) => CompiledService | undefined;
  readonly presence: (service: Service) => Presence;
  readonly reach: Upstream['reach'];
  /** A line whose first step is `checkAuthenticator` and whose services are `checkService`. */
  readonly traffic: Traffic;
  readonly host: Pick<Host, 'nowMs'>;
};

const actionOf = (service: string): string => `${service}:connection:verify`;

/** The service with its harmless call as the only action, under no approval. */
export function checkService(compiled: CompiledService | undefined): CompiledService | undefined {
  const verify = compiled?.service.verify;
  if (compiled === undefined || verify === undefined) return undefined;
  const { name } = compiled.service;
  const pattern = { method: verify.method, segments: verify.path.slice(1).split('/'), text: verify.path };
  const actions = [{ name: actionOf(name), calls: [{ pattern, where: [] }] }];
  const only = compileService({ ...compiled.service, actions, approval: [] });
  // The definition stays the one in force: credentials are held for it and for no copy.
  return { ...only, service: compiled.service, fingerprint: compiled.fingerprint };
}

/** The first step of the line for checks: the person may make the harmless call of each service, and nothing else. */
export const checkAuthenticator = (services: () => Iterable<Service>): Pick<Authenticator, 'agent'> => ({
  agent: async (caller: Caller) => {
    const held = [...services()].map(({ name }) => ({
      service: name,
      scopes: [actionOf(name)],
      constraints: [],
    }));
    return authenticateCheck(caller, held);
  },
});

export function verifyOperation(deps: Deps): Operation {
  return operation({
    name: 'stack_verify_connection',
    action: 'service.verify',
    summary:
      'Check whether a service is reachable and takes its credential, by the harmless call of its config.',
    effect: 'read',
    callers: ['person'],
    scope: 'services:read',
    input: z.strictObject({
      name: z.string().min(1).max(SERVICE_NAME_CHARS_MAX).describe('Name of the service.'),
    }),
    output: verdict,
    example: {
      input: { name: 'billing' },
      output: {
        service: 'billing',
        reachable: true,
        credential: 'accepted',
        status: 200,
        clock_skew_seconds: 0,
      },
    },
    errors: ['NOT_FOUND'],
    route: { method: 'POST', path: '/v1/services/:name/verify' },
    toolset: null,
    line: 'operations',
    run: async (invocation) => {
      const compiled = deps.service(invocation.input.name);
      if (compiled === undefined)
        return refuse(new Fault('NOT_FOUND', { detail: `no service ${invocation.input.name}` }));
      return ok({ output: await verify(deps, compiled.service, invocation), changes: [] });
    },
  });
}

type Asking = Pick<Invocation<unknown>, 'caller' | 'trace' | 'signal'>;

/** Why a service cannot be reached, or undefined where it can. Sends nothing. */
export async function obstacleTo(
  { base, network, caPem }: Service,
  reach: Upstream['reach'],
): Promise<string | undefined> {
  const { scheme, host, port } = base;
  const reached = await reach({ origin: { scheme, host, port }, network, caPem });
  return reached.ok ? undefined : reasonOf(reached.fault);
}

async function verify(deps: Deps, service: Service, asking: Asking): Promise<Verdict> {
  const { name } = service;
  const obstacle = await obstacleTo(service, deps.reach);
  const { connected, reason } = deps.presence(service);
  const absent = service.inject !== undefined && !connected;
  if (obstacle !== undefined) {
    const reasons = [obstacle, ...(absent && reason !== undefined ? [reason] : [])];
    const credential = absent ? 'missing' : 'unknown';
    return { service: name, reachable: false, credential, reason: reasons.join('; ') };
  }
  const found = { service: name, reachable: true } as const;
  if (service.inject === undefined) return { ...found, credential: 'none' };
  if (absent) return { ...found, credential: 'missing', ...(reason === undefined ? {} : { reason }) };
  if (service.verify === undefined)
    return { ...found, credential: 'unknown', reason: 'the service names no harmless call under verify' };
  const call = callOf(harmlessCall(name, service.verify));
  const answer = await deps.traffic.send({ ...asking, call, to: collected(undefined) });
  return { ...found, ...judge(answer, { ...service.verify, nowMs: deps.host.nowMs() }) };
}

function harmlessCall(service: string, { method, path }: Verification) {
  // The pattern's parser has let no other method through.
  return { service, method: method as (typeof METHODS)[number], path };
}

type Judged = Pick<Verdict, 'credential' | 'status' | 'reason' | 'clock_skew_seconds'>;

type Expected = Pick<Verification, 'expect'> & { readonly nowMs: number };

function judge(answer: Result<CallAnswer>, { expect, nowMs }: Expected): Judged {
  if (!answer.ok) return { credential: 'unknown', reason: reasonOf(answer.fault) };
  const { status, body, headers } = answer.value;
  const seen = { status, ...skewOf(headers['date'], nowMs) };
  if (REFUSED_STATUS.includes(status))
    return { ...seen, credential: 'refused', reason: `the service answered ${status}` };
  const wrong = Object.entries(expect).find(([name, value]) => memberOf(body, name) !== value);
  if (status >= 200 && status < 300) {
    if (wrong === undefined) return { ...seen, credential: 'accepted' };
    return { ...seen, credential: 'refused', reason: `its answer has another ${wrong[0]} than expected` };
  }
  return { ...seen, credential: 'unknown', reason: `the harmless call was answered ${status}` };
}

function memberOf(body: unknown, name: string): unknown {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return undefined;
  return (body as Record<string, unknown>)[name];
}

/** RFC 9110 6.6.1; a service without a clock says nothing. */
function skewOf(date: string | undefined, nowMs: number): Pick<Verdict, 'clock_skew_seconds'> {
  const theirs = Date.parse(date ?? '');
  return Number.isNaN(theirs) ? {} : { clock_skew_seconds: Math.round((theirs - nowMs) / MS_PER_SECOND) };
}

const reasonOf = ({ code, detail, message }: Fault): string => `${code}: ${detail ?? message}`;
