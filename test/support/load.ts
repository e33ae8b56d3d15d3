// Eight clients that make calls and issue and revoke passports, and remember what the appliance acknowledged; and an
// upstream that remembers what reached it. The kill test compares both with the audit log.
import { createServer, type Server } from 'node:http';
import type { Appliance } from './appliance.ts';
import { ask } from './requests.ts';

export type Journal = {
  /** Path of every request that reached the upstream, in order; each call has a path of its own. */
  readonly received: string[];
  /** Requests that came without the right credential. */
  readonly bare: string[];
  /** Paths of calls the appliance answered with the upstream's 200. */
  readonly acknowledgedCalls: string[];
  readonly acknowledgedPassports: string[];
  readonly acknowledgedRevocations: { readonly jti: string; readonly token: string }[];
  /** Answers that are neither a success nor the broken connection of a killed process. */
  readonly surprises: string[];
};

/** The upstream never answers a request for this path. */
export const HELD_PATH = '/calls/held';

export function emptyJournal(): Journal {
  return {
    received: [],
    bare: [],
    acknowledgedCalls: [],
    acknowledgedPassports: [],
    acknowledgedRevocations: [],
    surprises: [],
  };
}

/** Mulberry32: small, seeded, good enough to choose moments. Answers a number in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export async function startUpstream(port: number, at: { journal: Journal; secret: string }): Promise<Server> {
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    at.journal.received.push(path);
    if (request.headers.authorization !== `Bearer ${at.secret}`) at.journal.bare.push(path);
    request.resume();
    if (path === HELD_PATH) return;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end('{"done":true}');
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  return server;
}

type Client = {
  readonly appliance: Appliance;
  readonly journal: Journal;
  readonly random: () => number;
  readonly name: string;
  readonly going: () => boolean;
};

async function makeCall(client: Client, count: number): Promise<void> {
  const path = `/calls/${client.name}-${count}`;
  const { status, text, body } = await ask(client.appliance, '/v1/proxy', {
    headers: { 'x-stack-agent': 'worker' },
    body: { service: 'ledger', method: 'POST', path, body: { count } },
  });
  if (status === 200 && body['status'] === 200) client.journal.acknowledgedCalls.push(path);
  else client.journal.surprises.push(`${status} ${text}`);
}

async function issueAndRevoke(client: Client): Promise<void> {
  const issued = await ask(client.appliance, '/v1/passports/issue', {
    body: { agent: 'worker', intent: { summary: 'work under load', services: ['ledger'] } },
  });
  if (issued.status !== 201) {
    client.journal.surprises.push(`${issued.status} ${issued.text}`);
    return;
  }
  const jti = String(issued.body['jti']);
  client.journal.acknowledgedPassports.push(jti);
  const revoked = await ask(client.appliance, `/v1/passports/${jti}/revoke`, { body: {} });
  const token = String(issued.body['token']);
  if (revoked.status === 200) client.journal.acknowledgedRevocations.push({ jti, token });
  else client.journal.surprises.push(`${revoked.status} ${revoked.text}`);
}

const CALL_SHARE = 0.7;

async function work(client: Client): Promise<void> {
  for (let count = 0; client.going(); count += 1) {
    try {
      if (client.random() < CALL_SHARE) await makeCall(client, count);
      else await issueAndRevoke(client);
    } catch (error) {
      // The process was killed under this request: nothing was acknowledged, and the loop ends.
      if (client.going()) client.journal.surprises.push(`while running: ${String(error)}`);
    }
  }
}

/** Starts the clients. `stopping` is called just before the kill; `halt` answers when all of them have given up. */
export function startLoad(
  appliance: Appliance,
  at: { journal: Journal; random: () => number; round: number; clients: number },
): { halt: () => Promise<void>; stopping: () => void } {
  let running = true;
  const loops = Array.from({ length: at.clients }, (_, index) =>
    work({
      appliance,
      journal: at.journal,
      random: at.random,
      name: `${at.round}-${index}`,
      going: () => running,
    }),
  );
  return {
    stopping: () => {
      running = false;
    },
    halt: async () => {
      await Promise.all(loops);
    },
  };
}
