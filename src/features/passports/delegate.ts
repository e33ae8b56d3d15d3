// What a delegated passport may hold: never more than its direct parent holds right now, nor than its own agent is granted.
// Invariant 4: services, actions, constraints, lifetime and mode only narrow. Pure; the lease is cut in lease.ts.
import { type Agent, type Grant, looser, type Mode } from '#features/agents/model.ts';
import { type Constraint, intersect, narrower, serviceOf } from '#features/policy/model.ts';
import { Fault } from '#kernel/errors.ts';
import {
  CONSTRAINTS_PER_SERVICE_MAX,
  CONSTRAINTS_WITH_ANCESTORS_MAX,
  DELEGATION_HOPS_MAX,
} from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { ConstraintProblem, Wish } from './issue.ts';
import type { LivePassport, PassportService } from './model.ts';

/** The parent as it is now, under the live config and under its own ancestors. */
export type Parent = Pick<LivePassport, 'services' | 'mode' | 'ancestors'>;
export type Child = Pick<Agent, 'name' | 'mode' | 'status' | 'grants'>;

export function planDelegation(
  parent: Parent,
  { child, wish }: { readonly child: Child; readonly wish: Wish },
  constraintProblem: ConstraintProblem,
): Result<readonly PassportService[]> {
  const refusal = chainProblem(parent, child) ?? intentProblem(parent, child.mode, wish);
  if (refusal !== undefined) return refuse(refusal);
  const services = slice(parent, child, wish);
  if (!services.ok) return services;
  return constrain(services.value, wish.constraints, constraintProblem);
}

function chainProblem(parent: Parent, child: Child): Fault | undefined {
  if (parent.ancestors.length >= DELEGATION_HOPS_MAX)
    return new Fault('DELEGATION_DEPTH_EXCEEDED', { metadata: { hops_max: DELEGATION_HOPS_MAX } });
  if (child.status === 'blocked')
    return new Fault('PASSPORT_BLOCKED', { detail: `agent ${child.name} is blocked` });
  if (!looser(child.mode, parent.mode)) return undefined;
  const metadata = { parent_mode: parent.mode, child_mode: child.mode };
  return new Fault('DELEGATION_ACCOUNTABILITY_VIOLATION', { metadata });
}

function intentProblem({ services }: Parent, mode: Mode, { intent }: Wish): Fault | undefined {
  if (mode !== 'standard' && intent === undefined)
    return new Fault('ACCOUNTABILITY_REQUIRED', {
      next: 'Send intent {summary, services}: what the other agent is to do.',
    });
  const beyond = intent?.services.find((name) => !services.some(({ service }) => service === name));
  return beyond === undefined ? undefined : escalation(`the parent has no service ${beyond}`);
}

const escalation = (reason: string, next?: string): Fault =>
  new Fault('SCOPE_ESCALATION', {
    detail: reason,
    metadata: { reason },
    next: next ?? 'Ask only for services and scopes that the parent passport has.',
  });

const ungranted = ({ name }: Child, what: string): Fault =>
  escalation(
    `agent ${name} is not granted ${what}`,
    `Delegate what agent ${name} is granted, or ask the operator to grant it under agents.${name}.services.`,
  );

function slice(
  { services }: Parent,
  child: Child,
  { intent, scopes }: Wish,
): Result<readonly PassportService[]> {
  const declared = services.filter(({ service }) => intent?.services.includes(service) ?? true);
  return scopes === undefined
    ? everything(declared, { child, isNamed: intent !== undefined })
    : chosen(declared, child, scopes);
}

/** All that both have. A service that was declared and would be empty is said at once, not at its first call. */
function everything(
  declared: readonly PassportService[],
  { child, isNamed }: { readonly child: Child; readonly isNamed: boolean },
): Result<readonly PassportService[]> {
  const held = declared.map((entry) => ({ ...entry, scopes: common(entry, grantOf(child, entry.service)) }));
  const empty = held.find(({ scopes }) => scopes.length === 0);
  if (isNamed && empty !== undefined)
    return refuse(ungranted(child, `what the parent has of service ${empty.service}`));
  const some = held.filter(({ scopes }) => scopes.length > 0);
  return some.length === 0 ? refuse(ungranted(child, 'any service of the parent')) : ok(some);
}

const grantOf = ({ grants }: Child, name: string): readonly string[] =>
  grants.find(({ service }) => service === name)?.scopes ?? [];

function common({ scopes }: Grant, granted: readonly string[]): readonly string[] {
  const shared = scopes.flatMap((own) => granted.flatMap((wide) => intersect(own, wide) ?? []));
  return [...new Set(shared)];
}

function chosen(
  declared: readonly PassportService[],
  child: Child,
  scopes: readonly string[],
): Result<readonly PassportService[]> {
  const covered = (scope: string, by: readonly string[]): boolean => by.some((wide) => narrower(scope, wide));
  for (const scope of scopes) {
    const above = declared.find(({ service }) => service === serviceOf(scope));
    if (above === undefined || !covered(scope, above.scopes))
      return refuse(escalation(`scope ${scope} is not within the parent, or its service was not declared`));
    if (!covered(scope, grantOf(child, above.service))) return refuse(ungranted(child, `scope ${scope}`));
  }
  const held = declared.map((entry) => ({
    ...entry,
    scopes: [...new Set(scopes.filter((scope) => serviceOf(scope) === entry.service))],
  }));
  return ok(held.filter((entry) => entry.scopes.length > 0));
}

/** All conditions of the parent, which has those of its ancestors, and what was asked for beside. */
function constrain(
  services: readonly PassportService[],
  asked: Wish['constraints'],
  constraintProblem: ConstraintProblem,
): Result<readonly PassportService[]> {
  for (const { service, ...constraint } of asked) {
    const known = services.some((entry) => entry.service === service);
    const problem = known ? constraintProblem(constraint) : `service ${service} is not in the passport`;
    if (problem !== undefined) return invalid(problem);
  }
  const full = services.map((entry) => withOwn(entry, asked));
  const crowded = full.find(
    ({ own, entry }) =>
      own.length > CONSTRAINTS_PER_SERVICE_MAX || entry.constraints.length > CONSTRAINTS_WITH_ANCESTORS_MAX,
  );
  const most = `at most ${CONSTRAINTS_PER_SERVICE_MAX} constraints per service, ${CONSTRAINTS_WITH_ANCESTORS_MAX} with those of the parent`;
  return crowded === undefined ? ok(full.map(({ entry }) => entry)) : invalid(most);
}

function withOwn(entry: PassportService, asked: Wish['constraints']) {
  const own: readonly Constraint[] = asked
    .filter(({ service }) => service === entry.service)
    .map(({ service: _, ...constraint }) => constraint);
  return { own, entry: { ...entry, constraints: [...entry.constraints, ...own] } };
}

const invalid = (message: string): Result<never> =>
  refuse(new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: 'constraints', message }] } }));
