// Delegation through its verb: who may hand what on, what the child is worth, and that it dies with whatever is above it.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { DELEGATIONS_PER_PASSPORT_MAX, PASSPORTS_PER_SESSION_MAX } from '#kernel/limits.ts';
import type { Caller } from '#kernel/operation.ts';
import {
  act,
  addAgent,
  codeOf,
  KEY,
  must,
  OTHER_KEY,
  openState,
  PERSON,
  type State,
  setAgent,
  TRACE,
} from '#test/features/passports/state.ts';

const SERVICES = [
  { service: 'slack', scopes: ['slack:chat:*'] },
  { service: 'billing', scopes: ['billing:invoices:read', 'billing:refunds:create'] },
];
const NAMES = ['lead', 'one', 'two', 'three', 'four', 'five'] as const;

let state: State;
const ids = new Map<string, string>();
beforeEach(async () => {
  state = openState();
  for (const name of NAMES) ids.set(name, await addAgent(state, name, { services: SERVICES }));
});
afterEach(() => state.close());

type Shown = {
  token: string;
  jti: string;
  session_id: string;
  agent_id: string;
  expires_at: string;
  services: { service: string; scopes: string[]; constraints: unknown[] }[];
};

const intent = { summary: 'work', services: ['slack', 'billing'] };
const issued = async (input: Record<string, unknown> = {}): Promise<Shown> =>
  must(await act(state, 'stack_issue_passport', { caller: KEY, input: { agent: 'lead', intent, ...input } }))
    .output as Shown;
const delegate = (
  parent: Pick<Shown, 'token'>,
  child: string,
  more: Record<string, unknown> = {},
  caller = KEY,
) =>
  act(state, 'stack_delegate_passport', {
    caller,
    input: { parent_token: parent.token, child_agent_id: child, intent, ...more },
  });
const delegated = async (...of: Parameters<typeof delegate>): Promise<Shown> =>
  must(await delegate(...of)).output as Shown;
const holder = (passport: Shown): Caller => ({
  kind: 'passport',
  id: passport.jti,
  acting: {
    agentId: passport.agent_id,
    agentName: 'x',
    sessionId: passport.session_id,
    passportJti: passport.jti,
    declaredIntent: undefined,
  },
});
const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    exp: number;
    stk: Record<string, unknown>;
  };
const code = (token: string): string => codeOf(state.verifier.verify(token));
const revoke = (jti: string) =>
  act(state, 'stack_revoke_passport', { caller: PERSON, input: { jti, reason: 'test' } });

/** A chain from the lead through the first of NAMES; its last member has as many hops as asked. */
async function chain(hops: number): Promise<Shown[]> {
  const links = [await issued()];
  for (let hop = 1; hop <= hops; hop += 1) {
    const parent = links.at(-1);
    if (parent !== undefined) links.push(await delegated(parent, NAMES[hop] ?? ''));
  }
  return links;
}

test('invariant 4: what was delegated says its depth, session, parent and chain, and verifies', async () => {
  const links = await chain(4);
  for (const [depth, link] of links.entries()) {
    const { stk } = claimsOf(link.token);
    const above = links.slice(0, depth).map(({ jti }) => jti);
    const { delegation_depth, session_id, parent_jti, chain: said } = stk;
    assert.deepEqual(
      [delegation_depth, session_id, parent_jti, said],
      [depth, links[0]?.session_id, above.at(-1) ?? null, above],
    );
    const live = must(state.verifier.verify(link.token));
    assert.deepEqual([...live.ancestors].reverse(), above);
    assert.equal(live.mintedBy, KEY.id);
  }
});

test('a fifth hop is refused', async () => {
  const last = (await chain(4)).at(-1);
  assert.ok(last !== undefined);
  assert.equal(codeOf(await delegate(last, 'five')), 'DELEGATION_DEPTH_EXCEEDED');
});

