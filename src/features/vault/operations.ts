// Secrets are write-only: there is no verb that returns one. Persons only.
import { z } from 'zod';
import type { Service } from '#features/services/model.ts';
import { utf8 } from '#kernel/bytes.ts';
import { Fault } from '#kernel/errors.ts';
import { LIST_PAGE, LIST_PAGE_MAX, SERVICE_NAME_CHARS_MAX } from '#kernel/limits.ts';
import { type Operation, operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import type { Host } from '#platform/host/host.ts';
import type { Credentials } from './credentials.ts';
import { rowBinding } from './credentials.ts';
import type { Keyring } from './keyring.ts';
import { destinationOf, hostsOf, secretProblem } from './model.ts';
import { deleteSecret, deleteSecretVersions, insertSecret, type SecretRow } from './store.ts';

type Deps = {
  readonly services: () => Iterable<Service>;
  readonly credentials: Pick<Credentials, 'rows'>;
  readonly keyring: Keyring;
  readonly host: Host;
};

const name = z
  .string()
  .min(1)
  .max(SERVICE_NAME_CHARS_MAX)
  .describe('Name under which a service of the config references it.');
const stored = z.strictObject({
  name: z.string().describe('Name of the secret.'),
  service: z.string().describe('Service that it is bound to.'),
  version: z.number().int().min(1).describe('Grows by one with every value that is set.'),
  updated_at: z.string().describe('When this version was stored, RFC 3339 UTC.'),
});

export function secretOperations(deps: Deps): readonly Operation[] {
  const set = operation({
    name: 'stack_set_secret',
    action: 'secret.set',
    summary: 'Store a new version of a secret, bound to the service that references it and to its hosts.',
    effect: 'write',
    callers: ['person'],
    scope: 'services:read',
    input: z.strictObject({
      name,
      value: z.string().meta({ description: 'The secret. It cannot be read back.', writeOnly: true }),
    }),
    output: stored,
    example: {
      input: { name: 'billing', value: 'EXAMPLE-not-a-real-secret' },
      output: { name: 'billing', service: 'billing', version: 3, updated_at: '2026-11-23T09:30:00.000Z' },
    },
    errors: ['CONFLICT'],
    route: { method: 'PUT', path: '/v1/secrets/:name' },
    toolset: null,
    line: 'operations',
    run: async ({ input }) => {
      const row = seal(deps, input);
      if (!row.ok) return row;
      const { service, version } = row.value;
      // The version before stays, so that an answer that still echoes it is scrubbed; older ones go.
      const changes = [insertSecret(row.value), deleteSecretVersions(input.name, version - 1)];
      const output = {
        name: input.name,
        service,
        version,
        updated_at: new Date(row.value.created_at).toISOString(),
      };
      return ok({ output, changes, entry: { service, detail: { name: input.name, version } } });
    },
  });
  const remove = operation({
    name: 'stack_delete_secret',
    action: 'secret.delete',
    summary: 'Destroy a stored secret in all its versions.',
    effect: 'destroy',
    callers: ['person'],
    scope: 'services:read',
    input: z.strictObject({ name }),
    output: z.strictObject({
      name: z.string().describe('Name of the secret that is gone.'),
      deleted: z.boolean().describe('Always true; a refusal is an error.'),
    }),
    example: { input: { name: 'billing' }, output: { name: 'billing', deleted: true } },
    errors: ['NOT_FOUND'],
    route: { method: 'DELETE', path: '/v1/secrets/:name' },
    toolset: null,
    line: 'operations',
    run: async ({ input }) => {
      const versions = deps.credentials.rows().filter((row) => row.name === input.name).length;
      if (versions === 0) return refuse(new Fault('NOT_FOUND', { detail: `no secret ${input.name}` }));
      const changes = [deleteSecret(input.name, versions)];
      return ok({
        output: { name: input.name, deleted: true },
        changes,
        entry: { detail: { name: input.name } },
      });
    },
  });
  return [set, remove, listing(deps)];
}

function listing({ credentials }: Deps): Operation {
  return operation({
    name: 'stack_list_secrets',
    action: 'secret.list',
    summary: 'List the stored secrets: names, services, versions and where they may go. Never a value.',
    effect: 'read',
    callers: ['person'],
    scope: 'services:read',
    input: z.strictObject({
      limit: z.number().int().min(1).max(LIST_PAGE_MAX).default(LIST_PAGE).describe('Secrets per page.'),
      cursor: z.string().max(SERVICE_NAME_CHARS_MAX).optional().describe('next_cursor of the page before.'),
    }),
    output: z.strictObject({
      secrets: z
        .array(stored.extend({ hosts: z.array(z.string()).describe('Hosts it is bound to.') }))
        .describe('In the order of their names.'),
      next_cursor: z.string().nullable().describe('cursor of the next page; null where this is the last.'),
    }),
    example: {
      input: { limit: 50 },
      output: {
        secrets: [
          {
            name: 'billing',
            service: 'billing',
            version: 3,
            updated_at: '2026-11-23T09:30:00.000Z',
            hosts: ['billing.internal'],
          },
        ],
        next_cursor: null,
      },
    },
    errors: [],
    route: { method: 'GET', path: '/v1/secrets' },
    toolset: null,
    line: 'operations',
    run: async ({ input }) => {
      const latest = [...Map.groupBy(credentials.rows(), (row) => row.name).values()].flatMap((rows) =>
        rows.slice(0, 1),
      );
      const after = latest.filter((row) => row.name > (input.cursor ?? ''));
      const page = after.slice(0, input.limit);
      const next_cursor = after.length > page.length ? (page.at(-1)?.name ?? null) : null;
      return ok({ output: { secrets: page.map(showStored), next_cursor }, changes: [] });
    },
  });
}

/** What may be told of a secret; the leash is kept as text. */
const showStored = ({ name: secret, service, version, created_at, binding }: SecretRow) => ({
  name: secret,
  service,
  version,
  updated_at: new Date(created_at).toISOString(),
  hosts: hostsOf(binding),
});

function seal(deps: Deps, input: { readonly name: string; readonly value: string }): Result<SecretRow> {
  const problem = secretProblem(input.value);
  if (problem !== undefined) {
    return refuse(
      new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: 'value', message: problem }] } }),
    );
  }
  const users = [...deps.services()].filter(
    ({ secret }) => secret?.kind === 'vault' && secret.name === input.name,
  );
  const [service] = users;
  if (service === undefined || users.length > 1) {
    const next = 'Let exactly one service of the config reference it as {vault: NAME}, and set it again.';
    return refuse(
      new Fault('CONFLICT', { detail: `${users.length} services reference secret ${input.name}`, next }),
    );
  }
  const latest = deps.credentials.rows().find((row) => row.name === input.name);
  const row: SecretRow = {
    id: deps.host.id('sec'),
    name: input.name,
    version: (latest?.version ?? 0) + 1,
    service: service.name,
    binding: destinationOf(service),
    ring_key: '',
    data_key: new Uint8Array(),
    value: new Uint8Array(),
    created_at: deps.host.nowMs(),
  };
  return ok({ ...row, ...deps.keyring.wrap(utf8(input.value), rowBinding(row)) });
}
