// Who is compared with ours: ids of the systems that one program answers for, how it is started, and what it lacks here.
import { GATEWAYS, startEmptyTool, startGateway, startUndiciMcp } from './mcp-systems.ts';
import { mitmproxyLacks, startMitmproxy } from './mitmproxy.ts';
import { hasProgram } from './spawned.ts';
import type { Stage } from './stage.ts';
import { type System, startNginxProxy, startUndici } from './systems.ts';

export type Neighbour = {
  readonly ids: readonly string[];
  readonly open: () => Promise<System[]>;
  /** Why it cannot run here, and how to get it. */
  readonly lacks?: string | undefined;
};

export function neighbours({ upstream, mcp, folder }: Stage): Neighbour[] {
  const nginx = hasProgram('nginx') ? undefined : 'no nginx: apt-get install nginx-light';
  const npm = hasProgram('npm') ? undefined : 'no npm, which brings it';
  return [
    { ids: ['undici'], open: () => startUndici(upstream.port) },
    { ids: ['nginx'], open: () => startNginxProxy(upstream.port, folder), lacks: nginx },
    { ids: ['mitmproxy'], open: () => startMitmproxy(upstream.port, folder), lacks: mitmproxyLacks() },
    { ids: ['empty', 'empty-2025'], open: startEmptyTool },
    { ids: ['undici-mcp'], open: () => startUndiciMcp(mcp.port) },
    ...GATEWAYS.map((gateway) => ({ ids: [gateway.id], open: () => startGateway(gateway), lacks: npm })),
  ];
}
