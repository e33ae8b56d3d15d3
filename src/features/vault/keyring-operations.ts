// The keyring: its state, and the beginning of its rotation; and the rotation of the key that signs passports. Persons only; `jobs.ts` does the rest in the background.
import { z } from 'zod';
import type { Service } from '#features/services/model.ts';
import { Fault } from '#kernel/errors.ts';
import { type Operation, operation } from '#kernel/operation.ts';
import { ok, refuse } from '#kernel/result.ts';
import type { Reader } from '#platform/storage/compiler.ts';
import type { Keyring } from './keyring.ts';
import { readSealed } from './sealed.ts';
import type { SigningKeys } from './signing-keys.ts';
import { allKeyring, boxedCounts, insertKeyring, type KeyringRow } from './store.ts';

type Deps = {
  readonly reader: Reader;
  readonly keyring: Keyring;
  readonly services: () => Iterable<Service>;
  readonly signingKeys: Pick<SigningKeys, 'current' | 'replace'>;
};

const iso = (ms: number): string => new Date(ms).toISOString();

const ringKey = z.strictObject({
  id: z.string().describe('Id of the ring key, sec_….'),
  generation: z.number().int().min(1).describe('Grows by one with every rotation.'),
  state: z
    .enum(['current', 'outgoing', 'retired'])
    .describe('current takes new values, outgoing is being emptied, retired holds no row any more.'),
  created_at: z.string().describe('When it was made, RFC 3339 UTC.'),
  retired_at: z.string().nullable().describe('When it was found empty; null before.'),
  rows: z.number().int().describe('Stored secrets and signing keys that are wrapped under it.'),
  sealed_values: z.number().int().describe('Values in the config that were sealed for it; it opens them.'),
});
const status = z.strictObject({
  rotating: z.boolean().describe('A rotation has begun and not ended.'),
  rows_left: z.number().int().describe('Rows that a rotation has still to move.'),
  seal_key: z
    .strictObject({
      id: z.string().describe('Id of the current ring key.'),
      public_key: z.string().describe('Its public half, base64.'),
    })
    .describe('What `stack seal` seals to.'),
  ring_keys: z.array(ringKey).describe('Newest first.'),
});

const RING_KEYS = {
  now: 'sec_0a1b2c3d4e5f60718293a4b5c6d7e8f9',
  before: 'sec_19a2b3c4d5e6f708192a3b4c5d6e7f80',
} as const;
const KIDS = {
  now: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
  before: 'JH5lYgT1xHkZqHTWvLw4rdpHqWu1cN1dyCZKp0oDnLY',
} as const;
const STATUS_EXAMPLE: z.output<typeof status> = {
  rotating: true,
  rows_left: 3,
  seal_key: { id: RING_KEYS.now, public_key: 'EXAMPLEaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=' },
  ring_keys: [
    {
      id: RING_KEYS.now,
      generation: 2,
      state: 'current',
      created_at: '2026-11-24T16:05:00.000Z',
      retired_at: null,
      rows: 9,
      sealed_values: 0,
    },
    {
      id: RING_KEYS.before,
      generation: 1,
      state: 'outgoing',
      created_at: '2026-11-23T09:30:00.000Z',
      retired_at: null,
      rows: 3,
      sealed_values: 1,
    },
  ],
};

export function keyringOperations(deps: Deps): readonly Operation[] {
  return [reading(deps), rotating(deps), replacingSigningKey(deps)];
}

function reading(deps: Deps): Operation {
  return operation({
    name: 'stack_get_vault',
    action: 'vault.read',
    summary: 'The state of the keyring: its keys, what is wrapped under each, and how far a rotation is.',
    effect: 'read',
    callers: ['person'],
    scope: 'services:read',
    input: z.strictObject({}),
    output: status,
    example: { input: {}, output: STATUS_EXAMPLE },
    errors: [],
    route: { method: 'GET', path: '/v1/vault' },
    toolset: null,
    line: 'operations',
    run: async () => ok({ output: await statusOf(deps), changes: [] }),
  });
}

