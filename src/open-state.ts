// Opens the state that outlives the process: the root key, then the storage it belongs to. A wrong key changes nothing.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { keyringSoFar } from '#features/vault/store.ts';
import { Fault } from '#kernel/errors.ts';
import type { Sensitive } from '#kernel/sensitive.ts';
import { openStorage, type Storage, type StorageWatch } from '#pipeline/storage.ts';
import type { Assets } from '#platform/host/assets.ts';
import type { Host } from '#platform/host/host.ts';
import { createKeyFile, keyFileExists, ROOT_KEY_BYTES, readKeyFile } from '#platform/host/key-file.ts';
import { troubleOf } from '#platform/storage/trouble.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { Halt } from '#surfaces/cli/halt.ts';
import type { Config } from './config.ts';

type Around = { readonly host: Host; readonly assets: Assets };

export function haltOf(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof Halt) return thrown;
  const trouble = thrown instanceof Fault ? thrown.detail : troubleOf(thrown)?.text;
  const sentence =
    trouble === undefined
      ? thrown.message
      : `${trouble}. Nothing is served; see to it and start again, \`stack doctor\` looks at the files`;
  return new Halt(sentence, EXIT.refused);
}

export function rootKey({ keyFile, dataDir }: Config, { host }: Pick<Around, 'host'>): Sensitive<Uint8Array> {
  try {
    if (!keyFileExists(keyFile)) {
      if (existsSync(join(dataDir, 'stack.db'))) {
        throw new Error(`key file ${keyFile} is missing, but ${dataDir} holds a vault it opens; put it back`);
      }
      createKeyFile(keyFile, host.randomBytes(ROOT_KEY_BYTES));
    }
    return readKeyFile(keyFile);
  } catch (thrown) {
    throw new Halt(thrown instanceof Error ? thrown.message : String(thrown), EXIT.usage);
  }
}

type Holding = {
  /** Throws where the root key does not open the keyring; a state it cannot open stays as it is. */
  readonly tryKey: (rows: Awaited<ReturnType<typeof keyringSoFar>>) => void;
  readonly watch: StorageWatch;
};

export async function hold(
  { dataDir }: Config,
  { assets, host }: Around,
  { tryKey, watch }: Holding,
): Promise<Storage> {
  let storage: Storage | undefined;
  try {
    storage = await openStorage(dataDir, {
      addonPath: assets.addonPath,
      program: assets.program,
      host,
      inspect: async (reader) => tryKey(await keyringSoFar(reader)),
      watch,
    });
  } catch (thrown) {
    throw haltOf(thrown);
  }
  if (storage === undefined) throw new Halt(`another instance holds ${dataDir}`, EXIT.unreachable);
  return storage;
}
