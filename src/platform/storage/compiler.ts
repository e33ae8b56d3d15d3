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
  /**
   * The first row by that key, remembered until anything but the log is written: who calls is asked for with every call, and
   * seldom changes. What is true only for a time, such as an expiry, is for the caller to judge.
   */
  readonly recall: <Row>(lookup: Lookup<Row>, ...keys: readonly string[]) => Row | undefined;
};

/** A query by texts that is compiled once. `Row` is what it answers. */
export type Lookup<Row> = {
  readonly row?: Row;
  readonly sql: string;
  /** What each parameter is: the place of its key, or a value that is always the same. */
  readonly parameters: readonly ({ readonly key: number } | { readonly value: SqlValue })[];
};

/** `build` is called once, with placeholders; it may do nothing with its keys but pass them on. */
export function lookup<Row>(keys: number, build: (...keys: string[]) => Compilable<Row>): Lookup<Row> {
  const placeholders = Array.from({ length: keys }, (_, key) => `\0${key}`);
  const { sql, parameters } = build(...placeholders).compile();
  return {
    sql,
    parameters: (parameters as readonly SqlValue[]).map((value) => {
      const key = placeholders.indexOf(value as string);
      return key < 0 ? { value } : { key };
    }),
  };
}

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

/** The parameters of a lookup with these keys in their places. */
export const bound = <Row>({ parameters }: Lookup<Row>, keys: readonly string[]): SqlValue[] =>
  parameters.map((one) => ('key' in one ? (keys[one.key] ?? null) : one.value));

/** `rows`: the count the statement must touch, else the unit is rolled back as CONFLICT. */
export function statement(query: Compilable, rows?: number): Statement {
  const { sql, parameters } = query.compile();
  const values = parameters as readonly SqlValue[];
  return rows === undefined ? { sql, parameters: values } : { sql, parameters: values, rows };
}
