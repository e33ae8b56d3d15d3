// Agent keys: a challenge from the operator, its answer from the agent's machine, and the end of a key.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Agent } from '#features/agents/model.ts';
import { toHex } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import { ENROLLMENT_CHALLENGE_MS, ID_CHARS_MAX } from '#kernel/limits.ts';
import { type Caller, type Operation, operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Statement } from '#kernel/unit.ts';
import { thumbprint } from '#platform/crypto/signing.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { challengeText, isPublicKey, provesPossession } from './enroll.ts';
import {
  type AgentKeyRow,
  agentKeyByKid,
  agentKeyOf,
  type ChallengeRow,
  challengeOf,
  deleteAgentKey,
  putAgentKey,
  putChallenge,
  spendChallenge,
} from './store.ts';

type Deps = {
  readonly reader: Reader;
  readonly host: Host;
  readonly findAgent: (idOrName: string) => Agent | undefined;
  /** Whether the API key of this id has ended: what it prepared ends with it. */
  readonly keyEnded: (id: string) => boolean;
};

/** 256 bits: whoever knows it may enrol a key for the agent. */
const CHALLENGE_BYTES = 32;
const hashOf = (challengeId: string): string => createHash('sha256').update(challengeId).digest('hex');

const id = z.string().min(1).max(ID_CHARS_MAX).describe('Agent id or name.');
const AGENT_ID = 'agt_0a1b2c3d4e5f60718293a4b5c6d7e8f9';
const KEY_ID = 'agk_0a1b2c3d4e5f60718293a4b5c6d7e8f9';
const CHALLENGE_ID = 'chl_EXAMPLE';

export function agentKeyOperations(deps: Deps): readonly Operation[] {
  return [challenging(deps), enrolling(deps), ending(deps)];
}

type Asked = { readonly caller: Caller; readonly input: { readonly id: string } };

/** The agent, if this caller may act for it (contract 2). */
function reach({ findAgent }: Deps, { caller, input }: Asked): Result<Agent> {
  const agent = findAgent(input.id);
  if (caller.acting !== undefined && caller.acting.agentId !== agent?.id)
    return refuse(new Fault('FORBIDDEN', { detail: 'the transport names another agent' }));
  return agent === undefined ? refuse(new Fault('NOT_FOUND', { detail: `no agent ${input.id}` })) : ok(agent);
}

function challenging(deps: Deps): Operation {
  return operation({
    name: 'stack_challenge_agent',
    action: 'agent.enrollment_challenge',
    summary:
      'Make a challenge with which a machine enrolls a key of its own for an agent. It is good once, for ten minutes, and ' +
      'whoever has it may answer it: carry it to that machine only.',
    effect: 'write',
    callers: ['key', 'person'],
    scope: 'agents:write',
    input: z.strictObject({ id }),
    output: z.strictObject({
      challenge_id: z.string().describe('Give it back with the answer. A secret until then.'),
      challenge: z.string().describe('The text whose UTF-8 bytes the machine signs with its Ed25519 key.'),
      agent_id: z.string().describe('Id of the agent: sub of its JWTs.'),
      expires_at: z.string().describe('Until when it can be answered, RFC 3339 UTC.'),
    }),
    example: {
      input: { id: 'support-bot' },
      output: {
        challenge_id: CHALLENGE_ID,
        challenge: challengeText(AGENT_ID, CHALLENGE_ID),
        agent_id: AGENT_ID,
        expires_at: '2026-11-23T09:40:00.000Z',
      },
    },
    errors: ['NOT_FOUND', 'FORBIDDEN'],
    statuses: [201],
    route: { method: 'POST', path: '/v1/agents/:id/enrollment-challenge' },
    toolset: null,
    line: 'operations',
    run: async ({ caller, input, nowMs }) => {
      const agent = reach(deps, { caller, input });
      if (!agent.ok) return agent;
      const challengeId = `chl_${toHex(deps.host.randomBytes(CHALLENGE_BYTES))}`;
      const row: ChallengeRow = {
        agent_id: agent.value.id,
        hash: hashOf(challengeId),
        created_by: caller.id,
        expires_at: nowMs + ENROLLMENT_CHALLENGE_MS,
      };
      const output = {
        challenge_id: challengeId,
        challenge: challengeText(row.agent_id, challengeId),
        agent_id: row.agent_id,
        expires_at: new Date(row.expires_at).toISOString(),
      };
      return ok({ output, status: 201, changes: [putChallenge(row)], entry: { agent_id: row.agent_id } });
    },
  });
}

const enrollInput = z.strictObject({
  id,
  public_key: z
    .strictObject({
      kty: z.literal('OKP').describe('Kind of key (RFC 8037).'),
      crv: z.literal('Ed25519').describe('Its curve.'),
      x: z.string().refine(isPublicKey, 'must be 32 bytes in base64url').describe('The public key itself.'),
      kid: z.string().max(ID_CHARS_MAX).optional().describe('Ignored; the thumbprint is used.'),
      alg: z.string().max(ID_CHARS_MAX).optional().describe('Ignored.'),
      use: z.string().max(ID_CHARS_MAX).optional().describe('Ignored.'),
      ext: z.boolean().optional().describe('Ignored; WebCrypto writes it.'),
      key_ops: z.array(z.string().max(ID_CHARS_MAX)).optional().describe('Ignored; WebCrypto writes it.'),
    })
    .describe('The public key as a JWK. The private half stays on the machine; a key with `d` is refused.'),
  challenge_id: z.string().max(ID_CHARS_MAX).describe('From the challenge.'),
  signed_challenge: z
    .string()
    .max(ID_CHARS_MAX)
    .describe('Ed25519 signature of the challenge, base64url without padding.'),
});

