// A rotation's work: what is wrapped under a key that is to go gets a box of the current one, in small units, each with
// its entry. The rows are the cursor: after a kill the next run goes on with whatever is still under the old key.
import type { Fault } from '#kernel/errors.ts';
import type { Job } from '#kernel/job.ts';
import { KEYRING_EMPTY_EVERY_MS, KEYRING_UNIT_ROWS, KEYRING_UNIT_TRIES } from '#kernel/limits.ts';
import type { Statement } from '#kernel/unit.ts';
import type { Log } from '#platform/log/log.ts';
import type { JobDeps } from '#platform/storage/jobs.ts';
import type { Keyring } from './keyring.ts';
import {
  allKeyring,
  BOXED_TABLES,
  type BoxedRow,
  boxedCounts,
  boxedUnder,
  reboxRow,
  retireRing,
} from './store.ts';

type Deps = JobDeps & {
  readonly log: Pick<Log, 'error'>;
  readonly keyring: Keyring;
  /** Reads the moved rows again, so that none is opened by a key that is gone. */
  readonly moved: () => Promise<void>;
};

export function emptyOldRingKeys(deps: Deps): Job {
  // Said once, not every second: a row that does not open stays so until a person replaces it.
  const said = new Set<string>();
  return {
    name: 'empty old ring keys',
    everyMs: KEYRING_EMPTY_EVERY_MS,
    run: async () => {
      for (const ringKey of deps.keyring.outgoing()) await empty(deps, ringKey, { said });
    },
  };
}

type Told = { readonly said: Set<string> };

async function empty(deps: Deps, ringKey: string, told: Told): Promise<void> {
  for (const table of BOXED_TABLES) {
    let after = '';
    do {
      after = await moveSome(deps, { table, ringKey, after }, told);
    } while (after !== '');
  }
  await retire(deps, ringKey);
}

type Place = {
  readonly table: (typeof BOXED_TABLES)[number];
  readonly ringKey: string;
  readonly after: string;
};

/** One unit; answers the last id it has dealt with, or nothing where there is no more. */
async function moveSome(deps: Deps, place: Place, { said }: Told): Promise<string> {
  let conflict: Fault | undefined;
  for (let tries = 0; tries < KEYRING_UNIT_TRIES; tries += 1) {
    const rows = await boxedUnder(deps.reader, place.table, { ...place, limit: KEYRING_UNIT_ROWS });
    const statements = rows.flatMap((row) => moveOf(deps, { row, place, said }));
    const done = rows.at(-1)?.id ?? '';
    if (statements.length === 0) return done;
    const detail = {
      from: place.ringKey,
      to: deps.keyring.current().id,
      table: place.table,
      rows: statements.length,
    };
    const committed = await deps.commit({
      statements,
      entries: [deps.draft({ layer: 'vault', action: 'vault.rewrap', detail })],
    });
    if (committed.ok) {
      await deps.moved();
      return done;
    }
    // A row was replaced or deleted after it was read: look again.
    if (committed.fault.code !== 'CONFLICT') throw committed.fault;
    conflict = committed.fault;
  }
  throw conflict;
}

type Move = { readonly row: BoxedRow; readonly place: Place; readonly said: Set<string> };

function moveOf({ keyring, log }: Deps, { row, place, said }: Move): readonly Statement[] {
  const to = keyring.rebox(row);
  if (to !== undefined) return [reboxRow(place.table, row, to)];
  const id = `${place.table}/${row.id}`;
  if (!said.has(id))
    log.error('a row of the vault does not open and keeps its ring key; set or delete the secret', {
      row: id,
      ring_key: place.ringKey,
    });
  said.add(id);
  return [];
}

/** Only where a scan finds no row under it; its private half stays, for values that were sealed into the config. */
async function retire(deps: Deps, ringKey: string): Promise<void> {
  const left = await boxedCounts(deps.reader);
  if (left.some(({ ring_key }) => ring_key === ringKey)) return;
  const entry = deps.draft({ layer: 'vault', action: 'vault.retire', detail: { ring_key: ringKey } });
  const statements = [retireRing(ringKey, deps.host.nowMs())];
  const committed = await deps.commit({ statements, entries: [entry] });
  if (committed.ok) deps.keyring.follow(await allKeyring(deps.reader));
  // A row that came after the scan is the next run's.
  else if (committed.fault.code !== 'CONFLICT') throw committed.fault;
}
