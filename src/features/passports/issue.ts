// What a new passport holds: at most the agent's grants, for at most the allowed time, with an intent where one is due.
import type { Agent, Grant } from '#features/agents/model.ts';
import { type Constraint, narrower, serviceOf } from '#features/policy/model.ts';
import { Fault } from '#kernel/errors.ts';
import { CONSTRAINTS_PER_SERVICE_MAX } from '#kernel/limits.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Intent, PassportService } from './model.ts';

export type Wish = {
  readonly intent: Intent | undefined;
  /** `undefined`: all grants of the declared services. */
  readonly scopes: readonly string[] | undefined;
  readonly constraints: readonly (Constraint & { readonly service: string })[];
};

/** Why a constraint cannot be judged, or undefined. */
export type ConstraintProblem = (constraint: Constraint) => string | undefined;

export function planPassport(
  agent: Agent,
  wish: Wish,
  constraintProblem: ConstraintProblem,
): Result<readonly PassportService[]> {
  if (agent.status === 'blocked') return refuse(new Fault('PASSPORT_BLOCKED'));
  // Contract 5, product facts 1.5: only a standard agent may go without.
  if (agent.mode !== 'standard' && wish.intent === undefined)
    return refuse(new Fault('ACCOUNTABILITY_REQUIRED'));
  const undeclared = wish.intent?.services.find(
    (name) => !agent.grants.some(({ service }) => service === name),
  );
  if (undeclared !== undefined) return ungranted(agent, undeclared);
  const declared = (service: string): boolean =>
    wish.intent === undefined || wish.intent.services.includes(service);
  const grants = agent.grants.filter(({ service }) => declared(service));
  const chosen = wish.scopes === undefined ? ok(grants) : choose(wish.scopes, grants);
  return chosen.ok ? constrain(chosen.value, wish.constraints, constraintProblem) : chosen;
}

const escalation = (detail: string, next?: string): Result<never> =>
  refuse(
    new Fault('SCOPE_ESCALATION', {
      detail,
      metadata: { reason: detail },
      ...(next === undefined ? {} : { next }),
    }),
  );

/** The agent cannot mend this; its operator can, so both are told where. */
const ungranted = ({ name, source }: Agent, service: string): Result<never> =>
  escalation(
    `intent names service ${service}, which is not granted`,
    `Leave ${service} out of the intent, or ask the operator to grant it under agents.${source === 'config' ? name : '"*"'}.services.`,
  );

function choose(scopes: readonly string[], grants: readonly Grant[]): Result<readonly Grant[]> {
  const outside = scopes.find(
    (scope) => !grants.some((grant) => grant.scopes.some((wide) => narrower(scope, wide))),
  );
  if (outside !== undefined) return escalation(`scope ${outside} is not granted or not declared`);
  const services = [...new Set(scopes.map(serviceOf))];
  return ok(
    services.map((service) => ({
      service,
      scopes: scopes.filter((scope) => serviceOf(scope) === service),
    })),
  );
}

function constrain(
  grants: readonly Grant[],
  constraints: Wish['constraints'],
  constraintProblem: ConstraintProblem,
): Result<readonly PassportService[]> {
  for (const { service, ...constraint } of constraints) {
    const problem = grants.some((grant) => grant.service === service)
      ? constraintProblem(constraint)
      : `service ${service} is not in the passport`;
    if (problem !== undefined) {
      return refuse(
        new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: 'constraints', message: problem }] } }),
      );
    }
  }
  const services = grants.map(({ service, scopes }) => ({
    service,
    scopes,
    constraints: constraints
      .filter((one) => one.service === service)
      .map(({ service: _, ...constraint }) => constraint),
  }));
  const full = services.find((entry) => entry.constraints.length > CONSTRAINTS_PER_SERVICE_MAX);
  if (full === undefined) return ok(services);
  const message = `at most ${CONSTRAINTS_PER_SERVICE_MAX} constraints per service`;
  return refuse(new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: 'constraints', message }] } }));
}
