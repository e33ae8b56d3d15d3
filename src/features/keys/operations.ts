// API keys: persons make, list and revoke them. A key is shown once, when it is made.
import { z } from 'zod';
import { toHex } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import { LIST_PAGE, LIST_PAGE_MAX } from '#kernel/limits.ts';
import { type Operation, operation } from '#kernel/operation.ts';
import { ok, refuse } from '#kernel/result.ts';
import type { Statement } from '#kernel/unit.ts';
import { keyedHash } from '#platform/crypto/derive.ts';
import type { Host } from '#platform/host/host.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import { insertKey, keyBy, liveKeysAfter, revokeKey } from './store.ts';

type Deps = { readonly reader: Reader; readonly host: Host; readonly pepper: Uint8Array };

const KEY_BYTES = 32;

export type MintedKey = {
  readonly id: string;
  readonly apiKey: string;
  readonly createdAtMs: number;
  readonly statement: Statement;
};

export function mintKey({ host, pepper }: Pick<Deps, 'host' | 'pepper'>, name: string): MintedKey {
  const apiKey = `sk_live_${toHex(host.randomBytes(KEY_BYTES))}`;
  const [id, createdAtMs] = [host.id('key'), host.nowMs()];
  const row = { id, name, hash: keyedHash(pepper, apiKey), created_at: createdAtMs, revoked_at: null };
  return { id, apiKey, createdAtMs, statement: insertKey(row) };
}

const iso = (ms: number): string => new Date(ms).toISOString();
const shown = z.strictObject({
  id: z.string().describe('Id of the key, key_…. It is no secret.'),
  name: z.string().describe('What the key is for.'),
  created_at: z.string().describe('When it was made, RFC 3339 UTC.'),
});

const EXAMPLE: z.output<typeof shown> = {
  id: 'key_0a1b2c3d4e5f60718293a4b5c6d7e8f9',
  name: 'laptop of Kim',
  created_at: '2026-11-23T09:30:00.000Z',
};

export function keyOperations(deps: Deps): readonly Operation[] {
  return [creating(deps), listing(deps), revoking(deps)];
}

function creating(deps: Deps): Operation {
  return operation({
    name: 'stack_create_key',
    action: 'key.create',
    summary: 'Make an API key. It is shown once.',
    effect: 'write',
    callers: ['person'],
    scope: 'agents:write',
    input: z.strictObject({ name: z.string().min(1).max(64).describe('What the key is for.') }),
    output: shown.extend({ api_key: z.string().describe('The key itself, shown this once.') }),
    example: {
      input: { name: EXAMPLE.name },
      output: { ...EXAMPLE, api_key: 'sk_live_EXAMPLE_not_a_real_key' },
    },
    errors: [],
    statuses: [201],
    route: { method: 'POST', path: '/v1/keys' },
    toolset: null,
    line: 'operations',
    run: async ({ input }) => {
      const { id, apiKey, createdAtMs, statement } = mintKey(deps, input.name);
      const output = { id, name: input.name, created_at: iso(createdAtMs), api_key: apiKey };
      return ok({
        output,
        status: 201,
        changes: [statement],
        entry: { detail: { key: id, name: input.name } },
      });
    },
  });
}

function listing(deps: Deps): Operation {
  return operation({
    name: 'stack_list_keys',
    action: 'key.list',
    summary: 'List the live API keys by id and name.',
    effect: 'read',
    callers: ['person'],
    scope: 'agents:read',
    input: z.strictObject({
      limit: z.number().int().min(1).max(LIST_PAGE_MAX).default(LIST_PAGE).describe('Keys per page.'),
      cursor: z.string().max(100).optional().describe('next_cursor of the page before.'),
    }),
    output: z.strictObject({
      keys: z.array(shown).describe('Live keys of this page.'),
      next_cursor: z.string().nullable().describe('Give it as cursor for the next page; null at the end.'),
    }),
    example: { input: {}, output: { keys: [EXAMPLE], next_cursor: null } },
    errors: [],
    route: { method: 'GET', path: '/v1/keys' },
    toolset: null,
    line: 'operations',
    run: async ({ input }) => {
      const rows = await liveKeysAfter(deps.reader, input.cursor ?? '', input.limit);
      const keys = rows.map(({ id, name, created_at }) => ({ id, name, created_at: iso(created_at) }));
      const next_cursor = rows.length === input.limit ? (rows.at(-1)?.id ?? null) : null;
      return ok({ output: { keys, next_cursor }, changes: [] });
    },
  });
}

function revoking(deps: Deps): Operation {
  return operation({
    name: 'stack_revoke_key',
    action: 'key.revoke',
    summary: 'Revoke an API key at once.',
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
      const row = await keyBy(deps.reader, input.id);
      if (row === undefined || row.revoked_at !== null)
        return refuse(new Fault('NOT_FOUND', { detail: `no live key ${input.id}` }));
      const entry = { detail: { key: input.id } };
      return ok({ output: { id: input.id, revoked: true }, changes: [revokeKey(input.id, nowMs)], entry });
    },
  });
}
