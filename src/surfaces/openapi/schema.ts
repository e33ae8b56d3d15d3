// JSON Schema 2020-12 of a zod schema, the one form that tools, OpenAPI and the reference show: inline, no $ref, no dialect.
import { z } from 'zod';

/** The part of JSON Schema that our zod schemas come out as. */
export type Schema = {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
};

/** What callers give (`input`, defaults optional) or get (`output`). */
export function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Schema {
  const options = {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }) => plain(jsonSchema),
  } as const;
  const { $schema: _, ...made } = z.toJSONSchema(schema, options);
  return made as Schema;
}

/** zod says of every integer that it is a safe one, and of every record that its names are text: both say nothing. */
function plain(schema: z.core.JSONSchema.BaseSchema): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  delete schema.propertyNames;
}
