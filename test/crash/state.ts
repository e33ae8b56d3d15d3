// What lies in a database after a crash, read by a connection of its own and by this file's own SQL: the judge must not
// see with the eyes of what it judges.
import type { Db } from '#platform/storage/database.ts';

export type Entry = {
  readonly seq: number;
  readonly entry_id: string;
  readonly action: string;
  readonly outcome: string;
  readonly refers_to: string | null;
  readonly bytes: string;
  readonly entry_hash: string;
};
export type State = {
  readonly entries: readonly Entry[];
  readonly head: { readonly seq: number; readonly entry_hash: string } | undefined;
  /** When each passport was revoked, by jti; null while it lives. */
  /** When it was ended, by whomever. */
  readonly passports: ReadonlyMap<string, number | null>;
  /** When it is over by its time. */
  readonly leases: ReadonlyMap<string, number>;
  readonly keys: ReadonlyMap<string, number | null>;
  /** `status uses_left uses` of each approval. */
  readonly approvals: ReadonlyMap<string, string>;
  /** Ids by name. */
  readonly agents: ReadonlyMap<string, string>;
  /** Newest version by name. */
  readonly secrets: ReadonlyMap<string, number>;
  readonly rings: ReadonlySet<string>;
  readonly signing: ReadonlySet<string>;
  /** What SQLite says of the file; `ok` where it is whole. */
  readonly integrity: string;
};

type Pair = { readonly name: string; readonly value: unknown };

export function readState(db: Db): State {
  const pairs = (sql: string): readonly Pair[] => db.prepare(sql).all() as Pair[];
  const map = <Value>(sql: string): ReadonlyMap<string, Value> =>
    new Map(pairs(sql).map(({ name, value }) => [name, value as Value]));
  const set = (sql: string): ReadonlySet<string> => new Set(db.prepare(sql).pluck().all() as string[]);
  const loose = db.prepare('PRAGMA foreign_key_check').all();
  const integrity = (db.prepare('PRAGMA integrity_check').pluck().all() as string[]).join('; ');
  return {
    entries: db
      .prepare(
        'SELECT seq, entry_id, action, outcome, refers_to, bytes, entry_hash FROM audit_entries ORDER BY seq',
      )
      .all() as Entry[],
    head: db.prepare('SELECT seq, entry_hash FROM audit_head').get() as State['head'],
    passports: map('SELECT jti AS name, coalesce(revoked_at, ended_at) AS value FROM passports'),
    leases: map('SELECT jti AS name, expires_at AS value FROM passports'),
    keys: map('SELECT id AS name, revoked_at AS value FROM api_keys'),
    approvals: map(
      "SELECT id AS name, status || ' ' || uses_left || ' ' || (SELECT count(*) FROM approval_uses WHERE approval_id = id) AS value FROM approvals",
    ),
    agents: map('SELECT name, id AS value FROM agents'),
    secrets: map('SELECT name, max(version) AS value FROM secrets GROUP BY name'),
    rings: set('SELECT id FROM keyring'),
    signing: set('SELECT kid FROM signing_keys'),
    integrity: loose.length === 0 ? integrity : `${integrity}; ${loose.length} rows point nowhere`,
  };
}
