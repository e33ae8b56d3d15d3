// Passports: issue, verify, list, and the keys that verify them offline.
import { z } from 'zod';
import type { Agent } from '#features/agents/model.ts';
import { Fault } from '#kernel/errors.ts';
import { CALL_TEXT_CHARS_MAX, ID_CHARS_MAX, LIST_PAGE, LIST_PAGE_MAX } from '#kernel/limits.ts';
import type { Operation } from '#kernel/operation.ts';
import { operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Statement } from '#kernel/unit.ts';
import type { SigningKey } from '#platform/crypto/signing.ts';
import { type ConstraintProblem, planPassport } from './issue.ts';
import { type Minting, newPassport, tokenOf } from './mint.ts';
import type { PassportKeys } from './model.ts';
import {
  CLAIMS_EXAMPLE,
  constraintsOf,
  ISSUE_EXAMPLE,
  intentGiven,
  issueInput,
  issueOutput,
  jwksOutput,
  listOutput,
  PASSPORT_EXAMPLE,
  showIssued,
  showListed,
  TOKEN_EXAMPLE,
  verifyOutput,
} from './shape.ts';
import { insertPassport, livePassports, type PassportRow, releaseStanding } from './store.ts';
import { noted, termsOf } from './terms.ts';
import { openToken } from './token.ts';
import { verifyingKeys } from './verify.ts';

type Deps = Minting & {
  /** What signs the status list; published beside. */
  readonly statusKeys: Pick<PassportKeys, 'verifying'>;
  /** Keys of receipts: published, too, and never one of passports. */
  readonly receipts: () => readonly SigningKey[];
  readonly constraintProblem: ConstraintProblem;
};

export function passportOperations(deps: Deps): readonly Operation[] {
  return [issuing(deps), verifying(deps), listing(deps), publishing(deps)];
}

function issuing(deps: Deps): Operation {
  return operation({
    name: 'stack_issue_passport',
    action: 'passport.issue',
    summary:
      'Mint a short-lived passport for one agent and one intent. Give agent (name) or agent_id and intent {summary, ' +
      'services}. Send the token as the passport argument of stack_proxy_request.',
    effect: 'write',
    callers: ['key', 'agent_key', 'person'],
    scope: 'passports:write',
    input: issueInput,
    output: issueOutput,
    example: { input: ISSUE_EXAMPLE, output: { ...PASSPORT_EXAMPLE, token: TOKEN_EXAMPLE } },
    errors: ['NOT_FOUND', 'FORBIDDEN', 'PASSPORT_BLOCKED', 'ACCOUNTABILITY_REQUIRED', 'SCOPE_ESCALATION'],
    statuses: [201],
    route: { method: 'POST', path: '/v1/passports/issue' },
    toolset: 'default',
    line: 'operations',
    run: async ({ caller, input }) => {
      const agent = await agentFor(deps, input.agent_id, input.agent);
      if (!agent.ok) return caller.bound === true && agent.fault.code === 'NOT_FOUND' ? foreign() : agent;
      if (caller.acting !== undefined && caller.acting.agentId !== agent.value.id) {
        return foreign();
      }
      const intent = intentGiven(input.intent);
      const wish = { intent, scopes: input.scopes, constraints: constraintsOf(input.constraints) };
      const services = planPassport(agent.value, wish, deps.constraintProblem);
      if (!services.ok) return services;
      const terms = termsOf(deps.terms(), agent.value.mode, input);
      const { mode } = agent.value;
      const plan = {
        agent: agent.value,
        mode,
        services: services.value,
        intent,
        mintedBy: caller.id,
        ...terms,
      };
      const row = newPassport({ ...plan, sessionId: undefined, standing: false }, deps.host);
      const token = tokenOf(row, { key: deps.keys.current(), issuer: deps.issuer(), chain: [] });
      if (!token.ok) return token;
      const entry = {
        agent_id: row.agent_id,
        session_id: row.session_id,
        passport_jti: row.jti,
        detail: { ...noted(row), services: services.value.map(({ service }) => service) },
      };
      return ok({
        output: showIssued(row, token.value),
        status: 201,
        changes: issueChanges(row),
        entry,
      });
    },
  });
}

/** A declared intent is a new mission: it opens X-Stack-Agent again for this key, in the same unit (contract 2). */
function issueChanges(row: PassportRow): readonly Statement[] {
  const insert = insertPassport(row);
  return row.intent === null ? [insert] : [insert, releaseStanding(row.agent_id, row.minted_by)];
}

const foreign = (): Result<never> =>
  refuse(new Fault('FORBIDDEN', { detail: 'the transport names another agent' }));

const unnamed = (message: string): Result<never> =>
  refuse(new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: 'agent_id', message }] } }));