test('more than the parent holds, or than the other agent is granted, is an escalation', async () => {
  const parent = await issued({ scopes: ['slack:chat:write', 'billing:invoices:read'] });
  await addAgent(state, 'poor', { services: [{ service: 'slack', scopes: ['slack:chat:read'] }] });
  const refused: [string, Record<string, unknown>][] = [
    ['one', { scopes: ['slack:chat:*'] }],
    ['one', { scopes: ['slack:*'] }],
    ['one', { scopes: ['billing:refunds:create'] }],
    ['one', { scopes: ['github:repos:read'] }],
    ['one', { intent: { summary: 'x', services: ['github'] } }],
    ['one', { intent: { summary: 'x', services: ['slack'] }, scopes: ['billing:invoices:read'] }],
    ['poor', { scopes: ['slack:chat:write'] }],
    ['poor', {}],
  ];
  for (const [child, input] of refused)
    assert.equal(codeOf(await delegate(parent, child, input)), 'SCOPE_ESCALATION', JSON.stringify(input));
  const child = await delegated(parent, 'one', { scopes: ['slack:chat:write'] });
  assert.deepEqual(child.services, [{ service: 'slack', scopes: ['slack:chat:write'], constraints: [] }]);
});

test('the child has all conditions of those above it beside its own', async () => {
  const rule = (value: string) => ({ service: 'slack', path: 'body.channel', op: 'not_eq', value });
  const first = await issued({ constraints: [rule('a')] });
  const second = await delegated(first, 'one', { constraints: [rule('b')] });
  const third = await delegated(second, 'two', { constraints: [rule('c')] });
  const values = third.services[0]?.constraints.map((one) => (one as { value: string }).value);
  assert.deepEqual(values, ['a', 'b', 'c']);
  const many = Array.from({ length: 33 }, () => rule('d'));
  assert.equal(codeOf(await delegate(first, 'one', { constraints: many })), 'INVALID_REQUEST');
  assert.equal(
    codeOf(await delegate(first, 'one', { constraints: [{ ...rule('x'), path: 'nonsense' }] })),
    'INVALID_REQUEST',
  );
});

test('a child ends with its parent at the latest, whatever lifetime was asked for', async () => {
  const parent = await issued({ ttl_seconds: 60 });
  state.host.pass(30_000);
  const child = await delegated(parent, 'one', { ttl_seconds: 3600 });
  assert.equal(child.expires_at, parent.expires_at);
  assert.equal(claimsOf(child.token).exp, claimsOf(parent.token).exp);
  const short = await delegated(await issued(), 'one', { ttl_seconds: 60 });
  state.host.pass(60_000);
  assert.equal(code(short.token), 'PASSPORT_EXPIRED');
});

test('the mode never gets looser, and a stricter agent keeps its own', async () => {
  await setAgent(state, ids.get('one') ?? '', { mode: 'logged' });
  await setAgent(state, ids.get('two') ?? '', { mode: 'standard' });
  const parent = await issued();
  for (const child of ['one', 'two'])
    assert.equal(codeOf(await delegate(parent, child)), 'DELEGATION_ACCOUNTABILITY_VIOLATION');
  await setAgent(state, ids.get('lead') ?? '', { mode: 'standard' });
  const loose = await issued({ intent: undefined });
  assert.equal(codeOf(await delegate(loose, 'one', { intent: undefined })), 'ACCOUNTABILITY_REQUIRED');
  assert.equal(codeOf(await delegate(loose, 'two', { intent: undefined })), 'ok');
  const child = await delegated(loose, 'one');
  assert.equal(must(state.verifier.verify(child.token)).mode, 'logged');
  // The parent becomes stricter afterwards: so does what lives by it.
  await setAgent(state, ids.get('lead') ?? '', { mode: 'enforced' });
  assert.equal(must(state.verifier.verify(child.token)).mode, 'enforced');
});

