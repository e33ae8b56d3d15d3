// Approval rules that a call gets round by leaving an argument out: allowed, since an API may give that no meaning, and
// said, since most often it is a forgotten rule.
import type { Action, ApprovalRule, Constraint } from '#features/policy/model.ts';
import type { Service } from '#features/services/model.ts';
import { at } from '#platform/yaml/mistakes.ts';
import type { Mistake, YamlFile } from '#platform/yaml/read.ts';

/** Hold, or say something, where there is nothing at the path. */
const INDIFFERENT = new Set(['absent', 'exists', 'not_eq', 'not_in']);
const ARGUMENT = /^(?:body|query)\./;

const failsAbsent = ({ path, op }: Constraint): boolean => ARGUMENT.test(path) && !INDIFFERENT.has(op);

export function approvalWarnings(services: Iterable<Service>, file: YamlFile): readonly Mistake[] {
  return [...services].flatMap((service) =>
    service.approval.flatMap((rule, index) => {
      const open = rule.where.find((one) => failsAbsent(one) && canBeLeftOut(rule, one.path, service));
      if (open === undefined) return [];
      const message = `a call without ${open.path} needs nobody by this rule; if it should, add { action: ${rule.action}, where: [ { path: ${open.path}, op: absent } ] }`;
      const place = at(file, ['services', service.name, 'approval', index], message);
      return [{ ...place, severity: 'warning' as const }];
    }),
  );
}

/** Neither another rule nor the action itself catches a call without it. */
function canBeLeftOut(rule: ApprovalRule, path: string, { approval, actions }: Service): boolean {
  const same = approval.filter(({ action }) => action === rule.action || action === 'writes');
  const caught = same.some(({ where }) => where.every((one) => one.path === path && one.op === 'absent'));
  const covered = actions.filter(({ name }) => name === rule.action);
  const demanded = covered.length > 0 && covered.every((action) => demands(action, path));
  return !caught && !demanded;
}

const demands = ({ calls }: Action, path: string): boolean =>
  calls.every(({ where }) =>
    where.some((one) => one.path === path && (failsAbsent(one) || one.op === 'exists')),
  );
