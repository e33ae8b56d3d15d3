// Which granted action covers a call, and which rule puts it under approval. Compiled once per config load.
import { createHash } from 'node:crypto';
import type { Service } from '#features/services/model.ts';
import { misplaced } from './arguments.ts';
import { type CompiledConstraint, compileConstraint } from './constraint.ts';
import { type ActionCall, type ApprovalRule, type CallView, type Constraint, scopeCovers } from './model.ts';
import { covers } from './pattern.ts';

type CompiledCall = Omit<ActionCall, 'where'> & { readonly where: readonly CompiledConstraint[] };
type CompiledAction = { readonly name: string; readonly calls: readonly CompiledCall[] };
type CompiledRule = { readonly rule: ApprovalRule; readonly where: readonly CompiledConstraint[] };

export type CompiledService = {
  readonly service: Service;
  readonly actions: readonly CompiledAction[];
  readonly approval: readonly CompiledRule[];
  /** Changes whenever the definition does; keys what must not outlive it. */
  readonly fingerprint: string;
};

/** Throws on a constraint that the config check should have refused. */
export function compileService(service: Service): CompiledService {
  const actions = service.actions.map(({ name, calls }) => ({
    name,
    calls: calls.map((call) => ({ ...call, where: compileAll(call.where) })),
  }));
  const approval = service.approval.map((rule) => ({ rule, where: compileAll(rule.where) }));
  const fingerprint = createHash('sha256').update(JSON.stringify(service)).digest('hex');
  return { service, actions, approval, fingerprint };
}

function compileAll(where: readonly Constraint[]): readonly CompiledConstraint[] {
  return where.map((constraint) => {
    const compiled = compileConstraint(constraint);
    if ('problem' in compiled) throw new Error(compiled.problem);
    return compiled;
  });
}

export type Grant =
  | { readonly kind: 'granted'; readonly action: string }
  | { readonly kind: 'constraint'; readonly action: string; readonly constraint: Constraint }
  | { readonly kind: 'denied'; readonly known: readonly string[] };

const byPattern = ({ pattern }: CompiledCall, view: CallView): boolean =>
  covers(pattern, view.method, view.relativePath);

export function grantingAction(compiled: CompiledService, scopes: readonly string[], view: CallView): Grant {
  const covering = compiled.actions.filter(({ calls }) => calls.some((call) => byPattern(call, view)));
  let broken: Grant | undefined;
  for (const action of covering) {
    if (!scopes.some((scope) => scopeCovers(scope, action.name))) continue;
    for (const call of action.calls.filter((call) => byPattern(call, view))) {
      const constraint = misplaced(call.arguments, view) ?? unmet(call.where, view);
      if (constraint === undefined) return { kind: 'granted', action: action.name };
      broken ??= { kind: 'constraint', action: action.name, constraint };
    }
  }
  return broken ?? { kind: 'denied', known: covering.map(({ name }) => name) };
}

/** The first that does not hold; undecided does not hold. */
const unmet = (where: readonly CompiledConstraint[], view: CallView): Constraint | undefined =>
  where.find(({ judge }) => judge(view) !== 'holds')?.constraint;

export function checkConstraints(constraints: readonly Constraint[], view: CallView): Constraint | undefined {
  return unmet(compileAll(constraints), view);
}

/** Any action that covers the call counts, granted or not (contract 6); undecided counts as covered. */
export function approvalRule(compiled: CompiledService, view: CallView): ApprovalRule | undefined {
  const covered: Covered = (scope) =>
    compiled.actions.some(
      ({ name, calls }) =>
        scopeCovers(scope, name) && calls.some((call) => byPattern(call, view) && possible(call.where, view)),
    );
  const applies = appliesTo(view, covered);
  return compiled.approval.find(({ rule, where }) => applies(rule) && possible(where, view))?.rule;
}

/**
 * Whether a rule that may decide this call looks at its body, or a person would have to: such a body is read whole first.
 * Every other body is passed on as it comes, and nothing that was decided depends on it.
 */
export function looksAtBody(
  compiled: CompiledService,
  { constraints, view }: { readonly constraints: readonly Constraint[]; readonly view: CallView },
): boolean {
  const covering = compiled.actions
    .map(({ name, calls }) => ({ name, calls: calls.filter((call) => byPattern(call, view)) }))
    .filter(({ calls }) => calls.length > 0);
  // Nothing covers it, so it is refused whatever it carries.
  if (covering.length === 0) return false;
  const applies = appliesTo(view, (scope) => covering.some(({ name }) => scopeCovers(scope, name)));
  return (
    constraints.some(onBody) ||
    covering.some(({ calls }) => calls.some(readsBody)) ||
    compiled.approval.some(({ rule }) => applies(rule))
  );
}

/** Where arguments may stand in the body alone, only the query is judged. */
const readsBody = ({ where, arguments: place }: CompiledCall): boolean =>
  (place !== undefined && place !== 'body') || where.some(({ constraint }) => onBody(constraint));

/** A condition on the query is undecided while the body has an argument of that name, so it looks at both. */
const onBody = ({ path }: Constraint): boolean => path.startsWith('body.') || path.startsWith('query.');

type Covered = (scope: string) => boolean;

const appliesTo =
  ({ method }: CallView, covered: Covered) =>
  ({ action }: ApprovalRule): boolean =>
    action === 'writes' ? method !== 'GET' && method !== 'HEAD' : covered(action);

const possible = (where: readonly CompiledConstraint[], view: CallView): boolean =>
  where.every(({ judge }) => judge(view) !== 'fails');
