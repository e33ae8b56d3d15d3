// Kysely as a typed compiler of statements only: no driver, no transactions, no streams (design 2).
import {
  type CompiledQuery,
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { SqlValue, Statement } from '#kernel/unit.ts';

export type Compilable<Row = unknown> = { readonly compile: () => CompiledQuery<Row> };

export type Reader = {
  /** Rows of a read-only query; point reads of the main thread. Scans go to the scanner. */
  readonly all: <Row>(query: Compilable<Row>) => Promise<Row[]>;
  readonly first: <Row>(query: Compilable<Row>) => Promise<Row | undefined>;
};

export function compiler<Tables>(): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
}

/** `rows`: the count the statement must touch, else the unit is rolled back as CONFLICT. */
export function statement(query: Compilable, rows?: number): Statement {
  const { sql, parameters } = query.compile();
  const bound = parameters as readonly SqlValue[];
  return rows === undefined ? { sql, parameters: bound } : { sql, parameters: bound, rows };
}
