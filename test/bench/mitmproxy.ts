// mitmproxy with an addon that puts the credential in: what many reach for first. It is taken from MITMDUMP or the path.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '#test/support/appliance.ts';
import { hasProgram, onCoreUnderTest, start } from './spawned.ts';
import { type System, targetOf } from './systems.ts';
import { answersAt, CREDENTIAL, CREDENTIAL_HEADER, ITEM_PATH } from './upstream.ts';

const program = process.env['MITMDUMP'] ?? 'mitmdump';

export const mitmproxyLacks = (): string | undefined =>
  hasProgram(program)
    ? undefined
    : 'no mitmdump: pip install mitmproxy in a venv, then MITMDUMP=venv/bin/mitmdump';

const ADDON = `def request(flow):
    flow.request.headers["${CREDENTIAL_HEADER}"] = "${CREDENTIAL}"
`;

export async function startMitmproxy(upstreamPort: number, folder: string): Promise<System[]> {
  const port = await freePort();
  const addon = join(folder, 'addon.py');
  writeFileSync(addon, ADDON);
  const reverse = `reverse:http://127.0.0.1:${upstreamPort}`;
  const listen = ['--listen-host', '127.0.0.1', '--listen-port', String(port)];
  const options = ['--set', `confdir=${folder}`, '--quiet', '--set', 'keep_host_header=false'];
  const words = onCoreUnderTest([program, '--mode', reverse, ...listen, ...options, '--scripts', addon]);
  const { pid } = await start({ words, isReady: answersAt(port) });
  const target = targetOf(port, { path: ITEM_PATH });
  const system = {
    id: 'mitmproxy',
    title: 'mitmproxy, injecting addon',
    target: async () => target,
    pid: () => pid,
  };
  return [system];
}
