// Invariant 4 over a whole small universe: for every pair of scope sets, conditions and modes, whatever a child may call its
// parent may call; and so may the first of the chain.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { looser, MODES, type Mode } from '#features/agents/model.ts';
import { type Parent, planDelegation } from '#features/passports/delegate.ts';
import { leaseEnd } from '#features/passports/lease.ts';
import type { PassportService } from '#features/passports/model.ts';
import { compileConstraint } from '#features/policy/constraint.ts';
import { checkConstraints } from '#features/policy/decide.ts';
import { type CallView, type Constraint, scopeCovers } from '#features/policy/model.ts';

const SCOPES = ['s:a:x', 's:a:y', 's:b:x', 's:a:*', 's:*:x', 's:*'];
/** Every set of one or two scopes. */
const SETS = SCOPES.flatMap((one, at) => [[one], ...SCOPES.slice(at + 1).map((other) => [one, other])]);
const CONDITIONS: readonly (readonly Constraint[])[] = [
  [],
  [{ path: 'query.q', op: 'eq', value: '1' }],
  [{ path: 'query.q', op: 'in', value: ['1', '2'] }],
  [{ path: 'method', op: 'eq', value: 'GET' }],
];
const GRANTS = [['s:*'], ['s:a:*'], ['s:b:x', 's:*:y']];

const ACTIONS = ['s:a:x', 's:a:y', 's:b:x', 's:b:y'];
const VIEWS: readonly CallView[] = ['GET', 'POST'].flatMap((method) =>
  [undefined, '1', '2', '3'].map((q) => ({
    method,
    host: 'h',
    origin: 'https://h',
    relativePath: '/',
    pathname: '/',
    query: new Map(q === undefined ? [] : [['q', [q]]]),
    headers: new Map(),
    body: { kind: 'none' },
  })),
);

const masks = new Map<string, bigint>();
/** One bit for each call of the universe: set where these services allow it. */
function allowed(services: readonly PassportService[]): bigint {
  const key = JSON.stringify(services);
  const known = masks.get(key);
  if (known !== undefined) return known;
  let mask = 0n;
  for (const action of ACTIONS)
    for (const view of VIEWS) {
      const passes = services.some(
        ({ scopes, constraints }) =>
          scopes.some((scope) => scopeCovers(scope, action)) &&
          checkConstraints(constraints, view) === undefined,
      );
      mask = (mask << 1n) | (passes ? 1n : 0n);
    }
  masks.set(key, mask);
  return mask;
}

const problem = (constraint: Constraint): string | undefined => {
  const compiled = compileConstraint(constraint);
  return 'problem' in compiled ? compiled.problem : undefined;
};

type Wanted = {
  readonly mode: Mode;
  readonly grants: readonly string[];
  readonly wish: Parameters<typeof planDelegation>[1]['wish'];
};
const WISHES: readonly Wanted[] = MODES.flatMap((mode) =>
  GRANTS.flatMap((grants) =>
    [undefined, ...SETS].flatMap((scopes) =>
      CONDITIONS.map((conditions) => ({
        mode,
        grants,
        wish: {
          scopes,
          intent: { summary: 'x', services: ['s'], willDelegate: false, estimatedDurationSeconds: undefined },
          constraints: conditions.map((one) => ({ ...one, service: 's' })),
        },
      })),
    ),
  ),
);
const ROOTS: readonly Parent[] = MODES.flatMap((mode) =>
  SETS.flatMap((scopes) =>
    CONDITIONS.map((constraints) => ({
      mode,
      ancestors: [],
      services: [{ service: 's', scopes, constraints }],
    })),
  ),
);

const childOf = (parent: Parent, { mode, grants, wish }: Wanted): Parent | undefined => {
  const child = { name: 'c', mode, status: 'active', grants: [{ service: 's', scopes: grants }] } as const;
  const planned = planDelegation(parent, { child, wish }, problem);
  return planned.ok
    ? { mode, services: planned.value, ancestors: ['pp_parent', ...parent.ancestors] }
    : undefined;
};

const outside = (child: Parent, parent: Parent): boolean =>
  (allowed(child.services) & ~allowed(parent.services)) !== 0n || looser(child.mode, parent.mode);

test('invariant 4: a child may do nothing that its parent, its agent or the first of its chain may not', () => {
  const children = new Map<string, { readonly child: Parent; readonly root: Parent }>();
  let refused = 0;
  for (const root of ROOTS)
    for (const wanted of WISHES) {
      const child = childOf(root, wanted);
      if (child === undefined) refused += 1;
      else {
        const granted = allowed([{ service: 's', scopes: wanted.grants, constraints: [] }]);
        const wider = outside(child, root) || (allowed(child.services) & ~granted) !== 0n;
        assert.ok(!wider, JSON.stringify({ root, wanted, child }));
        children.set(JSON.stringify([child.mode, child.services]), { child, root });
      }
    }
  assert.ok(refused > 1_000 && children.size > 100, `${refused} refused, ${children.size} children`);
  let grandchildren = 0;
  for (const { child, root } of children.values())
    for (const wanted of WISHES) {
      const grandchild = childOf(child, wanted);
      if (grandchild === undefined) continue;
      grandchildren += 1;
      const wider = outside(grandchild, child) || outside(grandchild, root);
      assert.ok(!wider, JSON.stringify({ root, child, wanted, grandchild }));
    }
  assert.ok(grandchildren > 1_000, `${grandchildren} grandchildren`);
});

test('what is left out is delegated whole: all that parent and agent have in common', () => {
  for (const root of ROOTS)
    for (const wanted of WISHES.filter(
      ({ wish }) => wish.scopes === undefined && wish.constraints.length === 0,
    )) {
      const child = childOf(root, wanted);
      if (looser(wanted.mode, root.mode)) assert.equal(child, undefined);
      const granted = allowed([{ service: 's', scopes: wanted.grants, constraints: [] }]);
      const common = allowed(root.services) & granted;
      if (child !== undefined)
        assert.equal(allowed(child.services), common, JSON.stringify({ root, wanted }));
    }
});

test('a lease ends within its mission and its parent, whatever was asked for', () => {
  const ends = [0, 59_000, 60_000, 900_000, 10_000_000];
  for (const mode of MODES)
    for (const ttlSeconds of [60, 900, 3600])
      for (const checkpointInterval of [null, 60, 3600])
        for (const missionEndsAtMs of ends)
          for (const parentEndsAtMs of [undefined, ...ends]) {
            const end = leaseEnd(
              { mode, ttlSeconds, checkpointInterval, missionEndsAtMs, parentEndsAtMs },
              0,
            );
            const bounds = [missionEndsAtMs, parentEndsAtMs ?? Infinity, ttlSeconds * 1_000];
            const interval = mode === 'enforced' ? (checkpointInterval ?? Infinity) * 1_000 : Infinity;
            assert.equal(end, Math.min(...bounds, interval));
          }
});
