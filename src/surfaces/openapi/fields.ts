// The fields of a schema as flat rows: `intent.services[]`, its type in words, its limits, its meaning.
import type { Schema } from './schema.ts';

export type Row = {
  /** Dotted from the root; `[]` is a member of a list, `.*` of a map. */
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly limits: readonly string[];
  readonly says: string;
};

export function rowsOf(schema: Schema, prefix = ''): readonly Row[] {
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties).flatMap(([name, member]) => [
    {
      name: `${prefix}${name}`,
      type: typeOf(member),
      required: required.includes(name),
      limits: limitsOf(member),
      says: member.description ?? '',
    },
    ...rowsOf(member, `${prefix}${name}.`),
    ...(member.items === undefined ? [] : rowsOf(member.items, `${prefix}${name}[].`)),
  ]);
}

function typeOf(schema: Schema): string {
  const { type, items, additionalProperties } = schema;
  if (schema.const !== undefined) return `always ${JSON.stringify(schema.const)}`;
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeOf))].join(' | ');
  if (Array.isArray(type)) return type.join(' | ');
  if (type === 'array') return items === undefined ? 'list' : `list of ${typeOf(items)}`;
  if (type === 'object' && schema.properties === undefined) return `map of ${mapped(additionalProperties)}`;
  return typeof type === 'string' ? type : 'any JSON';
}

const mapped = (values: Schema['additionalProperties']): string =>
  typeof values === 'object' ? typeOf(values) : 'any JSON';

function limitsOf(schema: Schema): readonly string[] {
  const { pattern, items } = schema;
  return [
    range([schema.minimum, schema.maximum], ''),
    range([schema.minLength, schema.maxLength], ' characters'),
    range([schema.minItems, schema.maxItems], ' members'),
    items === undefined
      ? ''
      : limitsOf(items)
          .map((limit) => `each ${limit}`)
          .join(', '),
    pattern === undefined ? '' : `matches ${pattern}`,
    schema.default === undefined ? '' : `default ${JSON.stringify(schema.default)}`,
  ].filter((limit) => limit !== '');
}

type Bounds = readonly [min: number | undefined, max: number | undefined];

function range([min, max]: Bounds, unit: string): string {
  if (min !== undefined && max !== undefined) return `${min} to ${max}${unit}`;
  if (max !== undefined) return `at most ${max}${unit}`;
  return min === undefined ? '' : `at least ${min}${unit}`;
}
