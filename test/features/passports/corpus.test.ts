// Every recipe of the passport corpus before the verifier, with the corpus' own keys: one token against its row and its agent,
// and chains as we mint them. The two classes that stand in test/README.md as disagreements are the only ones left out.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { insertAgent } from '#features/agents/store.ts';
import { newPassport } from '#features/passports/mint.ts';
import { insertPassport } from '#features/passports/store.ts';
import {
  claimsAt,
  keyNamed,
  RECIPES,
  type Recipe,
  signedText,
  tokenOf,
} from '#test/features/passports/recipes.ts';
import {
  act,
  addAgent,
  codeOf,
  KEY,
  must,
  openState,
  PERSON,
  type State,
  setAgent,
} from '#test/features/passports/state.ts';

/** In test/README.md; HTTP has its own test of where a token may stand. */
const LEFT_OUT = ['delegation-chain', 'holder', 'transport'];
/** Root scope of the corpus, in our grammar: a resource is one word. */
const ROOT_SCOPES = ['github:acme:read'];
const AGENTS = ['one', 'two', 'three', 'four', 'five'] as const;

let state: State;
beforeEach(async () => {
  state = openState(keyNamed('issuer'));
  for (const name of AGENTS)
    await addAgent(state, name, { services: [{ service: 'github', scopes: ['github:*'] }] });
});
afterEach(() => state.close());

const nowSeconds = (): number => state.host.nowMs() / 1_000;

/** The row and the agent that the corpus' token speaks of, as if we had issued it. */
async function believe(recipe: Recipe): Promise<void> {
  const claims = claimsAt(nowSeconds()) as { jti: string; sub: string; exp: number };
  const exp_in = recipe.leaf?.['exp_in'];
  const exp = typeof exp_in === 'number' ? nowSeconds() + exp_in : claims.exp;
  const agent = {
    id: claims.sub,
    name: 'agent-a',
    description: '',
    mode: 'enforced',
    on_warning: 'notify',
    on_critical: 'notify',
    // The corpus names it: switched off.
    status: recipe.leaf?.['sub'] === 'agent-disabled' ? 'blocked' : 'active',
    source: 'api',
    created_at: 0,
  } as const;
  state.world.ceiling = { mode: undefined, services: [{ service: 'github', scopes: ['github:*'] }] };
  const scopes = (recipe.leaf?.['scope'] ?? ['github:repos:read']) as string[];
  const services = Array.isArray(scopes)
    ? [{ service: scopes[0]?.split(':')[0] ?? '', scopes, constraints: [] }]
    : [];
  const plan = { agent, mode: 'enforced', services, intent: undefined, ttlSeconds: 900 } as const;
  const terms = { checkpointInterval: null, mintedBy: KEY.id, sessionId: undefined, standing: false };
  const row = { ...newPassport({ ...plan, ...terms }, state.host), jti: claims.jti, expires_at: exp * 1_000 };
  must(await state.commit({ statements: [insertAgent(agent), insertPassport(row)], entries: [] }));
}

/** Of the corpus' root tokens: an agent by the id of ours, so that its state decides and not its spelling. */
function sentFor(recipe: Recipe): string {
  if (recipe.leaf?.['sub'] !== 'agent-disabled') return tokenOf(recipe, nowSeconds());
  const { sub: _, ...leaf } = recipe.leaf;
  return tokenOf({ ...recipe, leaf }, nowSeconds());
}

for (const recipe of RECIPES.filter(({ base, class: of }) => base === 'root' && !LEFT_OUT.includes(of))) {
  test(`corpus ${recipe.id} ${recipe.class}: ${recipe.note ?? recipe.reason} is ${recipe.expect}ed by the verifier`, async () => {
    await believe(recipe);
    const live = state.verifier.verify(sentFor(recipe));
    // A token of a service that there is not verifies and lets its agent do nothing at all.
    const useful = live.ok && live.value.services.length > 0;
    assert.equal(useful ? 'accept' : 'reject', recipe.expect, codeOf(live));
  });
}

type Passport = { readonly token: string; readonly jti: string };
const intent = { summary: 'x', services: ['github'] };

