// Where a run happens: the appliance and its upstream as processes of their own, and every agent with a passport and an open
// connection. All of it goes away with the stack it was given.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { rssBytesOf, treeOf } from '#test/bench/process-cost.ts';
import { start, stopAll } from '#test/bench/spawned.ts';
import { type Appliance, freePort, startAppliance } from '#test/support/appliance.ts';
import { type Answer, ask, askLocally, type Json } from '#test/support/requests.ts';
import { type AgentClient, agentClient, type Connections, countConnections, type Passport } from './agent.ts';
import { FORMS, type Settings } from './settings.ts';
import {
  AGENTS_YAML,
  credentialOf,
  RECEIVED_PATH,
  SERVICES,
  serviceName,
  serviceNames,
  servicesYaml,
} from './shop.ts';

export type Wanted = {
  readonly settings: Settings;
  /** Words that start the appliance, such as `dist/stack`. */
  readonly program: readonly string[];
  /** Where its data is: the disk that commits go to. */
  readonly below: string;
};
export type Stage = {
  readonly appliance: Appliance;
  readonly firstConfig: string;
  readonly agents: readonly AgentClient[];
  readonly connections: Connections;
  /** Before anybody came. */
  readonly idleMb: number;
  readonly upstreamMemory: () => Promise<{ readonly received: readonly string[]; readonly bare: number }>;
};

const BYTES_PER_MB = 1e6;
const IDLE_AFTER_MS = 2_000;
const PASSPORT_TTL_S = 3_600;
/** The stage is set by so many at once. */
const HANDS = 32;
const TRIES = 20;
const RETRY_MS = 500;

export const rssMbOf = (appliance: Appliance): number => rssBytesOf(treeOf(appliance.pid())) / BYTES_PER_MB;

export async function setStage(wanted: Wanted, stack: AsyncDisposableStack): Promise<Stage> {
  const { settings, program, below } = wanted;
  const upstreamPort = await freePort();
  stack.defer(stopAll);
  const upstream = join(import.meta.dirname, 'upstream.ts');
  await start({ words: [process.execPath, upstream, String(upstreamPort)] });
  const config = { services: servicesYaml(upstreamPort), agents: AGENTS_YAML };
  const appliance = await startAppliance({ ...config, program, below });
  stack.defer(appliance.dispose);
  for (let index = 0; index < SERVICES; index += 1) {
    const sending = { method: 'PUT', body: { value: credentialOf(index) } };
    await insist(() => askLocally(appliance, `/v1/secrets/${serviceName(index)}`, sending));
  }
  await pause(IDLE_AFTER_MS);
  const idleMb = rssMbOf(appliance);
  const connections = countConnections();
  const agents = await manyAtOnce(settings.agents, async (index) => {
    const passport = await passportFor(appliance, index);
    const form = FORMS[index % FORMS.length] ?? 'mcp';
    const service = Math.floor(index / FORMS.length) % SERVICES;
    const identity = { index, port: appliance.port, service, form, passport };
    const agent = agentClient(identity, connections.add);
    stack.defer(agent.close);
    await agent.connect();
    return agent;
  });
  const upstreamMemory = async (): ReturnType<Stage['upstreamMemory']> => {
    const answer = await fetch(`http://127.0.0.1:${upstreamPort}${RECEIVED_PATH}`);
    return (await answer.json()) as Awaited<ReturnType<Stage['upstreamMemory']>>;
  };
  const firstConfig = await readFile(appliance.configFile, 'utf8');
  return { appliance, firstConfig, agents, connections, idleMb, upstreamMemory };
}

/** A disk that is busy with others may not answer in time; then a change is asked for again, and may have been made. */
async function insist(attempt: () => Promise<Answer>): Promise<Json> {
  for (let tries = 1; ; tries += 1) {
    const { status, text, body } = await attempt();
    if (status < 300 || (status === 409 && tries > 1)) return body;
    if (status !== 503 || tries === TRIES) throw new Error(`the stage could not be set: ${status} ${text}`);
    await pause(RETRY_MS);
  }
}

async function passportFor(appliance: Appliance, index: number): Promise<Passport> {
  const agent = `agent-${index}`;
  const description = 'one of many';
  await insist(() => ask(appliance, '/v1/agents/register', { body: { name: agent, description } }));
  const intent = { summary: 'call again and again', services: serviceNames };
  const wish = { agent, intent, ttl_seconds: PASSPORT_TTL_S };
  const { jti, token } = await insist(() => ask(appliance, '/v1/passports/issue', { body: wish }));
  return { jti: String(jti), token: String(token) };
}

async function manyAtOnce<Made>(count: number, make: (index: number) => Promise<Made>): Promise<Made[]> {
  const made: Made[] = [];
  let next = 0;
  const hand = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) made[index] = await make(index);
  };
  await Promise.all(Array.from({ length: HANDS }, hand));
  return made;
}
