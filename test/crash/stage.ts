// One installation, its upstream and its journals: what every kind of crash is tried on. Every secret holds one canary, and
// every version of the config shows its number in several places, so that a torn one would show.
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Installation, init, installation } from '#test/support/appliance.ts';
import { seededRandom } from './chance.ts';
import { type Journal, openJournal } from './journal.ts';

/** In every secret that is ever set; long enough to be found in any disguise and in nothing else. */
export const CANARY = 'crash-canary-5b1e97d0c3a8f264';
/** Both take their secret from the vault, and each has one client that sets it. */
export const SERVICES = ['ledger', 'depot'] as const;
export const AGENT = 'worker';
/** The upstream never answers a call whose path begins so. */
export const HELD = '/calls/held';

export const secretValue = (service: string, number: number): string => `${CANARY}-${service}-${number}`;

export type Stage = Installation & {
  readonly apiKey: string;
  readonly mcpUrl: string;
  readonly journal: Journal;
  readonly random: () => number;
  /** Where what must outlive the installation may be put. */
  readonly beside: string;
  /** The whole text of the config's version. */
  readonly configText: (version: number) => string;
  /** Puts that version in place of the file, at once. */
  readonly writeConfig: (version: number) => Promise<void>;
  readonly dispose: () => Promise<void>;
};

export async function openStage(seed: number, under: string = tmpdir()): Promise<Stage> {
  const beside = await mkdtemp(join(under, 'stack-crash-'));
  const journal = openJournal(join(beside, 'journal.ndjson'));
  const upstream = await startUpstream(journal);
  const { port } = upstream.address() as AddressInfo;
  const at = await installation({ below: beside });
  const configText = (version: number): string => configOf(version, { at, port });
  const writeConfig = async (version: number): Promise<void> => {
    await writeFile(`${at.configFile}.new`, configText(version), { mode: 0o600 });
    await rename(`${at.configFile}.new`, at.configFile);
  };
  journal.begun.set('config', 1);
  for (const service of SERVICES) journal.begun.set(service, 0);
  await writeConfig(1);
  return {
    ...at,
    apiKey: '',
    mcpUrl: `${at.url}/mcp`,
    journal,
    random: seededRandom(seed),
    beside,
    configText,
    writeConfig,
    dispose: async () => {
      upstream.closeAllConnections();
      upstream.close();
      journal.close();
      await rm(beside, { recursive: true, force: true });
    },
  };
}

/** With what `init` makes. */
export async function initStage(seed: number, under?: string): Promise<Stage> {
  const stage = await openStage(seed, under);
  const made = await init(stage);
  return { ...stage, apiKey: String(made['api_key']) };
}

function startUpstream(journal: Journal): Promise<Server> {
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    journal.receive(path, request.headers.authorization?.replace(/^Bearer /, ''));
    request.on('error', () => undefined).resume();
    if (path.startsWith(HELD)) return;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end('{"done":true}');
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

function configOf(version: number, { at, port }: { at: Installation; port: number }): string {
  const service = (name: string): string => `  ${name}:
    title: ${titleOf(name, version)}
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: ${name} }
    actions: { "${name}:calls:create": [ "POST /calls/*" ] }`;
  const grants = SERVICES.map((name) => `${name}: [ "${name}:calls:create" ]`).join(', ');
  return `version: 1
server: { listen: "127.0.0.1:${at.port}", public_url: "${at.url}" }
services:
${SERVICES.map(service).join('\n')}
agents:
  ${AGENT}: { services: { ${grants} } }
  ${crewOf(version)}: { services: {} }
  "*": { services: {} }
`;
}

export const titleOf = (service: string, version: number): string => `${service} at version ${version}`;
/** An agent that only this version of the config has: its row is committed with the reload. */
export const crewOf = (version: number): string => `crew-${version}`;

/** The state of a process that is not running, put aside; `restore` brings it back as it was. */
export async function keepImage(stage: Stage): Promise<{ readonly restore: () => Promise<void> }> {
  const kept = join(stage.beside, 'image');
  await rm(kept, { recursive: true, force: true });
  await mkdir(kept);
  await cp(stage.dataDir, join(kept, 'data'), { recursive: true, filter: isNoSocket });
  return {
    restore: async () => {
      await rm(stage.dataDir, { recursive: true, force: true });
      await cp(join(kept, 'data'), stage.dataDir, { recursive: true });
    },
  };
}

const isNoSocket = (path: string): boolean => !path.endsWith('.sock');