const delegate = (parent: Passport, hop: number, more: Readonly<Record<string, unknown>> = {}) =>
  act(state, 'stack_delegate_passport', {
    caller: KEY,
    input: { parent_token: parent.token, child_agent_id: AGENTS[hop % AGENTS.length], intent, ...more },
  });

async function chain(hops: number): Promise<Passport[]> {
  const input = { agent: 'one', intent, scopes: ROOT_SCOPES };
  const links = [must(await act(state, 'stack_issue_passport', { caller: KEY, input })).output as Passport];
  for (let hop = 1; hop <= hops; hop += 1)
    links.push(must(await delegate(links[hop - 1] as Passport, hop)).output as Passport);
  return links;
}

/** `github:repos/acme/*:read` of the corpus is `github:acme:read` here. */
const ours = (scope: string): string =>
  scope.replace(/^github:repos\/([^/:]+)\/\*:/, 'github:$1:').replace('github:repos/*:', 'github:*:');

const verified = (links: readonly Passport[]): string =>
  codeOf(state.verifier.verify(links.at(-1)?.token ?? '')) === 'ok' ? 'accept' : 'reject';

/** What becomes of the corpus' chain when it is asked for here. */
const JUDGED: Readonly<Record<string, (recipe: Recipe) => Promise<string>>> = {
  baseline: async ({ depth = 0 }) => verified(await chain(depth)),
  delegation: async ({ leaf, parent, depth = 0 }) => {
    if (leaf?.['max_depth'] !== undefined) return raisedDepth(Number(leaf['max_depth']));
    // Its parent may hand nothing on: here, since it is the last hop that there may be.
    const links = await chain(parent === undefined ? Math.min(depth - 1, 4) : 4);
    return (await delegate(links.at(-1) as Passport, 0)).ok ? 'accept' : 'reject';
  },
  'delegation-scope': async ({ leaf }) => {
    const [root] = await chain(0);
    const scopes = ((leaf?.['scope'] ?? []) as string[]).map(ours);
    return (await delegate(root as Passport, 1, { scopes })).ok ? 'accept' : 'reject';
  },
  'delegation-time': async () => {
    const links = await chain(0);
    links.push(must(await delegate(links[0] as Passport, 1, { ttl_seconds: 3600 })).output as Passport);
    // A row of ours that says more than its parent's, as if it had been written: the chain still ends it.
    const longer = {
      sql: 'UPDATE passports SET expires_at = expires_at + 60000 WHERE jti = ?',
      parameters: [links[1]?.jti ?? ''],
    };
    must(await state.commit({ statements: [longer], entries: [] }));
    state.host.pass(900_000);
    return verified(links);
  },
  'delegation-revocation': async ({ depth = 0, revoke }) => {
    const links = await chain(depth);
    const { jti } = (revoke === 'root' ? links[0] : revoke === 'leaf' ? links.at(-1) : links[1]) as Passport;
    const middle = must(state.verifier.byJti(links[1]?.jti ?? '')).agentId;
    if (revoke === undefined) await setAgent(state, middle, { status: 'blocked' });
    else must(await act(state, 'stack_revoke_passport', { caller: PERSON, input: { jti } }));
    return verified(links);
  },
};

/** A token under our key that says a depth of its own choosing. */
function raisedDepth(delegation_depth: number): string {
  const claims = claimsAt(nowSeconds());
  const stk = { ...(claims['stk'] as object), delegation_depth };
  return state.verifier.verify(signedText(JSON.stringify({ ...claims, stk }))).ok ? 'accept' : 'reject';
}

for (const recipe of RECIPES.filter(({ base, class: of }) => base === 'chain' && !LEFT_OUT.includes(of))) {
  test(`corpus ${recipe.id} ${recipe.class}: ${recipe.note ?? recipe.reason} is ${recipe.expect}ed here`, async () => {
    const judge = JUDGED[recipe.class];
    assert.ok(judge !== undefined, `no way to ask for ${recipe.class}`);
    assert.equal(await judge(recipe), recipe.expect);
  });
}