function enrolling(deps: Deps): Operation {
  return operation({
    name: 'stack_enroll_agent',
    action: 'agent.enroll',
    summary:
      'Answer a challenge: enroll the public key of the machine that the agent runs on. It replaces the key before, whose ' +
      'passports end. Needs no credential but the challenge.',
    effect: 'write',
    callers: 'anyone',
    scope: 'agents:write',
    input: enrollInput,
    output: z.strictObject({
      agent_id: z.string().describe('Id of the agent: sub of its JWTs.'),
      key_id: z.string().describe('Id of the key in the log, agk_….'),
      kid: z.string().describe('Thumbprint of the key (RFC 7638).'),
      enrolled_at: z.string().describe('RFC 3339 UTC.'),
      replaced: z.boolean().describe('There was a key before, and it is gone.'),
    }),
    example: {
      input: {
        id: 'support-bot',
        public_key: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
        challenge_id: CHALLENGE_ID,
        signed_challenge: 'EXAMPLE',
      },
      output: {
        agent_id: AGENT_ID,
        key_id: KEY_ID,
        kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
        enrolled_at: '2026-11-23T09:31:00.000Z',
        replaced: false,
      },
    },
    errors: ['UNAUTHORIZED', 'CONFLICT'],
    statuses: [201],
    route: { method: 'POST', path: '/v1/agents/:id/enroll' },
    toolset: null,
    line: 'operations',
    run: async ({ input, nowMs }) => {
      const answered = answeredChallenge(deps, { ...input, nowMs });
      if (!answered.ok) return answered;
      const { agent_id, hash, created_by } = answered.value;
      const kid = thumbprint(input.public_key.x);
      const holder = agentKeyByKid(deps.reader, kid);
      if (holder !== undefined && holder.agent_id !== agent_id) return refuse(keyInUse());
      const row: AgentKeyRow = {
        ...{ agent_id, id: deps.host.id('agk'), kid, x: input.public_key.x },
        ...{ enrolled_at: nowMs, enrolled_by: created_by },
      };
      const before = agentKeyOf(deps.reader, agent_id);
      const replaced = before !== undefined;
      return ok({
        output: {
          ...{ agent_id, key_id: row.id, kid, replaced },
          enrolled_at: new Date(nowMs).toISOString(),
        },
        status: 201,
        changes: [spendChallenge(hash), putAgentKey(row)],
        ends: before === undefined ? undefined : { of: 'key', id: before.id, reason: 'Agent key replaced' },
        entry: { agent_id, detail: { key: row.id, kid, replaced, challenge_by: created_by } },
      });
    },
  });
}

type Answered = z.infer<typeof enrollInput> & { readonly nowMs: number };

/** One refusal for all: who guesses learns neither which agents there are nor which of them wait for an answer. */
function answeredChallenge(deps: Deps, answered: Answered): Result<ChallengeRow> {
  const { id: idOrName, challenge_id, signed_challenge, public_key, nowMs } = answered;
  const agent = deps.findAgent(idOrName);
  const row = agent === undefined ? undefined : challengeOf(deps.reader, agent.id);
  if (row === undefined || row.hash !== hashOf(challenge_id)) return unanswered('no such challenge');
  if (row.expires_at <= nowMs) return unanswered('the challenge has expired');
  if (deps.keyEnded(row.created_by)) return unanswered('the key that made the challenge has ended');
  const text = challengeText(row.agent_id, challenge_id);
  return provesPossession({ x: public_key.x, text, signature: signed_challenge })
    ? ok(row)
    : unanswered('the signature is not of this key over this challenge');
}

const unanswered = (detail: string): Result<never> =>
  refuse(
    new Fault('UNAUTHORIZED', {
      detail,
      next: 'Sign the text of an unused challenge of this agent, not older than ten minutes, with the key that is enrolled. Another challenge: POST /v1/agents/:id/enrollment-challenge.',
    }),
  );

const keyInUse = (): Fault =>
  new Fault('CONFLICT', {
    detail: 'the key is enrolled for another agent',
    next: 'Make a key for this agent alone: one key, one agent.',
  });

function ending(deps: Deps): Operation {
  return operation({
    name: 'stack_remove_agent_key',
    action: 'agent.remove_key',
    summary: 'Remove the key of an agent at once, and with it the passports that it minted.',
    effect: 'destroy',
    callers: ['key', 'person'],
    scope: 'agents:write',
    input: z.strictObject({ id }),
    output: z.strictObject({
      agent_id: z.string().describe('Id of the agent.'),
      key_id: z.string().describe('Id of the key that is gone.'),
    }),
    example: { input: { id: 'support-bot' }, output: { agent_id: AGENT_ID, key_id: KEY_ID } },
    errors: ['NOT_FOUND', 'FORBIDDEN'],
    route: { method: 'DELETE', path: '/v1/agents/:id/key' },
    toolset: null,
    line: 'operations',
    run: async ({ caller, input }) => {
      const agent = reach(deps, { caller, input });
      if (!agent.ok) return agent;
      const row = agentKeyOf(deps.reader, agent.value.id);
      if (row === undefined) return refuse(noKey(agent.value));
      const changes: readonly Statement[] = [deleteAgentKey(row.id)];
      const entry = { agent_id: row.agent_id, detail: { key: row.id, kid: row.kid } };
      return ok({
        output: { agent_id: row.agent_id, key_id: row.id },
        changes,
        ends: { of: 'key', id: row.id, reason: 'Agent key removed' },
        entry,
      });
    },
  });
}

const noKey = ({ name }: Agent): Fault =>
  new Fault('NOT_FOUND', {
    detail: `agent ${name} has no key`,
    next: 'Nothing is to be done: no key is enrolled for this agent.',
  });
