// Four ways to end passports: one, those of an agent, of a session, and all. Each takes everything that descends from what it
// names, and cuts what is open under it.
import { z } from 'zod';
import type { Agent } from '#features/agents/model.ts';
import { Fault } from '#kernel/errors.ts';
import { ID_CHARS_MAX, REASON_CHARS_MAX } from '#kernel/limits.ts';
import { type Caller, type Invocation, type Operation, type Outcome, operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { EntryDraft } from '#kernel/unit.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { sessionAgent } from './ends-store.ts';
import type { RevocationOrder, Revoked, Revoker } from './revoke.ts';
import { PASSPORT_EXAMPLE, revokeOutput } from './shape.ts';
import { descendsFrom, type PassportRow, passportBy } from './store.ts';

type Deps = {
  readonly reader: Reader;
  readonly host: Pick<Host, 'monotonicMs'>;
  readonly findAgent: (idOrName: string) => Agent | undefined;
  readonly revoker: Revoker;
  /** How many approvals that waited, or could still be used, end with these passports. */
  readonly approvalsOf: (jtis: readonly string[]) => Promise<number>;
};

const reason = z.string().max(REASON_CHARS_MAX).optional().describe('Why, for the log.');
const BY_A_CALLER = 'revoked by a caller';
const EXAMPLE: z.output<typeof revokeOutput> = {
  revoked: [PASSPORT_EXAMPLE.jti],
  cascaded: 0,
  cut: { requests: 0, streams: 1, calls: 0, approvals: 0 },
  took_ms: 3,
};

export function revocationOperations(deps: Deps): readonly Operation[] {
  return [revokingOne(deps), revokingAgent(deps), revokingSession(deps), revokingAll(deps)];
}

function revokingOne(deps: Deps): Operation {
  return operation({
    name: 'stack_revoke_passport',
    action: 'passport.revoke',
    summary:
      'Revoke a passport by its jti, with all passports that were delegated from it. Each is refused at its next use, and ' +
      'what is open under it is cut.',
    effect: 'destroy',
    callers: ['key', 'passport', 'agent_key', 'person'],
    scope: 'passports:write',
    input: z.strictObject({
      jti: z.string().max(ID_CHARS_MAX).describe('Id of the passport, pp_….'),
      reason,
    }),
    output: revokeOutput,
    example: { input: { jti: PASSPORT_EXAMPLE.jti, reason: 'the mission is over' }, output: EXAMPLE },
    errors: ['NOT_FOUND', 'FORBIDDEN'],
    idempotent: true,
    route: { method: 'POST', path: '/v1/passports/:jti/revoke' },
    toolset: 'default',
    line: 'operations',
    run: async (invocation) => {
      const { caller, input } = invocation;
      const row = passportBy(deps.reader, input.jti);
      const refusal = row === undefined ? undefined : problemOf(deps, caller, row);
      if (row === undefined || refusal !== undefined)
        return refuse(refusal ?? new Fault('NOT_FOUND', { detail: 'no such passport' }));
      const { agent_id, session_id, jti } = row;
      const about = { agent_id, session_id, passport_jti: jti };
      return revoke(deps, invocation, { selection: { by: 'jti', jti }, kind: 'single', about });
    },
  });
}

/** Contract 2: a person any, a key what it minted, a passport itself and what descends from it. */
function problemOf({ reader }: Deps, caller: Caller, row: PassportRow): Fault | undefined {
  if (caller.kind === 'person') return undefined;
  const { acting } = caller;
  const below =
    acting?.passportJti !== undefined && descendsFrom(reader, { jti: row.jti, above: acting.passportJti });
  if (acting !== undefined && acting.agentId !== row.agent_id && !below)
    return new Fault('FORBIDDEN', { detail: 'the transport names another agent' });
  const own = caller.kind === 'passport' ? below : row.minted_by === caller.id || below;
  return own ? undefined : new Fault('NOT_FOUND', { detail: 'the passport is not of this caller' });
}

function revokingAgent(deps: Deps): Operation {
  return operation({
    name: 'stack_revoke_agent_passports',
    action: 'passport.revoke',
    summary:
      'Revoke all passports of one agent, with all that were delegated from them; a key those it minted. What is open ' +
      'under them is cut.',
    effect: 'destroy',
    callers: ['key', 'person'],
    scope: 'passports:write',
    input: z.strictObject({
      agent_id: z.string().min(1).max(ID_CHARS_MAX).describe('Agent by id or name.'),
      reason,
    }),
    output: revokeOutput,
    example: { input: { agent_id: 'support-bot', reason: 'it misbehaves' }, output: EXAMPLE },
    errors: ['NOT_FOUND', 'FORBIDDEN'],
    idempotent: true,
    route: { method: 'POST', path: '/v1/passports/revoke-agent' },
    toolset: 'passports',
    line: 'operations',
    run: async (invocation) => {
      const { caller, input } = invocation;
      const agent = deps.findAgent(input.agent_id);
      if (caller.acting !== undefined && caller.acting.agentId !== agent?.id) return foreign();
      if (agent === undefined)
        return refuse(new Fault('NOT_FOUND', { detail: `no agent ${input.agent_id}` }));
      const selection = { by: 'agents', agentIds: [agent.id], mintedBy: minterOf(caller) } as const;
      return revoke(deps, invocation, { selection, kind: 'agent', about: { agent_id: agent.id } });
    },
  });
}

function revokingSession(deps: Deps): Operation {
  return operation({
    name: 'stack_revoke_session',
    action: 'passport.revoke',
    summary:
      'Revoke all passports of one session: the first, what refreshed it, and all that were delegated from them; a key ' +
      'those it minted. What is open under them is cut.',
    effect: 'destroy',
    callers: ['key', 'person'],
    scope: 'passports:write',
    input: z.strictObject({
      session_id: z.string().min(1).max(ID_CHARS_MAX).describe('Session, ses_….'),
      reason,
    }),
    output: revokeOutput,
    example: { input: { session_id: PASSPORT_EXAMPLE.session_id }, output: EXAMPLE },
    errors: ['FORBIDDEN'],
    idempotent: true,
    route: { method: 'POST', path: '/v1/passports/revoke-session' },
    toolset: 'passports',
    line: 'operations',
    run: async (invocation) => {
      const { caller, input } = invocation;
      const sessionId = input.session_id;
      const owner = await sessionAgent(deps.reader, sessionId);
      if (caller.acting !== undefined && caller.acting.agentId !== owner) return foreign();
      const selection = { by: 'session', sessionId, mintedBy: minterOf(caller) } as const;
      return revoke(deps, invocation, { selection, kind: 'session', about: { session_id: sessionId } });
    },
  });
}

function revokingAll(deps: Deps): Operation {
  return operation({
    name: 'stack_revoke_all_passports',
    action: 'passport.revoke',
    summary:
      'For emergencies: revoke every passport there is, and cut everything that is open under them; a key what it minted. ' +
      'Needs confirm: true.',
    effect: 'destroy',
    callers: ['key', 'person'],
    scope: 'passports:write',
    input: z.strictObject({
      confirm: z.literal(true).describe('Must be true: this stops every agent.'),
      reason,
    }),
    output: revokeOutput,
    example: { input: { confirm: true, reason: 'a laptop was stolen' }, output: EXAMPLE },
    errors: ['FORBIDDEN'],
    idempotent: true,
    route: { method: 'POST', path: '/v1/passports/revoke-all' },
    toolset: 'passports',
    line: 'operations',
    run: async (invocation) => {
      const { caller } = invocation;
      // A caller for whom the transport names one agent may not stop the others.
      if (caller.acting !== undefined) return foreign();
      const selection = { by: 'anyone', mintedBy: minterOf(caller) } as const;
      return revoke(deps, invocation, { selection, kind: 'all', about: {} });
    },
  });
}

/** A key reaches what it minted, and what was delegated from that. */
const minterOf = ({ kind, id }: Caller): string | undefined => (kind === 'key' ? id : undefined);

const foreign = (): Result<never> =>
  refuse(new Fault('FORBIDDEN', { detail: 'the transport names another agent' }));

type Wanted = Pick<RevocationOrder, 'selection' | 'kind'> & {
  /** For the entry that stands in the log where nothing was left to revoke. */
  readonly about: Partial<EntryDraft>;
};
type Asked = Pick<Invocation<{ readonly reason?: string | undefined }>, 'caller' | 'input' | 'trace'>;

async function revoke(
  deps: Deps,
  { caller, input, trace }: Asked,
  { about, ...wanted }: Wanted,
): Promise<Result<Outcome<z.output<typeof revokeOutput>>>> {
  const startedMs = deps.host.monotonicMs();
  const actor = { kind: caller.kind, id: caller.id };
  const order = { ...wanted, reason: input.reason ?? BY_A_CALLER, actor, trace };
  const revoked = await deps.revoker.revoke({ ...order, beside: undefined });
  if (!revoked.ok) return revoked;
  const approvals = await deps.approvalsOf(revoked.value.jtis);
  const output = shown(revoked.value, { approvals, tookMs: deps.host.monotonicMs() - startedMs });
  if (revoked.value.jtis.length > 0) return ok({ output, changes: [], committed: true });
  // The log has who asked, whatever came of it.
  const detail = { kind: wanted.kind, reason: order.reason, already: true };
  return ok({ output, changes: [], entry: { ...about, detail } });
}

type Beside = { readonly approvals: number; readonly tookMs: number };

const shown = (
  { jtis, cascaded, cut }: Revoked,
  { approvals, tookMs }: Beside,
): z.output<typeof revokeOutput> => ({
  revoked: [...jtis],
  cascaded,
  cut: { ...cut, approvals },
  took_ms: Math.round(tookMs),
});