async function statusOf({ reader, keyring, services }: Deps): Promise<z.infer<typeof status>> {
  const rows = await allKeyring(reader);
  const counts = await boxedCounts(reader);
  const sealed = [...services()].flatMap(({ secret }) =>
    secret?.kind === 'sealed' ? [readSealed(secret.text)?.leash.ring_key] : [],
  );
  const { id: current, publicKey } = keyring.current();
  const stateOf = ({ id, retired_at }: KeyringRow): z.infer<typeof ringKey>['state'] =>
    id === current ? 'current' : retired_at === null ? 'outgoing' : 'retired';
  const ring_keys = rows
    .toSorted((a, b) => b.generation - a.generation)
    .map((row) => ({
      id: row.id,
      generation: row.generation,
      state: stateOf(row),
      created_at: iso(row.created_at),
      retired_at: row.retired_at === null ? null : iso(row.retired_at),
      rows: counts.filter((count) => count.ring_key === row.id).reduce((sum, count) => sum + count.rows, 0),
      sealed_values: sealed.filter((id) => id === row.id).length,
    }));
  const outgoing = ring_keys.filter(({ state }) => state === 'outgoing');
  return {
    rotating: outgoing.length > 0,
    rows_left: outgoing.reduce((sum, { rows }) => sum + rows, 0),
    seal_key: { id: current, public_key: Buffer.from(publicKey).toString('base64') },
    ring_keys,
  };
}

function rotating({ keyring }: Deps): Operation {
  return operation({
    name: 'stack_rotate_keyring',
    action: 'vault.rotate',
    summary:
      'Begin to rotate the keyring: new values go under a new key at once, stored ones are moved in the background, ' +
      'and calls go on.',
    effect: 'write',
    callers: ['person'],
    scope: 'services:read',
    input: z.strictObject({}),
    output: z.strictObject({
      ring_key: z.string().describe('Id of the new ring key.'),
      generation: z.number().int().min(1).describe('Its number.'),
    }),
    example: { input: {}, output: { ring_key: RING_KEYS.now, generation: 2 } },
    errors: ['CONFLICT'],
    statuses: [202],
    route: { method: 'POST', path: '/v1/vault/rotate' },
    toolset: null,
    line: 'operations',
    run: async () => {
      const [before] = keyring.outgoing();
      if (before !== undefined) {
        const next = 'Wait until GET /v1/vault says that it is not rotating any more.';
        return refuse(new Fault('CONFLICT', { detail: `ring key ${before} is still being emptied`, next }));
      }
      const row = keyring.fresh();
      const detail = { ring_key: row.id, generation: row.generation, from: keyring.current().id };
      return ok({
        output: { ring_key: row.id, generation: row.generation },
        status: 202,
        changes: [insertKeyring(row)],
        entry: { layer: 'vault', detail },
      });
    },
  });
}

function replacingSigningKey({ signingKeys }: Deps): Operation {
  return operation({
    name: 'stack_rotate_signing_key',
    action: 'vault.rotate_signing_key',
    summary:
      'Sign passports with a new key from now on. Those that the old one signed stay valid to their end, and ' +
      'the JWKS lists both.',
    effect: 'write',
    callers: ['person'],
    scope: 'services:read',
    input: z.strictObject({}),
    output: z.strictObject({
      kid: z.string().describe('Key id of the key that signs from now on.'),
      replaced: z.string().describe('Key id of the one before, which goes on to verify.'),
    }),
    example: { input: {}, output: { kid: KIDS.now, replaced: KIDS.before } },
    errors: [],
    route: { method: 'POST', path: '/v1/vault/rotate-signing-key' },
    toolset: null,
    line: 'operations',
    run: async () => {
      const { kid, changes } = signingKeys.replace();
      const output = { kid, replaced: signingKeys.current().kid };
      return ok({ output, changes, entry: { layer: 'vault', detail: output } });
    },
  });
}