const ENDS: readonly (readonly [string, (links: readonly Shown[]) => Promise<unknown>])[] = [
  ['the root is revoked', ([root]) => revoke(root?.jti ?? '')],
  ['one in the middle is revoked', ([, middle]) => revoke(middle?.jti ?? '')],
  ['the direct parent is revoked', ([, , parent]) => revoke(parent?.jti ?? '')],
  ['it is revoked itself', (links) => revoke(links.at(-1)?.jti ?? '')],
  ['an agent in the middle is blocked', () => setAgent(state, ids.get('one') ?? '', { status: 'blocked' })],
  ['an agent in the middle has left the config', async () => state.world.agents.delete('one')],
  ['the key that minted the root has ended', async () => state.world.endedKeys.add(KEY.id)],
];
for (const [what, end] of ENDS) {
  test(`invariant 4: a delegated passport is over when ${what}`, async () => {
    const links = await chain(3);
    const last = links.at(-1);
    assert.ok(last !== undefined);
    assert.equal(code(last.token), 'ok');
    await end(links);
    assert.equal(code(last.token), 'PASSPORT_REVOKED');
    assert.notEqual(codeOf(await delegate(last, 'four')), 'ok');
  });
}

test('a grant taken from an agent above is taken from all below, and comes back to none that had it not', async () => {
  const links = await chain(2);
  const last = links.at(-1)?.token ?? '';
  const held = () => must(state.verifier.verify(last)).services.flatMap(({ scopes }) => scopes);
  assert.deepEqual(held(), ['slack:chat:*', 'billing:invoices:read', 'billing:refunds:create']);
  const grant = (name: string, scopes: string[]) =>
    state.world.agents.set(name, { mode: undefined, services: [{ service: 'slack', scopes }] });
  grant('one', ['slack:chat:read']);
  assert.deepEqual(held(), ['slack:chat:read']);
  grant('one', ['slack:*']);
  assert.deepEqual(held(), ['slack:chat:*']);
});

test('a row whose depth does not fit its parent is refused, and one that is its own parent too', async () => {
  const [root, child] = await chain(1);
  assert.ok(root !== undefined && child !== undefined);
  const point = (jti: string, parent: string, depth: number) =>
    state.commit({
      statements: [
        {
          sql: 'UPDATE passports SET parent_jti = ?, depth = ? WHERE jti = ?',
          parameters: [parent, depth, jti],
        },
      ],
      entries: [],
    });
  await point(child.jti, root.jti, 2);
  assert.equal(code(child.token), 'PASSPORT_REVOKED');
  await point(child.jti, child.jti, 1);
  assert.equal(code(child.token), 'PASSPORT_REVOKED');
});

test('a bare key needs the token, or a jti that it minted itself', async () => {
  const parent = await issued();
  const by = (caller: Caller, input: Record<string, unknown>) =>
    act(state, 'stack_delegate_passport', { caller, input: { child_agent_id: 'one', intent, ...input } });
  assert.equal(codeOf(await by(KEY, { parent_jti: parent.jti })), 'ok');
  assert.equal(codeOf(await by(PERSON, { parent_jti: parent.jti })), 'ok');
  assert.equal(codeOf(await by(OTHER_KEY, { parent_jti: parent.jti })), 'PASSPORT_INVALID');
  assert.equal(codeOf(await by(OTHER_KEY, { parent_token: parent.token })), 'ok');
  assert.equal(codeOf(await by(KEY, {})), 'INVALID_REQUEST');
  const both = { parent_token: parent.token, parent_jti: parent.jti };
  assert.equal(codeOf(await by(KEY, both)), 'INVALID_REQUEST');
  assert.equal(codeOf(await by(KEY, { parent_jti: parent.jti, child_agent_id: 'nobody' })), 'NOT_FOUND');
});

