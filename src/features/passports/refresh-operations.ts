// Refresh: the same mission under a new passport. The old one ends in the unit in which the new one becomes durable.
import { type Agent, stricter } from '#features/agents/model.ts';
import { Fault } from '#kernel/errors.ts';
import { type Caller, type Operation, operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { type Minting, newPassport, tokenOf } from './mint.ts';
import { chainBelow, type LivePassport } from './model.ts';
import { refreshProblem } from './refresh.ts';
import { issueOutput, PASSPORT_EXAMPLE, refreshInput, showIssued, TOKEN_EXAMPLE } from './shape.ts';
import {
  guardLive,
  insertPassport,
  intentOf,
  moveChildren,
  type PassportRow,
  passportBy,
  servicesOf,
  succeed,
} from './store.ts';
import { noted } from './terms.ts';
import { openToken } from './token.ts';
import { verifyingKeys } from './verify.ts';

type Given = { readonly token?: string | undefined; readonly jti?: string | undefined };

export function refreshOperation(deps: Minting): Operation {
  return operation({
    name: 'stack_refresh_passport',
    action: 'passport.refresh',
    summary:
      'Replace a passport by a new one of the same mission, before its end or up to a day after. It needs the key that ' +
      'minted it, or the own key of its agent: a passport alone cannot refresh itself. The old one ends at once.',
    effect: 'write',
    callers: ['key', 'agent_key', 'person'],
    scope: 'passports:write',
    input: refreshInput,
    output: issueOutput,
    example: {
      input: { jti: 'pp_1f2e3d4c5b6a79880716253443526170' },
      output: { ...PASSPORT_EXAMPLE, token: TOKEN_EXAMPLE },
    },
    errors: ['NOT_FOUND', 'FORBIDDEN', 'PASSPORT_INVALID', 'PASSPORT_REVOKED'],
    statuses: [201],
    route: { method: 'POST', path: '/v1/passports/refresh' },
    toolset: 'default',
    line: 'operations',
    run: async ({ caller, input, nowMs }) => {
      const found = oldOf(deps, caller, input);
      if (!found.ok) return found;
      const old = found.value;
      const problem = refreshProblem(old, nowMs);
      if (problem !== undefined) return refuse(problem);
      const agent = agentOf(deps, old);
      if (!agent.ok) return agent;
      const above = parentOf(deps, old);
      if (!above.ok) return above;
      const row = successor(deps, { old, agent: agent.value, parent: above.value, asked: input.ttl_seconds });
      const chain = above.value === undefined ? [] : chainBelow(above.value);
      const token = tokenOf(row, { key: deps.keys.current(), issuer: deps.issuer(), chain });
      if (!token.ok) return token;
      const guards = above.value === undefined ? [] : [guardLive(above.value.jti)];
      const entry = {
        agent_id: row.agent_id,
        session_id: row.session_id,
        passport_jti: row.jti,
        detail: { ...noted(row), from: old.jti },
      };
      const changes = [
        ...guards,
        succeed(old.jti, { successor: row.jti, nowMs }),
        insertPassport(row),
        moveChildren(old.jti, row.jti),
      ];
      return ok({ output: showIssued(row, token.value), status: 201, changes, entry });
    },
  });
}

/**
 * The key that minted it, also of what was delegated from that; the own key of its agent, which shows the token; a person any.
 * An agent that the transport names: only its own.
 */
function oldOf(deps: Minting, caller: Caller, { token, jti }: Given): Result<PassportRow> {
  if ((token === undefined) === (jti === undefined)) return unnamed('give either token or jti');
  const named = token === undefined ? ok(jti ?? '') : jtiOf(deps, token);
  if (!named.ok) return named;
  const row = passportBy(deps.reader, named.value);
  const held = caller.kind === 'agent_key' && token !== undefined && row?.agent_id === caller.acting?.agentId;
  const own = caller.kind === 'person' || row?.minted_by === caller.id || held;
  if (row === undefined || !own)
    return refuse(new Fault('NOT_FOUND', { detail: 'no such passport of this caller', next: MINTER }));
  const foreign = caller.acting !== undefined && caller.acting.agentId !== row.agent_id;
  return foreign ? refuse(new Fault('FORBIDDEN', { detail: 'the transport names another agent' })) : ok(row);
}

const MINTER = 'Refresh it with the key that minted it; another one issues a passport of its own.';

const unnamed = (message: string): Result<never> =>
  refuse(new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: 'token', message }] } }));

/** The signature is judged as ever, the time is not: the row says what is over. */
function jtiOf({ keys, issuer }: Minting, token: string): Result<string> {
  const claims = openToken(token, { keys: verifyingKeys(keys), issuer: issuer() });
  return claims.ok ? ok(claims.value.jti) : claims;
}

function agentOf({ findAgent }: Minting, row: PassportRow): Result<Agent> {
  const agent = findAgent(row.agent_id);
  if (agent === undefined) return refuse(new Fault('PASSPORT_REVOKED', { detail: 'the agent is gone' }));
  return agent.status === 'blocked' ? refuse(new Fault('PASSPORT_BLOCKED')) : ok(agent);
}

/** Of the first of a chain there is none. One that is over takes its children with it. */
function parentOf({ verifier }: Minting, { parent_jti }: PassportRow): Result<LivePassport | undefined> {
  if (parent_jti === null) return ok(undefined);
  const above = verifier.byJti(parent_jti);
  if (above.ok) return above;
  const next = 'The passport that it was delegated from is over. Ask whoever delegated it for another one.';
  return refuse(
    new Fault('PASSPORT_REVOKED', { detail: `parent ${parent_jti}: ${above.fault.detail ?? ''}`, next }),
  );
}

type Line = {
  readonly old: PassportRow;
  readonly agent: Agent;
  readonly parent: LivePassport | undefined;
  readonly asked: number | undefined;
};

/** What it holds is copied, and never widened: the live config and the chain narrow it at every check. */
function successor({ host, terms }: Minting, { old, agent, parent, asked }: Line): PassportRow {
  return newPassport(
    {
      agent,
      mode: stricter(old.mode, agent.mode),
      services: servicesOf(old),
      intent: intentOf(old),
      ttlSeconds: Math.min(asked ?? old.ttl_seconds, terms().ttlSecondsMax),
      checkpointInterval: old.checkpoint_interval,
      mintedBy: old.minted_by,
      sessionId: old.session_id,
      missionEndsAtMs: old.mission_ends_at,
      parent,
      refreshedFrom: old.jti,
      standing: false,
    },
    host,
  );
}
