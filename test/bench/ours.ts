// The appliance as it is shipped, with everything on: audit with FULL sync, scrub, a passport of its own, a service with
// approvals and constraints. Started like an operator does, used only by what stands in the contract.
import { type Appliance, startAppliance } from '#test/support/appliance.ts';
import { ask } from '#test/support/requests.ts';
import { onCoreUnderTest } from './spawned.ts';
import { CREDENTIAL, CREDENTIAL_HEADER } from './upstream.ts';

/** The longest there is; the bench asks for a new one before it ends. */
const PASSPORT_TTL_S = 3600;
const PASSPORT_RENEW_AFTER_MS = 1_800_000;

export type Ours = {
  readonly appliance: Appliance;
  /** A live passport; each one that had to be issued is an entry of the log. */
  readonly passport: () => Promise<string>;
  readonly entries: () => Promise<Chain>;
  readonly passportsIssued: () => number;
};
export type Chain = { readonly valid: boolean; readonly entries: number };
export type OursSetup = {
  /** Where its data is: the disk that commits go to. */
  readonly folder: string;
  /** Words that start it, such as `dist/stack`. */
  readonly program: readonly string[];
  readonly upstreamPort: number;
  /** Of the upstream that is slow and streams. */
  readonly nodePort: number;
  readonly env?: Readonly<Record<string, string>>;
};

const serviceAt = (name: string, port: number): string => `
  ${name}:
    base_url: http://127.0.0.1:${port}/v1
    network: loopback
    inject: { header: ${CREDENTIAL_HEADER}, value: "{secret}" }
    secret: { env: BENCH_CREDENTIAL }
    actions:
      ${name}:items:read: [ "GET /**" ]
      ${name}:items:create: [ { call: "POST /items", where: [ { path: body.total, op: lte, value: 100 } ] } ]
      ${name}:items:delete: [ "DELETE /items/*" ]
    approval: [ ${name}:items:delete ]`;

export async function startOurs(setup: OursSetup): Promise<Ours> {
  const appliance = await startAppliance({
    below: setup.folder,
    program: onCoreUnderTest(setup.program),
    services: serviceAt('shop', setup.upstreamPort) + serviceAt('slow', setup.nodePort),
    agents: '  clerk:\n    services: { shop: [ "shop:*" ], slow: [ "slow:*" ] }',
    env: { BENCH_CREDENTIAL: CREDENTIAL, ...setup.env },
  });
  let token = '';
  let issuedAt = Number.NEGATIVE_INFINITY;
  let issued = 0;
  const passport = async (): Promise<string> => {
    if (performance.now() - issuedAt < PASSPORT_RENEW_AFTER_MS) return token;
    const intent = { summary: 'show what a call costs', services: ['shop', 'slow'] };
    const answer = await ask(appliance, '/v1/passports/issue', {
      body: { agent: 'clerk', intent, ttl_seconds: PASSPORT_TTL_S },
    });
    if (answer.status !== 201) throw new Error(`no passport: ${answer.status} ${answer.text}`);
    token = String(answer.body['token']);
    issuedAt = performance.now();
    issued += 1;
    return token;
  };
  const entries = async (): Promise<Chain> => {
    const { status, body, text } = await ask(appliance, '/v1/audit/verify-chain');
    if (status !== 200) throw new Error(`the log could not be verified: ${status} ${text}`);
    return { valid: body['valid'] === true, entries: Number(body['entries']) };
  };
  return { appliance, passport, entries, passportsIssued: () => issued };
}
