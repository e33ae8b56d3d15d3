// What an agent may reach: the services of the live config, narrowed to what the caller's agent is granted.
import { z } from 'zod';
import { assert } from '#kernel/assert.ts';
import { type Caller, type Operation, operation } from '#kernel/operation.ts';
import { ok } from '#kernel/result.ts';
import type { Catalogue } from './catalogue.ts';
import type { Service } from './model.ts';

const serviceShape = z.strictObject({
  name: z.string().describe('Name of the service, as calls and grants give it.'),
  title: z.string().describe('Name for people.'),
  base_url: z.string().describe('Every call goes below this URL.'),
  connected: z.boolean().describe('A usable credential is there.'),
  reason: z.string().optional().describe('Why it is not connected.'),
  scopes: z.array(z.string()).describe('Actions or scopes the caller may ask for.'),
  approval: z.array(z.string()).describe('Actions that a person must approve first.'),
});
type ServiceShape = z.infer<typeof serviceShape>;

const SERVICE_EXAMPLE: ServiceShape = {
  name: 'billing',
  title: 'Billing',
  base_url: 'https://billing.internal:8443/v1',
  connected: true,
  scopes: ['billing:invoices:read', 'billing:invoices:create'],
  approval: ['billing:refunds:create'],
};

const entryShape = z.strictObject({
  name: z.string().describe('What to write after `use:`.'),
  title: z.string().describe('Name for people.'),
  base_url: z.string().nullable().describe('Where calls go; null where the service must say it.'),
  needs: z.array(z.string()).describe('What must stand beside `use:`.'),
  credential: z.string().describe('What the secret is.'),
  credential_url: z.string().describe('Where a person gets it.'),
  actions: z.array(z.string()).describe('Actions that the service then has.'),
  approval: z.array(z.string()).describe('Actions under approval unless the service has its own list.'),
});
type EntryShape = z.infer<typeof entryShape>;

const ENTRY_EXAMPLE: EntryShape = {
  name: 'slack',
  title: 'Slack',
  base_url: 'https://slack.com/api',
  needs: ['secret'],
  credential: 'a bot or user token',
  credential_url: 'https://api.slack.com/apps',
  actions: ['slack:chat:write', 'slack:channels:archive'],
  approval: ['slack:channels:archive'],
};

type Deps = {
  readonly catalogue: Catalogue;
  readonly services: () => Iterable<Service>;
  readonly presence: (service: Service) => { readonly connected: boolean; readonly reason?: string };
  readonly baseUrl: (service: Service) => string;
  /** Scopes that the acting agent is granted by service; undefined where no agent is named. */
  readonly grantsOf: (caller: Caller) => Promise<ReadonlyMap<string, readonly string[]> | undefined>;
};

export function serviceOperations(deps: Deps): readonly Operation[] {
  return [listing(deps), listingConnected(deps), listCatalogue(deps)];
}

const services = z
  .array(serviceShape)
  .describe('Services of the config; those of the agent where one is named.');

/** What the lists of services share. */
const LISTING = {
  effect: 'read',
  callers: ['key', 'passport', 'agent_key', 'person'],
  scope: 'services:read',
  input: z.strictObject({}),
  output: z.strictObject({ services }),
  example: { input: {}, output: { services: [SERVICE_EXAMPLE] } },
  errors: [],
  line: 'operations',
} as const;

function listing(deps: Deps): Operation {
  return operation({
    ...LISTING,
    name: 'stack_list_services',
    action: 'service.list',
    summary:
      'List the connected services, what may be done there, and which actions a person must approve first.',
    route: { method: 'GET', path: '/v1/services' },
    toolset: 'default',
    run: async ({ caller }) => ok({ output: { services: await heldBy(caller, deps) }, changes: [] }),
  });
}

function listingConnected(deps: Deps): Operation {
  return operation({
    ...LISTING,
    name: 'stack_list_connected',
    action: 'service.connected',
    summary: 'List only the services whose credential is there, so that calls to them can go out.',
    route: { method: 'GET', path: '/v1/services/connected' },
    toolset: 'services',
    run: async ({ caller }) => {
      const held = await heldBy(caller, deps);
      return ok({ output: { services: held.filter(({ connected }) => connected) }, changes: [] });
    },
  });
}

async function heldBy(caller: Caller, deps: Deps): Promise<ServiceShape[]> {
  const grants = await deps.grantsOf(caller);
  const held = [...deps.services()].filter((service) => grants === undefined || grants.has(service.name));
  return held.map((service) => shapeOf(deps, service, grants?.get(service.name)));
}

function listCatalogue({ catalogue }: Deps): Operation {
  return operation({
    name: 'stack_list_catalogue',
    action: 'service.catalogue',
    summary: 'List the services that the config can name by `use`, and what each of them needs.',
    effect: 'read',
    callers: ['key', 'person'],
    scope: 'services:read',
    input: z.strictObject({}),
    output: z.strictObject({ services: z.array(entryShape).describe('Entries of the catalogue.') }),
    example: { input: {}, output: { services: [ENTRY_EXAMPLE] } },
    errors: [],
    route: { method: 'GET', path: '/v1/services/catalogue' },
    toolset: 'services',
    line: 'operations',
    run: async () => {
      const services = catalogue.names().map((name) => entryOf(catalogue, name));
      return ok({ output: { services }, changes: [] });
    },
  });
}

function entryOf(catalogue: Catalogue, name: string): EntryShape {
  const entry = catalogue.find(name);
  assert(entry !== undefined, `the catalogue has its own entry ${name}`);
  const named = (action: string): string => `${name}:${action}`;
  return {
    name,
    title: entry.title,
    base_url: entry.base_url ?? null,
    needs: entry.base_url === undefined ? ['base_url', 'secret'] : ['secret'],
    credential: entry.credential,
    credential_url: entry.credential_url,
    actions: Object.keys(entry.actions).map(named),
    approval: entry.approval.map(named),
  };
}

function shapeOf(deps: Deps, service: Service, granted: readonly string[] | undefined): ServiceShape {
  const { connected, reason } = deps.presence(service);
  return {
    name: service.name,
    title: service.title,
    base_url: deps.baseUrl(service),
    connected,
    ...(reason === undefined ? {} : { reason }),
    scopes: [...(granted ?? service.actions.map((action) => action.name))],
    approval: service.approval.map((rule) => rule.action),
  };
}
