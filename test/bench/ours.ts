// The appliance as it is shipped, with everything on: audit with FULL sync, scrub, a passport of its own, a service with
// approvals and constraints. Started like an operator does, used only by what stands in the contract.
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { ask } from '#test/support/requests.ts';
import type { LogCheck } from './results.ts';
import { onCoreUnderTest } from './spawned.ts';
import { CREDENTIAL, CREDENTIAL_HEADER } from './upstream.ts';

/** Intent and outcome. */
const ENTRIES_PER_CALL = 2;
/** An outcome does not hold up its answer, so the last ones may still be on their way. */
const LOG_TRIES = 20;
const LOG_RETRY_MS = 250;
/** The longest there is; the bench asks for a new one before it ends. */
const PASSPORT_TTL_S = 3600;
const PASSPORT_RENEW_AFTER_MS = 1_800_000;

export type Ours = {
  readonly appliance: Appliance;
  /** A live passport; each one that had to be issued is an entry of the log. */
  readonly passport: () => Promise<string>;
  /** Stops it and starts it again, which is an entry, too; answers how long it took until ready. */
  readonly restart: () => Promise<number>;
  /** Notes that so many calls were made and answered. */
  readonly made: (calls: number) => void;
  /** Holds the log against all that was made. */
  readonly checkLog: () => Promise<LogCheck>;
};
type Chain = { readonly valid: boolean; readonly entries: number };
export type OursSetup = {
  /** Where its data is: the disk that commits go to. */
  readonly folder: string;
  /** Words that start it, such as `dist/stack`. */
  readonly program: readonly string[];
  readonly upstreamPort: number;
  /** Of the upstream that is slow and streams. */
  readonly nodePort: number;
  /** Of the MCP server. */
  readonly mcpPort: number;
  readonly env?: Readonly<Record<string, string>>;
};

const SERVICES = ['shop', 'slow', 'tools'] as const;

const serviceAt = (name: string, place: string): string => `
  ${name}:
    base_url: http://127.0.0.1:${place}
    network: loopback
    inject: { header: ${CREDENTIAL_HEADER}, value: "{secret}" }
    secret: { env: BENCH_CREDENTIAL }
    actions:
      ${name}:items:read: [ "GET /**" ]
      ${name}:tools:call: [ "POST /mcp" ]
      ${name}:items:create: [ { call: "POST /items", where: [ { path: body.total, op: lte, value: 100 } ] } ]
      ${name}:items:delete: [ "DELETE /items/*" ]
    approval: [ ${name}:items:delete ]`;

export async function startOurs(setup: OursSetup): Promise<Ours> {
  const appliance = await startAppliance({
    below: setup.folder,
    program: onCoreUnderTest(setup.program),
    services: [
      serviceAt('shop', `${setup.upstreamPort}/v1`),
      serviceAt('slow', `${setup.nodePort}/v1`),
      serviceAt('tools', `${setup.mcpPort}`),
    ].join(''),
    agents: `  clerk:\n    services: { ${SERVICES.map((name) => `${name}: [ "${name}:*" ]`).join(', ')} }`,
    env: { BENCH_CREDENTIAL: CREDENTIAL, ...setup.env },
  });
  let token = '';
  let issuedAt = Number.NEGATIVE_INFINITY;
  let issued = 0;
  const passport = async (): Promise<string> => {
    if (performance.now() - issuedAt < PASSPORT_RENEW_AFTER_MS) return token;
    const intent = { summary: 'show what a call costs', services: SERVICES };
    const answer = await ask(appliance, '/v1/passports/issue', {
      body: { agent: 'clerk', intent, ttl_seconds: PASSPORT_TTL_S },
    });
    if (answer.status !== 201) throw new Error(`no passport: ${answer.status} ${answer.text}`);
    token = String(answer.body['token']);
    issuedAt = performance.now();
    issued += 1;
    return token;
  };
  let calls = 0;
  let restarts = 0;
  const before = (await chainOf(appliance)).entries;
  const checkLog = async (): Promise<LogCheck> => {
    const expected = calls * ENTRIES_PER_CALL + issued + restarts;
    for (let attempt = 1; ; attempt += 1) {
      const { valid, entries } = await chainOf(appliance);
      const check = { valid, calls, entries: entries - before, expected };
      if (check.entries === expected || attempt === LOG_TRIES) return check;
      await new Promise((done) => setTimeout(done, LOG_RETRY_MS));
    }
  };
  const made = (more: number): void => {
    calls += more;
  };
  const restart = async (): Promise<number> => {
    restarts += 1;
    return (await appliance.restart()).readyMs;
  };
  return { appliance, passport, restart, made, checkLog };
}

async function chainOf(appliance: Appliance): Promise<Chain> {
  const { status, body, text } = await ask(appliance, '/v1/audit/verify-chain');
  if (status !== 200) throw new Error(`the log could not be verified: ${status} ${text}`);
  return { valid: body['valid'] === true, entries: Number(body['entries']) };
}
