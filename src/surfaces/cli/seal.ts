// `stack seal`: the running appliance says what to seal to, over its socket; a stopped one's state is read. No key opens here.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Service } from '#features/services/model.ts';
import { newestRing } from '#features/vault/keyring.ts';
import type { SealKey } from '#features/vault/model.ts';
import { sealForConfig } from '#features/vault/seal.ts';
import { keyringSoFar } from '#features/vault/store.ts';
import { peekStorage } from '#pipeline/storage.ts';
import { createEnvelope } from '#platform/crypto/envelope.ts';
import { loadSodium } from '#platform/crypto/sodium.ts';
import type { Host } from '#platform/host/host.ts';
import { callSocket } from '#platform/net/local-socket.ts';
import { EXIT } from './exit.ts';
import { Halt } from './halt.ts';

type Around = {
  readonly services: ReadonlyMap<string, Service>;
  readonly dataDir: string;
  readonly socketPath: string;
  readonly addonPath: string;
  readonly host: Pick<Host, 'randomBytes'>;
};
type Wish = { readonly service: string; readonly hosts: readonly string[]; readonly value: string };

/** Answers the sealed text. Throws Halt with a sentence and an exit code. */
export async function sealText(around: Around, wish: Wish): Promise<string> {
  const service = around.services.get(wish.service);
  if (service === undefined) {
    const known = [...around.services.keys()].join(', ') || 'none';
    throw new Halt(`no service ${wish.service} in the config; there are: ${known}`, EXIT.usage);
  }
  const to = (await keyOfRunning(around)) ?? (await keyOfStopped(around));
  const envelope = createEnvelope(await loadSodium(), around.host.randomBytes);
  const value = wish.value.replace(/\r?\n$/, '');
  const sealed = sealForConfig({ envelope, host: around.host, to }, { service, hosts: wish.hosts, value });
  if (!sealed.ok) throw new Halt(sealed.fault.detail ?? sealed.fault.message, EXIT.usage);
  return sealed.value;
}

async function keyOfRunning({ socketPath }: Around): Promise<SealKey | undefined> {
  const answer = await callSocket(socketPath, { method: 'GET', route: '/v1/vault' });
  if (answer === undefined) return undefined;
  const { seal_key: key } = answer.body as { seal_key?: { id: string; public_key: string } };
  if (key === undefined) throw new Halt('the running appliance did not say what to seal to', EXIT.refused);
  return { id: key.id, publicKey: Buffer.from(key.public_key, 'base64') };
}

async function keyOfStopped({ dataDir, addonPath }: Around): Promise<SealKey> {
  const none = new Halt(`${dataDir} holds no vault yet; run stack init first`, EXIT.refused);
  if (!existsSync(join(dataDir, 'stack.db'))) throw none;
  let found: SealKey | undefined;
  const peeked = await peekStorage(dataDir, {
    addonPath,
    inspect: async (reader) => {
      const row = newestRing(await keyringSoFar(reader));
      if (row !== undefined) found = { id: row.id, publicKey: new Uint8Array(row.public_key) };
    },
  });
  if (peeked === undefined)
    throw new Halt(`an instance that does not answer on its socket holds ${dataDir}`, EXIT.unreachable);
  if (found === undefined) throw none;
  return found;
}