test('a passport delegates itself or what descends from it, and nothing wider that its agent holds', async () => {
  const [root, middle] = await chain(1);
  assert.ok(root !== undefined && middle !== undefined);
  const narrow = await delegated(middle, 'lead', { scopes: ['slack:chat:read'] });
  const asking = (caller: Caller, parent_jti?: string) =>
    act(state, 'stack_delegate_passport', {
      caller,
      input: {
        child_agent_id: 'two',
        intent: { summary: 'x', services: ['slack'] },
        ...(parent_jti === undefined ? {} : { parent_jti }),
      },
    });
  assert.equal(codeOf(await asking(holder(middle))), 'ok');
  assert.equal(codeOf(await asking(holder(root), middle.jti)), 'ok');
  assert.equal(codeOf(await asking(holder(middle), root.jti)), 'FORBIDDEN');
  // Agent and session are the same as those of the root, which is wider.
  assert.equal(codeOf(await asking(holder(narrow), root.jti)), 'FORBIDDEN');
  const other = await issued({ agent: 'five' });
  assert.equal(codeOf(await asking(holder(other), root.jti)), 'FORBIDDEN');
});

test('a parent that ends while the child is being committed has none', async () => {
  const parent = await issued();
  const { commit } = state;
  const racing = {
    ...state,
    commit: async (unit: Parameters<typeof commit>[0]) => {
      await revoke(parent.jti);
      return commit(unit);
    },
  };
  const late = await act(racing, 'stack_delegate_passport', {
    caller: KEY,
    input: { parent_token: parent.token, child_agent_id: 'one', intent },
  });
  assert.equal(codeOf(late), 'CONFLICT');
});

test('invariant 9: one passport has a bounded number of live delegations', async () => {
  const parent = await issued({ ttl_seconds: 3600 });
  for (let count = 0; count < 100; count += 1) await delegated(parent, 'one', { ttl_seconds: 60 });
  assert.equal(codeOf(await delegate(parent, 'one')), 'CONFLICT');
  state.host.pass(60_000);
  assert.equal(codeOf(await delegate(parent, 'one')), 'ok');
});

test('behind X-Stack-Agent the standing passport is the parent, once there is one', async () => {
  const agentId = ids.get('lead') ?? '';
  const acting = { agentId, agentName: 'lead', sessionId: undefined, passportJti: undefined };
  const caller: Caller = { ...KEY, acting: { ...acting, declaredIntent: undefined } };
  const ask = () =>
    act(state, 'stack_delegate_passport', { caller, input: { child_agent_id: 'one', intent } });
  assert.equal(codeOf(await ask()), 'INVALID_REQUEST');
  const request = { key: KEY.id, agentName: 'lead', intent: undefined, readOnly: true, trace: TRACE };
  const standing = must(await state.standing.ensure(request));
  const child = must(await ask()).output as Shown;
  assert.deepEqual(must(state.verifier.verify(child.token)).ancestors, [standing.jti]);
  assert.deepEqual(child.services[0]?.constraints, [{ path: 'method', op: 'in', value: ['GET', 'HEAD'] }]);
});

test('invariant 9: a passport has so many live delegations and a session so many passports, and no more', async () => {
  const lead = await issued();
  const helpers: Shown[] = [];
  for (let count = 0; count < DELEGATIONS_PER_PASSPORT_MAX; count += 1)
    helpers.push(await delegated(lead, 'one'));
  assert.equal(codeOf(await delegate(lead, 'one')), 'CONFLICT');
  let live = 1 + helpers.length;
  for (const helper of helpers.slice(0, 10))
    for (let count = 0; count < 90 && live < PASSPORTS_PER_SESSION_MAX; count += 1, live += 1)
      await delegated(helper, 'two');
  const [, , , , , , , , , , free] = helpers;
  assert.ok(free !== undefined);
  assert.equal(codeOf(await delegate(free, 'two')), 'CONFLICT');
  must(await act(state, 'stack_revoke_passport', { caller: KEY, input: { jti: helpers[0]?.jti } }));
  assert.equal(codeOf(await delegate(free, 'two')), 'ok');
});
