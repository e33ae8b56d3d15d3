// Delegation: whoever holds a passport gives another agent a part of it.
import { Fault } from '#kernel/errors.ts';
import { DELEGATIONS_PER_PASSPORT_MAX, PASSPORTS_PER_SESSION_MAX } from '#kernel/limits.ts';
import { type Caller, type Operation, operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { planDelegation } from './delegate.ts';
import type { ConstraintProblem } from './issue.ts';
import { type Minting, newPassport, tokenOf } from './mint.ts';
import { chainBelow, type LivePassport, within } from './model.ts';
import {
  constraintsOf,
  DELEGATE_EXAMPLE,
  delegateInput,
  intentGiven,
  issueOutput,
  PASSPORT_EXAMPLE,
  showIssued,
  TOKEN_EXAMPLE,
} from './shape.ts';
import { countLive, guardLive, insertPassport, standingOf } from './store.ts';
import { noted, termsOf } from './terms.ts';

type Deps = Minting & { readonly constraintProblem: ConstraintProblem };

type Given = { readonly parent_token?: string | undefined; readonly parent_jti?: string | undefined };

export function delegationOperation(deps: Deps): Operation {
  return operation({
    name: 'stack_delegate_passport',
    action: 'passport.delegate',
    summary:
      'Give another agent a part of your passport: a new one that holds no more, ends no later and dies with yours. Name ' +
      'the agent, and say in intent what it is to do.',
    effect: 'write',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'passports:write',
    input: delegateInput,
    output: issueOutput,
    example: { input: DELEGATE_EXAMPLE, output: { ...PASSPORT_EXAMPLE, token: TOKEN_EXAMPLE } },
    errors: [
      'NOT_FOUND',
      'FORBIDDEN',
      'ACCOUNTABILITY_REQUIRED',
      'SCOPE_ESCALATION',
      'DELEGATION_DEPTH_EXCEEDED',
      'DELEGATION_ACCOUNTABILITY_VIOLATION',
    ],
    statuses: [201],
    route: { method: 'POST', path: '/v1/passports/delegate' },
    toolset: 'default',
    line: 'operations',
    run: async ({ caller, input, nowMs }) => {
      const parent = parentOf(deps, caller, input);
      if (!parent.ok) return parent;
      const child = deps.findAgent(input.child_agent_id);
      if (child === undefined)
        return refuse(new Fault('NOT_FOUND', { detail: `no agent ${input.child_agent_id}`, next: REGISTER }));
      const intent = intentGiven(input.intent);
      const wish = { intent, scopes: input.scopes, constraints: constraintsOf(input.constraints) };
      const services = planDelegation(parent.value, { child, wish }, deps.constraintProblem);
      if (!services.ok) return services;
      const full = await boundReached(deps.reader, { parent: parent.value, nowMs });
      if (full !== undefined) return refuse(full);
      const { sessionId, mintedBy, missionEndsAtMs } = parent.value;
      const own = { agent: child, mode: child.mode, services: services.value, intent, parent: parent.value };
      const { missionSeconds: _, ...terms } = termsOf(deps.terms(), child.mode, input);
      const row = newPassport(
        { ...own, ...terms, sessionId, mintedBy, missionEndsAtMs, standing: false },
        deps.host,
      );
      const chain = chainBelow(parent.value);
      const token = tokenOf(row, { key: deps.keys.current(), issuer: deps.issuer(), chain });
      if (!token.ok) return token;
      const scopes = services.value.flatMap((held) => held.scopes);
      const entry = {
        agent_id: row.agent_id,
        session_id: row.session_id,
        passport_jti: row.jti,
        detail: { ...noted(row), parent: parent.value.jti, from_agent_id: parent.value.agentId, scopes },
      };
      // Counted at the commit: a parent that ended after it was read has no child.
      const changes = [guardLive(parent.value.jti), insertPassport(row)];
      return ok({ output: showIssued(row, token.value), status: 201, changes, entry });
    },
  });
}

const REGISTER = 'Register the other agent first with stack_register_agent.';

type Under = { readonly parent: LivePassport; readonly nowMs: number };

async function boundReached(reader: Reader, { parent, nowMs }: Under): Promise<Fault | undefined> {
  const children = await countLive(reader, { parentJti: parent.jti, nowMs });
  if (children >= DELEGATIONS_PER_PASSPORT_MAX)
    return tooMany('This passport has as many live delegations as it may.', DELEGATIONS_PER_PASSPORT_MAX);
  const all = await countLive(reader, { sessionId: parent.sessionId, nowMs });
  return all < PASSPORTS_PER_SESSION_MAX
    ? undefined
    : tooMany('This session has as many live passports as it may.', PASSPORTS_PER_SESSION_MAX);
}

const tooMany = (reason: string, max: number): Fault =>
  new Fault('CONFLICT', {
    detail: 'too many live passports were delegated',
    metadata: { reason, max },
    next: 'Wait until some of them have ended, or revoke those that are done with stack_revoke_passport.',
  });

/**
 * Whose passport is handed on. The transport decides (contract 2): a caller that came with one may name it or what descends
 * from it. A bare key shows the token, or names a jti that it minted; by itself it has nothing to hand on.
 */
function parentOf(deps: Deps, caller: Caller, given: Given): Result<LivePassport> {
  const { acting } = caller;
  if (given.parent_token !== undefined && given.parent_jti !== undefined)
    return unnamed('give parent_token or parent_jti, not both');
  const jti = given.parent_jti ?? (given.parent_token === undefined ? ownJti(deps, caller) : undefined);
  if (jti === undefined && given.parent_token === undefined)
    return unnamed('give parent_token or parent_jti');
  const named =
    given.parent_token === undefined
      ? deps.verifier.byJti(jti ?? '')
      : deps.verifier.verify(given.parent_token);
  if (!named.ok) return named;
  if (acting?.passportJti !== undefined) {
    const held = deps.verifier.byJti(acting.passportJti);
    if (!held.ok) return held;
    return within(held.value, named.value)
      ? named
      : foreign('is not that of the transport, nor delegated from it');
  }
  if (acting !== undefined && acting.agentId !== named.value.agentId)
    return foreign('is of another agent than the transport names');
  const minted = caller.kind === 'person' || named.value.mintedBy === caller.id;
  if (given.parent_token !== undefined || minted) return named;
  return refuse(new Fault('PASSPORT_INVALID', { detail: 'jti was minted by another caller' }));
}

/** That of the transport; behind X-Stack-Agent the standing one, which its first call has made. */
function ownJti({ reader }: Deps, { id, acting }: Caller): string | undefined {
  if (acting === undefined) return undefined;
  return acting.passportJti ?? standingOf(reader, id, acting.agentId)?.jti;
}

const unnamed = (message: string): Result<never> =>
  refuse(new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: 'parent_token', message }] } }));

const foreign = (what: string): Result<never> =>
  refuse(new Fault('FORBIDDEN', { detail: `the parent passport ${what}` }));
