// API keys: persons make, list and revoke them. A key is shown once, when it is made.
import { z } from 'zod';
import type { Agent } from '#features/agents/model.ts';
import { toHex } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import { ID_CHARS_MAX, LIST_PAGE, LIST_PAGE_MAX } from '#kernel/limits.ts';
import { type Operation, operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Statement } from '#kernel/unit.ts';
import { keyedHash } from '#platform/crypto/derive.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { readExpiry } from './expiry.ts';
import { insertKey, type KeyRow, keyBy, keysAfter, revokeKey } from './store.ts';

type Deps = {
  readonly reader: Reader;
  readonly host: Host;
  readonly pepper: Uint8Array;
  readonly findAgent: (idOrName: string) => Agent | undefined;
  /** Unix ms of the newest log entry that this key made. */
  readonly lastEntryMs: (keyId: string) => Promise<number | undefined>;
};

const KEY_BYTES = 32;

export type MintedKey = {
  readonly row: KeyRow;
  readonly apiKey: string;
  readonly statement: Statement;
};

/** What a key may not do: act for another agent, change anything, live longer. */
export type KeyBounds = {
  readonly agent?: Pick<Agent, 'id' | 'name'> | undefined;
  readonly readOnly?: boolean;
  readonly expiresAtMs?: number | undefined;
};

export function mintKey(
  { host, pepper }: Pick<Deps, 'host' | 'pepper'>,
  name: string,
  { agent, readOnly = false, expiresAtMs }: KeyBounds = {},
): MintedKey {
  const apiKey = `sk_live_${toHex(host.randomBytes(KEY_BYTES))}`;
  const [id, createdAtMs] = [host.id('key'), host.nowMs()];
  const bounds = {
    agent_id: agent?.id ?? null,
    agent_name: agent?.name ?? null,
    read_only: readOnly ? 1 : 0,
    expires_at: expiresAtMs ?? null,
  };
  const row: KeyRow = {
    id,
    name,
    hash: keyedHash(pepper, apiKey),
    created_at: createdAtMs,
    revoked_at: null,
    ...bounds,
  };
  return { row, apiKey, statement: insertKey(row) };
}

const iso = (ms: number): string => new Date(ms).toISOString();
const shown = z.strictObject({
  id: z.string().describe('Id of the key, key_…. It is no secret.'),
  name: z.string().describe('What the key is for.'),
  agent: z.string().nullable().describe('The only agent it may act for; null for any.'),
  read_only: z.boolean().describe('It changes nothing, and makes GET and HEAD calls only.'),
  created_at: z.string().describe('When it was made, RFC 3339 UTC.'),
  expires_at: z.string().nullable().describe('When it ends, RFC 3339 UTC; null for never.'),
});
const listed = shown.extend({
  last_used_at: z.string().nullable().describe('Its newest entry in the log; a mere read leaves none.'),
});

const EXAMPLE: z.output<typeof shown> = {
  id: 'key_0a1b2c3d4e5f60718293a4b5c6d7e8f9',
  name: 'laptop of Kim',
  agent: 'support-bot',
  read_only: false,
  created_at: '2026-11-23T09:30:00.000Z',
  expires_at: '2027-02-21T09:30:00.000Z',
};

const show = ({
  id,
  name,
  agent_name,
  read_only,
  created_at,
  expires_at,
}: KeyRow): z.infer<typeof shown> => ({
  id,
  name,
  agent: agent_name,
  read_only: read_only === 1,
  created_at: iso(created_at),
  expires_at: expires_at === null ? null : iso(expires_at),
});

const createInput = z.strictObject({
  name: z.string().min(1).max(64).default('key').describe('What the key is for.'),
  agent: z
    .string()
    .min(1)
    .max(ID_CHARS_MAX)
    .optional()
    .describe('Agent id or name. The key then acts for this agent alone.'),
  read_only: z
    .boolean()
    .default(false)
    .describe('Only verbs that change nothing, and only GET and HEAD calls to services.'),
  expires: z
    .string()
    .min(1)
    .max(ID_CHARS_MAX)
    .optional()
    .describe('When it ends: a duration like 90d or 24h, or a time like 2027-01-31T00:00:00Z.'),
});

type Wished = { readonly input: z.infer<typeof createInput>; readonly nowMs: number };

async function boundsOf(deps: Deps, { input, nowMs }: Wished): Promise<Result<KeyBounds>> {
  const expiry = input.expires === undefined ? undefined : readExpiry(input.expires, nowMs);
  if (expiry !== undefined && 'problem' in expiry) {
    const issues = [{ path: 'expires', message: expiry.problem }];
    return refuse(new Fault('INVALID_REQUEST', { metadata: { issues } }));
  }
  const agent = input.agent === undefined ? undefined : deps.findAgent(input.agent);
  if (input.agent !== undefined && agent === undefined) {
    const next = 'Name an agent that is there: write it into the config, or register it first.';
    return refuse(new Fault('NOT_FOUND', { detail: `no agent ${input.agent}`, next }));
  }
  return ok({ agent, readOnly: input.read_only, expiresAtMs: expiry?.atMs });
}

