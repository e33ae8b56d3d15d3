// What the demo happens on: a throwaway appliance, two services on loopback that demand their credentials, and an agent
// that speaks MCP. It keeps what the agent was given and what each call made a service see.
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import {
  headerOf,
  type LocalUpstream,
  type Seen,
  startSlack,
  startUpstream,
} from '#test/support/local-upstream.ts';
import { rpc } from '#test/support/mcp.ts';
import { askLocally, type Json } from '#test/support/requests.ts';

/** Made up, and known to both ends, so that they can be looked for. */
export const CREDENTIALS = {
  billing: 'billing-key-5f3a9c0d71e846b2',
  slack: 'xoxb-demo-2b71c94f08aa63d5',
} as const;
type Name = keyof typeof CREDENTIALS;
const NAMES: readonly Name[] = ['billing', 'slack'];

export type Call = {
  readonly tool: string;
  readonly sent: Json;
  /** What the agent got, as the tool's structured answer. */
  readonly answer: Json;
  /** What reached a service because of it. */
  readonly reached: readonly { readonly service: Name; readonly seen: Seen }[];
};

export type Stage = {
  readonly appliance: Appliance;
  /** The part of the config that an operator writes. */
  readonly config: string;
  readonly call: (tool: string, sent: Json) => Promise<Call>;
  /** A request of the person at the machine, over the local socket. */
  readonly operate: (path: string, body?: Json) => Promise<Json>;
  /** Every byte that the agent was given so far. */
  readonly received: () => string;
  readonly upstreams: Readonly<Record<Name, LocalUpstream>>;
  readonly dispose: () => Promise<void>;
};

const servicesYaml = (upstreams: Stage['upstreams']) => `
  billing:
    base_url: ${upstreams.billing.url}/v1
    network: loopback
    inject: { header: X-Api-Key, value: "{secret}" }
    secret: { vault: billing }
    actions:
      billing:invoices:read:  [ "GET /invoices/**" ]
      billing:refunds:create: [ "POST /refunds" ]
    approval:
      - { action: billing:refunds:create,
          where: [ { path: body.amount, op: gt, value: 100 } ] }
  slack:
    base_url: ${upstreams.slack.url}/api
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: slack }
    actions: { "slack:chat:write": [ "POST /chat.postMessage" ] }`;

const AGENTS_YAML = `
  "*":
    services: { billing: [ "billing:*" ], slack: [ "slack:chat:write" ] }`;

/** An API with a fault that real ones have, too: it shows the caller the headers it got. */
function startBilling(key: string): Promise<LocalUpstream> {
  const answer = (seen: Seen) => {
    const debug = { 'x-api-key': headerOf(seen, 'x-api-key') };
    if (seen.method === 'GET' && seen.url === '/v1/invoices/in_7')
      return { body: { id: 'in_7', customer: 'Ada', total: 120, debug } };
    if (seen.method === 'POST' && seen.url === '/v1/refunds') return { status: 201, body: { id: 're_1' } };
    return { status: 404, body: { error: 'no such thing' } };
  };
  const denial = { status: 401, body: { error: 'X-Api-Key is missing or wrong' } };
  return startUpstream({ header: 'x-api-key', value: key, answer, denial });
}

export async function setStage(): Promise<Stage> {
  const billing = await startBilling(CREDENTIALS.billing);
  const slack = await startSlack(CREDENTIALS.slack);
  const upstreams = { billing, slack };
  const stopUpstreams = async () => {
    await Promise.all(NAMES.map((name) => upstreams[name].stop()));
  };
  const services = servicesYaml(upstreams);
  const appliance = await startAppliance({ services, agents: AGENTS_YAML }).catch(async (error: unknown) => {
    await stopUpstreams();
    throw error;
  });
  const dispose = async () => {
    await appliance.dispose();
    await stopUpstreams();
  };
  const operate = async (path: string, body?: Json): Promise<Json> =>
    (await askLocally(appliance, path, body === undefined ? {} : { body })).body;
  try {
    for (const name of NAMES) await store(appliance, name);
  } catch (error) {
    await dispose();
    throw error;
  }
  const config = `services:${services}\nagents:${AGENTS_YAML}`;
  return { appliance, config, operate, upstreams, dispose, ...agentOf(appliance, upstreams) };
}

async function store(appliance: Appliance, name: Name): Promise<void> {
  const body = { value: CREDENTIALS[name] };
  const stored = await askLocally(appliance, `/v1/secrets/${name}`, { method: 'PUT', body });
  if (stored.status >= 300) throw new Error(`storing the credential of ${name}: ${stored.text}`);
}

function agentOf(appliance: Appliance, upstreams: Stage['upstreams']): Pick<Stage, 'call' | 'received'> {
  let received = '';
  const call = async (tool: string, sent: Json): Promise<Call> => {
    const before = NAMES.map((service) => ({ service, count: upstreams[service].seen.length }));
    const answered = await rpc(appliance, { method: 'tools/call', params: { name: tool, arguments: sent } });
    received += `${[...answered.headers].join('\n')}\n${answered.text}\n`;
    const answer = answered.result?.['structuredContent'] as Json | undefined;
    if (answer === undefined) throw new Error(`${tool} was answered ${answered.status}: ${answered.text}`);
    const reached = before.flatMap(({ service, count }) =>
      upstreams[service].seen.slice(count).map((seen) => ({ service, seen })),
    );
    return { tool, sent, answer, reached };
  };
  return { call, received: () => received };
}
