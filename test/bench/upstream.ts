// The service behind all systems: 1 kB of JSON for a request that carries the credential, 401 for one that does not. nginx
// where there is one, since it costs the generator's core least; the programs in `upstream-node.ts` for what nginx cannot do.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '#test/support/appliance.ts';
import { beside, hasProgram, type Spawned, start } from './spawned.ts';

export const CREDENTIAL_HEADER = 'x-bench-key';
export const CREDENTIAL = 'bench-credential-9c41e07ab35d2f68';
export const ITEM_PATH = '/v1/item';
/** Stands at the end of every right answer. */
export const MARK = 'the-end-of-the-item';
const BODY_BYTES = 1024;
/** The program of the MCP server, which gateways start by themselves. */
export const MCP_UPSTREAM = join(import.meta.dirname, 'mcp-upstream.ts');

/** About 1 kB, without anything that nginx would read as a variable or a quote. */
export const ITEM = itemOf(BODY_BYTES);

function itemOf(bytes: number): string {
  const item = (lines: readonly string[]): string =>
    JSON.stringify({ id: 'in_7', currency: 'eur', lines, mark: MARK });
  const lines: string[] = [];
  while (item([...lines, 'line 00: one more hour of work']).length <= bytes)
    lines.push(`line ${String(lines.length).padStart(2, '0')}: one more hour of work`);
  return item(lines);
}

export type Upstream = Spawned & { readonly name: string; readonly port: number };

/** What both our nginx configurations begin with. One worker: one core is all that either gets. */
export const nginxConfig = (folder: string, http: string): string => `
daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log warn;
events { worker_connections 2048; }
http {
  access_log off; tcp_nodelay on; keepalive_timeout 1h; keepalive_requests 1000000000;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  ${http}
}
`;

export const nginxWords = (file: string): string[] => ['nginx', '-e', 'stderr', '-c', file];

export const answersAt = (port: number) => async (): Promise<boolean> => {
  const response = await fetch(`http://127.0.0.1:${port}${ITEM_PATH}`);
  await response.text();
  return true;
};

async function startNginx(folder: string): Promise<Upstream> {
  const port = await freePort();
  const file = join(folder, 'upstream.conf');
  const server = `server {
    listen 127.0.0.1:${port};
    default_type application/json;
    location = ${ITEM_PATH} {
      if ($http_${CREDENTIAL_HEADER.replaceAll('-', '_')} != '${CREDENTIAL}') { return 401; }
      return 200 '${ITEM}';
    }
  }`;
  writeFileSync(file, nginxConfig(folder, server));
  const spawned = await start({ words: beside(nginxWords(file)), isReady: answersAt(port) });
  return { ...spawned, name: 'nginx', port };
}

export async function startNodeUpstream(): Promise<Upstream> {
  const port = await freePort();
  const program = join(import.meta.dirname, 'upstream-node.ts');
  const words = beside([process.execPath, program, String(port)]);
  return { ...(await start({ words })), name: 'node', port };
}

export async function startMcpUpstream(): Promise<Upstream> {
  const port = await freePort();
  const words = beside([process.execPath, MCP_UPSTREAM, 'http', String(port)]);
  return { ...(await start({ words })), name: 'mcp', port };
}

export const startUpstream = (folder: string): Promise<Upstream> =>
  hasProgram('nginx') ? startNginx(folder) : startNodeUpstream();

/** Proof that a system which got 200 has put the credential in. */
export async function assertDemandsCredential(port: number): Promise<void> {
  const url = `http://127.0.0.1:${port}${ITEM_PATH}`;
  const without = await fetch(url);
  await without.text();
  const withIt = await fetch(url, { headers: { [CREDENTIAL_HEADER]: CREDENTIAL } });
  if (without.status !== 401 || withIt.status !== 200 || (await withIt.text()) !== ITEM)
    throw new Error(
      `the upstream answered ${without.status} without the credential, ${withIt.status} with it`,
    );
}