async function agentFor(
  deps: Deps,
  id: string | undefined,
  name: string | undefined,
): Promise<Result<Agent>> {
  const wanted = id ?? name;
  if (wanted === undefined) return unnamed('give agent_id or agent');
  const agent = deps.findAgent(wanted);
  const differs = agent !== undefined && name !== undefined && name !== agent.name && name !== agent.id;
  if (differs) return unnamed('agent_id and agent name two agents');
  if (agent !== undefined) return ok(agent);
  const next = 'Register the agent first with stack_register_agent.';
  return refuse(new Fault('NOT_FOUND', { detail: `no agent ${wanted}`, next }));
}

function verifying(deps: Deps): Operation {
  return operation({
    name: 'stack_verify_passport',
    action: 'passport.verify',
    summary: 'Say whether a passport is valid right now, and what it holds.',
    effect: 'read',
    callers: 'anyone',
    scope: 'passports:read',
    input: z.strictObject({
      token: z
        .string()
        .max(CALL_TEXT_CHARS_MAX)
        .meta({ description: 'The passport, a JWT.', writeOnly: true }),
    }),
    output: verifyOutput,
    example: { input: { token: TOKEN_EXAMPLE }, output: { valid: true, claims: CLAIMS_EXAMPLE } },
    errors: [],
    route: { method: 'POST', path: '/v1/passports/verify' },
    toolset: 'passports',
    line: 'operations',
    run: async ({ input }) => {
      const live = deps.verifier.verify(input.token);
      if (!live.ok) return ok({ output: { valid: false, code: live.fault.code }, changes: [] });
      const keys = verifyingKeys(deps.keys);
      const claims = openToken(input.token, { keys, issuer: deps.issuer() });
      if (!claims.ok) return ok({ output: { valid: false, code: claims.fault.code }, changes: [] });
      return ok({ output: { valid: true, claims: claims.value }, changes: [] });
    },
  });
}

function listing(deps: Deps): Operation {
  return operation({
    name: 'stack_list_active_passports',
    action: 'passport.list',
    summary: 'List live passports: a key those it minted, a passport those of its session, a person all.',
    effect: 'read',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'passports:read',
    input: z.strictObject({
      agent_id: z.string().max(ID_CHARS_MAX).optional().describe('Only of this agent, by id or name.'),
      session_id: z.string().max(ID_CHARS_MAX).optional().describe('Only of this session.'),
      limit: z.number().int().min(1).max(LIST_PAGE_MAX).default(LIST_PAGE).describe('Passports per page.'),
      cursor: z.string().max(ID_CHARS_MAX).optional().describe('next_cursor of the page before.'),
    }),
    output: listOutput,
    example: {
      input: { agent_id: 'support-bot' },
      output: { passports: [PASSPORT_EXAMPLE], next_cursor: null },
    },
    errors: [],
    route: { method: 'GET', path: '/v1/passports' },
    toolset: 'passports',
    line: 'operations',
    run: async ({ caller, input, nowMs }) => {
      const asked = input.agent_id === undefined ? undefined : (deps.findAgent(input.agent_id)?.id ?? '');
      const bound = caller.bound === true ? caller.acting?.agentId : undefined;
      if (bound !== undefined && asked !== undefined && asked !== bound)
        return refuse(new Fault('FORBIDDEN', { detail: 'the key is bound to another agent' }));
      // Nor what other agents hold of its own.
      const agentId = bound ?? asked;
      const own = caller.kind === 'passport' ? (caller.acting?.sessionId ?? '') : input.session_id;
      const rows = await livePassports(deps.reader, {
        nowMs,
        agentId,
        sessionId: own,
        mintedBy: caller.kind === 'key' || caller.kind === 'agent_key' ? caller.id : undefined,
        after: input.cursor ?? '',
        limit: input.limit,
      });
      const next_cursor = rows.length === input.limit ? (rows.at(-1)?.jti ?? null) : null;
      const live = stillLive(deps, rows);
      return ok({ output: { passports: live.map(showListed), next_cursor }, changes: [] });
    },
  });
}

/** Also over: what was minted by a key that has ended, or descends from a passport that is over. */
const stillLive = ({ verifier }: Deps, rows: readonly PassportRow[]): readonly PassportRow[] =>
  rows.filter(({ jti }) => verifier.byJti(jti).ok);

function publishing(deps: Deps): Operation {
  return operation({
    name: 'stack_get_jwks',
    action: 'passport.jwks',
    summary:
      'The public keys that verify passports, their status list, and receipts of approvals (RFC 7517).',
    effect: 'read',
    callers: 'anyone',
    scope: 'passports:read',
    input: z.strictObject({}),
    output: jwksOutput,
    example: {
      input: {},
      output: {
        keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'EXAMPLE', kid: 'EXAMPLE', alg: 'EdDSA', use: 'sig' }],
      },
    },
    errors: [],
    route: { method: 'GET', path: '/v1/.well-known/jwks.json' },
    toolset: null,
    line: 'operations',
    run: async () => {
      const keys = [...deps.keys.verifying(), ...deps.statusKeys.verifying(), ...deps.receipts()].map(
        ({ publicJwk, kid }) => ({ ...publicJwk, kid, alg: 'EdDSA', use: 'sig' }) as const,
      );
      return ok({ output: { keys }, changes: [] });
    },
  });
}
