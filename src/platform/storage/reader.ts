// The read-only connection of the main thread: point reads with prepared statements. Scans run in the scan worker.
import { PREPARED_STATEMENTS_MAX } from '#kernel/limits.ts';
import type { SqlValue } from '#kernel/unit.ts';
import type { Compilable, Reader } from './compiler.ts';
import { openDatabase } from './database.ts';

type Prepared = { readonly all: (...values: SqlValue[]) => unknown[] };

export type OpenReader = Reader & { readonly close: () => void };

export function openReader(file: string, addonPath: string): OpenReader {
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
  const rows = <Row>(query: Compilable<Row>): Row[] => {
    const { sql, parameters } = query.compile();
    return statementOf(sql).all(...(parameters as SqlValue[])) as Row[];
  };
  return {
    all: async (query) => rows(query),
    first: async (query) => rows(query)[0],
    close: () => db.close(),
  };
}
