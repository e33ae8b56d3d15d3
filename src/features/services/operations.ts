// What an agent may reach: the services of the live config, narrowed to what the caller's agent is granted.
import { z } from 'zod';
import { type Caller, type Operation, operation } from '#kernel/operation.ts';
import { ok } from '#kernel/result.ts';
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

type Deps = {
  readonly services: () => Iterable<Service>;
  readonly presence: (service: Service) => { readonly connected: boolean; readonly reason?: string };
  readonly baseUrl: (service: Service) => string;
  /** Scopes that the acting agent is granted by service; undefined where no agent is named. */
  readonly grantsOf: (caller: Caller) => Promise<ReadonlyMap<string, readonly string[]> | undefined>;
};

export function serviceOperations(deps: Deps): readonly Operation[] {
  const list = operation({
    name: 'stack_list_services',
    action: 'service.list',
    summary:
      'List the connected services, what may be done there, and which actions a person must approve first.',
    effect: 'read',
    callers: ['key', 'passport', 'person'],
    scope: 'services:read',
    input: z.strictObject({}),
    output: z.strictObject({
      services: z
        .array(serviceShape)
        .describe('Services of the config; those of the agent where one is named.'),
    }),
    example: { input: {}, output: { services: [SERVICE_EXAMPLE] } },
    errors: [],
    route: { method: 'GET', path: '/v1/services' },
    toolset: 'default',
    line: 'operations',
    run: async ({ caller }) => {
      const grants = await deps.grantsOf(caller);
      const held = [...deps.services()].filter((service) => grants === undefined || grants.has(service.name));
      const services = held.map((service) => shapeOf(deps, service, grants?.get(service.name)));
      return ok({ output: { services }, changes: [] });
    },
  });
  return [list];
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
