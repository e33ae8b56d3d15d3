// What it costs to verify a passport: cold, when its token was never seen, and warm, as at every further call. In this process,
// over a real file, with passports at the end of a chain of one, as most are, and of five, as the deepest are.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Agent } from '#features/agents/model.ts';
import { newPassport, tokenOf } from '#features/passports/mint.ts';
import { insertPassport, type PassportRow } from '#features/passports/store.ts';
import { createPassportVerifier } from '#features/passports/verify.ts';
import { DELEGATION_HOPS_MAX } from '#kernel/limits.ts';
import { createDraft } from '#pipeline/record.ts';
import { openStorage, type Storage } from '#pipeline/storage.ts';
import { newPrivateKeyDer, signingKeyOf } from '#platform/crypto/signing.ts';
import { locateAssets } from '#platform/host/assets.ts';
import { systemHost } from '#platform/host/host.ts';

/** µs of one verification, one for each repeat. */
export type Verification = {
  readonly coldUs: readonly number[];
  readonly warmUs: readonly number[];
  readonly deepWarmUs: readonly number[];
};

const PASSPORTS = 500;
const ROUNDS = 100;
const US_PER_MS = 1_000;
const ISSUER = 'http://localhost:7822';

const AGENT: Agent = {
  id: `agt_${'0'.repeat(32)}`,
  name: 'bench',
  description: '',
  mode: 'enforced',
  onWarning: 'notify',
  onCritical: 'notify',
  status: 'active',
  source: 'api',
  grants: [{ service: 'shop', scopes: ['shop:orders:*', 'shop:invoices:read'] }],
  createdAtMs: 0,
};

type Minted = { readonly row: PassportRow; readonly token: string };

export async function verification(folder: string, repeats: number): Promise<Verification> {
  const path = join(folder, `verification-${process.pid}`);
  mkdirSync(path, { recursive: true });
  const { addonPath, program } = locateAssets();
  const storage = await openStorage(path, { addonPath, program, host, inspect: async () => {} });
  if (storage === undefined) throw new Error('the folder of the bench is in use');
  try {
    const { tokens, deepest } = await plant(storage);
    const times = Array.from({ length: repeats }, () => measured(storage, { tokens, deepest }));
    return {
      coldUs: times.map(({ coldUs }) => coldUs),
      warmUs: times.map(({ warmUs }) => warmUs),
      deepWarmUs: times.map(({ deepWarmUs }) => deepWarmUs),
    };
  } finally {
    await storage.close();
  }
}

const host = { ...systemHost(), statusIndex: () => 0 };
const key = signingKeyOf(newPrivateKeyDer());
type Planted = { readonly tokens: readonly string[]; readonly deepest: readonly string[] };

/** Passports that descend from none, and the last of the longest chain. */
async function plant({ committer }: Storage): Promise<Planted> {
  const flat = Array.from({ length: PASSPORTS }, () => mint([]));
  const chain = [mint([])];
  while (chain.length <= DELEGATION_HOPS_MAX) chain.push(mint(chain.map(({ row }) => row)));
  const statements = [...flat, ...chain].map(({ row }) => insertPassport(row));
  const entry = createDraft(host)({ action: 'passport.issue', outcome: 'success' });
  const committed = await committer.commit({ statements, entries: [entry] });
  if (!committed.ok) throw committed.fault;
  return { tokens: flat.map(({ token }) => token), deepest: [chain.at(-1)?.token ?? ''] };
}

function mint(above: readonly PassportRow[]): Minted {
  const plan = { agent: AGENT, mode: AGENT.mode, services: [SERVICE], intent: undefined, mintedBy: 'key_1' };
  const life = { ttlSeconds: 3_600, checkpointInterval: null, standing: false, sessionId: undefined };
  const made = newPassport({ ...plan, ...life }, host);
  const row = { ...made, parent_jti: above.at(-1)?.jti ?? null, depth: above.length };
  const token = tokenOf(row, { key, issuer: ISSUER, chain: above.map(({ jti }) => jti) });
  if (!token.ok) throw token.fault;
  return { row, token: token.value };
}

function measured({ reader }: Storage, { tokens, deepest }: Planted) {
  const keys = { verifying: () => [key] };
  const findAgent = () => AGENT;
  const deps = { reader, keys, issuer: () => ISSUER, findAgent, keyEnded: () => false, host };
  const { verify } = createPassportVerifier(deps);
  const coldUs = timed(tokens, 1, verify);
  const warmUs = timed(tokens, ROUNDS, verify);
  timed(deepest, 1, verify);
  return { coldUs, warmUs, deepWarmUs: timed(deepest, PASSPORTS * ROUNDS, verify) };
}

const SERVICE = { service: 'shop', scopes: ['shop:orders:create', 'shop:invoices:read'], constraints: [] };

type Verify = ReturnType<typeof createPassportVerifier>['verify'];

function timed(tokens: readonly string[], rounds: number, verify: Verify): number {
  const beganMs = performance.now();
  for (let round = 0; round < rounds; round += 1)
    for (const token of tokens) if (!verify(token).ok) throw new Error('a passport of the bench is not live');
  return ((performance.now() - beganMs) * US_PER_MS) / (tokens.length * rounds);
}