export function keyOperations(deps: Deps): readonly Operation[] {
  return [creating(deps), listing(deps), revoking(deps)];
}

function creating(deps: Deps): Operation {
  return operation({
    name: 'stack_create_key',
    action: 'key.create',
    summary:
      'Make an API key, shown once. It may be bound to one agent, made read-only, and given an end; none of these can ' +
      'be changed later.',
    effect: 'write',
    callers: ['person'],
    scope: 'agents:write',
    input: createInput,
    output: shown.extend({ api_key: z.string().describe('The key itself, shown this once.') }),
    example: {
      input: { name: EXAMPLE.name, agent: 'support-bot', expires: '90d' },
      output: { ...EXAMPLE, api_key: 'sk_live_EXAMPLE_not_a_real_key' },
    },
    errors: ['NOT_FOUND'],
    statuses: [201],
    route: { method: 'POST', path: '/v1/keys' },
    toolset: null,
    line: 'operations',
    run: async ({ input, nowMs }) => {
      const bounds = await boundsOf(deps, { input, nowMs });
      if (!bounds.ok) return bounds;
      const { row, apiKey, statement } = mintKey(deps, input.name, bounds.value);
      const { id, name, read_only, expires_at } = show(row);
      return ok({
        output: { ...show(row), api_key: apiKey },
        status: 201,
        changes: [statement],
        entry: { agent_id: row.agent_id, detail: { key: id, name, read_only, expires_at } },
      });
    },
  });
}

function listing(deps: Deps): Operation {
  return operation({
    name: 'stack_list_keys',
    action: 'key.list',
    summary: 'List the API keys that are not revoked, with what each is bound to.',
    effect: 'read',
    callers: ['person'],
    scope: 'agents:read',
    input: z.strictObject({
      limit: z.number().int().min(1).max(LIST_PAGE_MAX).default(LIST_PAGE).describe('Keys per page.'),
      cursor: z.string().max(100).optional().describe('next_cursor of the page before.'),
    }),
    output: z.strictObject({
      keys: z.array(listed).describe('Keys of this page that are not revoked.'),
      next_cursor: z.string().nullable().describe('Give it as cursor for the next page; null at the end.'),
    }),
    example: {
      input: {},
      output: { keys: [{ ...EXAMPLE, last_used_at: '2026-11-24T16:05:00.000Z' }], next_cursor: null },
    },
    errors: [],
    route: { method: 'GET', path: '/v1/keys' },
    toolset: null,
    line: 'operations',
    run: async ({ input }) => {
      const rows = await keysAfter(deps.reader, input.cursor ?? '', input.limit);
      const keys = await Promise.all(
        rows.map(async (row) => {
          const usedMs = await deps.lastEntryMs(row.id);
          return { ...show(row), last_used_at: usedMs === undefined ? null : iso(usedMs) };
        }),
      );
      const next_cursor = rows.length === input.limit ? (rows.at(-1)?.id ?? null) : null;
      return ok({ output: { keys, next_cursor }, changes: [] });
    },
  });
}

function revoking(deps: Deps): Operation {
  return operation({
    name: 'stack_revoke_key',
    action: 'key.revoke',
    summary:
      'Revoke an API key at once. The passports that it minted end with it, and what is open under them is cut.',
    effect: 'destroy',
    callers: ['person'],
    scope: 'agents:write',
    input: z.strictObject({ id: z.string().max(100).describe('Id of the key, key_….') }),
    output: z.strictObject({
      id: z.string().describe('Id of the key that is revoked.'),
      revoked: z.boolean().describe('Always true; a refusal is an error.'),
    }),
    example: { input: { id: EXAMPLE.id }, output: { id: EXAMPLE.id, revoked: true } },
    errors: ['NOT_FOUND'],
    route: { method: 'DELETE', path: '/v1/keys/:id' },
    toolset: null,
    line: 'operations',
    run: async ({ input, nowMs }) => {
      const row = keyBy(deps.reader, input.id);
      if (row === undefined || row.revoked_at !== null)
        return refuse(new Fault('NOT_FOUND', { detail: `no live key ${input.id}` }));
      return ok({
        output: { id: input.id, revoked: true },
        changes: [revokeKey(input.id, nowMs)],
        ends: { of: 'key', id: input.id, reason: 'the key that minted it was revoked' },
        entry: { detail: { key: input.id } },
      });
    },
  });
}
