// The appliance's own start without its threads and listeners, so that thousands of states can be opened in one process: the
// same pieces in the same order as in openStorage and the composition root, the writer's loop on a port that is a function.
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import type { MessagePort, Worker } from 'node:worker_threads';
import type { Config } from '#config.ts';
import { missingAgents } from '#features/agents/directory.ts';
import { createChain } from '#features/audit/chain.ts';
import { chainStore } from '#features/audit/store.ts';
import { createCredentials } from '#features/vault/credentials.ts';
import { openKeyring } from '#features/vault/keyring.ts';
import { openSigningKeys } from '#features/vault/signing-keys.ts';
import { allKeyring, keyringSoFar } from '#features/vault/store.ts';
import type { Statement } from '#kernel/unit.ts';
import { createCommitter } from '#pipeline/commit.ts';
import { MIGRATIONS } from '#pipeline/migrations.ts';
import { createDraft } from '#pipeline/record.ts';
import { recover } from '#pipeline/recover.ts';
import { peekStorage } from '#pipeline/storage.ts';
import { createEnvelope } from '#platform/crypto/envelope.ts';
import { loadSodium } from '#platform/crypto/sodium.ts';
import { locateAssets } from '#platform/host/assets.ts';
import { systemHost } from '#platform/host/host.ts';
import { openDatabase, putAway, selfCheck } from '#platform/storage/database.ts';
import { migrate } from '#platform/storage/migrate.ts';
import { openReader } from '#platform/storage/reader.ts';
import { startWriter } from '#platform/storage/writer.ts';
import { runWriter } from '#platform/storage/writer-loop.ts';
import { rootKey } from '../../src/open-state.ts';
import { SERVICES } from './stage.ts';

/** Starts on what lies there, recovers, stops, and answers the secret of each service as a call would get it. */
export type Start = (config: Config) => Promise<readonly (string | undefined)[]>;

export async function createStart(): Promise<Start> {
  const { addonPath } = locateAssets();
  const host = systemHost();
  const envelope = createEnvelope(await loadSodium(), host.randomBytes);
  const draft = createDraft(host);
  return async (config) => {
    const file = join(config.dataDir, 'stack.db');
    const root = rootKey(config, { host });
    const inspect: Parameters<typeof peekStorage>[1]['inspect'] = async (reader) =>
      void openKeyring(await keyringSoFar(reader), { envelope, host, root });
    await peekStorage(config.dataDir, { addonPath, inspect });
    prepare(file, addonPath);
    const writer = await startWriter(writerIn(file, addonPath));
    const reader = openReader(file, addonPath, {
      changes: writer.changes,
      failure: (thrown) => thrown,
    });
    const committer = createCommitter(writer, {
      committed: () => undefined,
      late: () => undefined,
      keep: () => undefined,
    });
    const commit = async (action: string, statements: readonly Statement[]): Promise<void> => {
      if (statements.length === 0) return;
      const done = await committer.commit({ statements, entries: [draft({ action })] });
      if (!done.ok) throw done.fault;
    };
    try {
      const { keyring, created } = openKeyring(await allKeyring(reader), { envelope, host, root });
      await commit('vault.ring', created);
      const signing = await openSigningKeys('passport', { reader, keyring, host });
      await commit('vault.signing_key', signing.created);
      const { agents, agentCeiling: ceiling } = config;
      for (const agent of await missingAgents({ agents, ceiling }, { reader, host }))
        await commit('agent.register', [agent.statement]);
      const outside = { environment: () => undefined, readFile: () => undefined };
      const from = { reader, keyring, host, ...outside };
      const credentials = await createCredentials(config.services.values(), from);
      await recover({ reader, committer, draft });
      return SERVICES.map((name) => {
        const service = config.services.get(name);
        const opened = service === undefined ? undefined : credentials.open(service);
        return opened?.ok === true ? opened.value.reveal() : undefined;
      });
    } finally {
      reader.close();
      await writer.close();
    }
  };
}

function prepare(file: string, addonPath: string): void {
  const db = openDatabase(file, { addonPath });
  try {
    selfCheck(db);
    putAway(db);
    migrate(db, MIGRATIONS, 1);
  } finally {
    db.close();
  }
}

/** Both halves of the writer in one thread: each message is dealt with while it is posted. */
function writerIn(file: string, addonPath: string): Worker {
  const db = openDatabase(file, { addonPath });
  const [worker, port] = [new EventEmitter(), new EventEmitter()];
  const later = (message: unknown): void => void setImmediate(() => worker.emit('message', message));
  const far = Object.assign(port, { postMessage: later, close: () => void worker.emit('exit') });
  const near = Object.assign(worker, {
    postMessage: (message: unknown) => void port.emit('message', message),
  });
  runWriter(far as unknown as MessagePort, db, createChain(chainStore(db)));
  return near as unknown as Worker;
}
