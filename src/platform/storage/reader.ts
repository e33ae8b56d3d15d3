// The read-only connection of the main thread: point reads with prepared statements. Scans run in the scan worker.
import { PREPARED_STATEMENTS_MAX, REMEMBERED_ROWS_MAX } from '#kernel/limits.ts';
import type { SqlValue } from '#kernel/unit.ts';
import { bound, type Compilable, type Lookup, type Reader } from './compiler.ts';
import { openDatabase } from './database.ts';

type Prepared = { readonly all: (...values: SqlValue[]) => unknown[] };

export type OpenReader = Reader & { readonly close: () => void };

type Around = {
  /** Grows whenever something that is read here may have changed; see Writer. */
  readonly changes: () => number;
  /** What is thrown to the caller for what SQLite throws. */
  readonly failure: (thrown: unknown) => unknown;
};

export function openReader(file: string, addonPath: string, { changes, failure }: Around): OpenReader {
  const db = openDatabase(file, { addonPath, readonly: true });
  const prepared = new Map<string, Prepared>();
  const statementOf = (sql: string): Prepared => {
    const known = prepared.get(sql);
    if (known !== undefined) return known;
    if (prepared.size >= PREPARED_STATEMENTS_MAX) prepared.clear();
    const fresh = db.prepare(sql) as unknown as Prepared;
    prepared.set(sql, fresh);
    return fresh;
  };
  const read = <Row>(sql: string, values: readonly SqlValue[]): Row[] => {
    try {
      return statementOf(sql).all(...values) as Row[];
    } catch (thrown) {
      throw failure(thrown);
    }
  };
  const rows = <Row>(query: Compilable<Row>): Row[] => {
    const { sql, parameters } = query.compile();
    return read(sql, parameters as SqlValue[]);
  };
  const memory = createMemory(changes);
  return {
    recall: <Row>(of: Lookup<Row>, ...keys: readonly string[]) =>
      memory(of, keys, () => read<Row>(of.sql, bound(of, keys))[0]),
    all: async (query) => rows(query),
    first: async (query) => rows(query)[0],
    close: () => db.close(),
  };
}

/** No row is remembered as missing: names that nobody has must not push out those that somebody has. */
function createMemory(changes: () => number) {
  const rows = new Map<Lookup<unknown>, Map<string, unknown>>();
  let at = changes();
  return <Row>(of: Lookup<Row>, keys: readonly string[], read: () => Row | undefined): Row | undefined => {
    if (changes() !== at) {
      rows.clear();
      at = changes();
    }
    const known = rows.get(of) ?? new Map<string, unknown>();
    rows.set(of, known);
    const key = keys.length === 1 ? (keys[0] ?? '') : keys.join('\0');
    const remembered = known.get(key) as Row | undefined;
    if (remembered !== undefined) return remembered;
    const row = read();
    if (row === undefined) return undefined;
    const [oldest] = known.keys();
    if (known.size >= REMEMBERED_ROWS_MAX && oldest !== undefined) known.delete(oldest);
    known.set(key, row);
    return row;
  };
}
