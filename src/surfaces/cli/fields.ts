// The input of an operation as parameters of a command, read from its JSON Schema: what the schema says of a field is
// what help and completion say of it. Nothing is judged here; the appliance judges.
import { z } from 'zod';
import type { Operation } from '#kernel/operation.ts';
import type { Parameter, ParameterKind, Source } from './command.ts';

export type Schema = {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly writeOnly?: boolean;
  readonly anyOf?: readonly Schema[];
};

export type Fields = { readonly positionals: readonly Parameter[]; readonly options: readonly Parameter[] };

/** Beside `name`, where the verb cannot do without: `stack passports revoke-agent NAME`. */
const SUBJECTS: ReadonlySet<string> = new Set(['agent_id', 'session_id']);

/** Parameters of the path are positional, in its order; where it has none, the name or id of what the verb is about is. */
export function fieldsOf(operation: Operation): Fields {
  const schema = inputSchema(operation);
  const names = Object.keys(schema.properties ?? {});
  const inPath = pathParameters(operation.route.path);
  const positional = inPath.length > 0 ? inPath : names.filter((name) => isSubject(schema, name));
  const parameter = (name: string): Parameter => parameterOf(operation, schema, { name });
  return {
    positionals: positional.map(parameter),
    options: names.filter((name) => !positional.includes(name)).map(parameter),
  };
}

const isSubject = (schema: Schema, name: string): boolean =>
  name === 'name' || (SUBJECTS.has(name) && requires(schema, name));

export const pathParameters = (path: string): readonly string[] =>
  [...path.matchAll(/:([a-z_]+)/g)].map(([, name = '']) => name);

const inputSchema = (operation: Operation): Schema =>
  z.toJSONSchema(operation.input, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as Schema;

const requires = (schema: Schema, name: string): boolean => schema.required?.includes(name) ?? false;

function parameterOf(operation: Operation, input: Schema, { name }: { readonly name: string }): Parameter {
  const schema = input.properties?.[name] ?? {};
  const choices = choicesOf(schema);
  const completes = sourceOf(operation, name);
  return {
    name,
    kind: kindOf(schema),
    required: requires(input, name),
    description: describe(schema),
    ...(choices === undefined ? {} : { choices }),
    ...(completes === undefined ? {} : { completes }),
  };
}

function kindOf(schema: Schema): ParameterKind {
  if (schema.writeOnly === true) return 'secret';
  if (schema.type === 'string') return 'text';
  if (schema.type === 'integer' || schema.type === 'number') return 'number';
  if (schema.type === 'boolean') return 'flag';
  if (schema.type === 'array' && schema.items?.type === 'string') return 'list';
  return schema.type === undefined ? 'value' : 'json';
}

function choicesOf(schema: Schema): readonly string[] | undefined {
  const values = schema.enum ?? schema.items?.enum;
  return values?.every((value) => typeof value === 'string') ? (values as readonly string[]) : undefined;
}

/** Its own words, then what the schema adds: choices, range, default, and the shape of JSON. */
function describe(schema: Schema): string {
  const { minimum, maximum } = schema;
  const range = minimum === undefined ? undefined : `${minimum} to ${maximum ?? 'any'}`;
  const bounded = maximum === Number.MAX_SAFE_INTEGER ? undefined : range;
  const said = [
    schema.description,
    choicesOf(schema)?.join(', ').concat('.'),
    bounded === undefined ? undefined : `${bounded}.`,
    schema.default === undefined ? undefined : `${String(schema.default)} if left out.`,
    kindOf(schema) === 'json' ? `JSON: ${shapeOf(schema)}` : undefined,
  ];
  return said.filter((part) => part !== undefined).join(' ');
}

/** `{summary, services[], will_delegate?}`: enough to write one, short enough to read. */
export function shapeOf(schema: Schema): string {
  if (schema.type === 'array') return `[${shapeOf(schema.items ?? {})}, …]`;
  if (schema.type !== 'object') return schema.type ?? 'value';
  if (schema.properties === undefined) return '{"name": value, …}';
  const members = Object.entries(schema.properties).map(([name, member]) => {
    const list = member.type === 'array' ? '[]' : '';
    return `${name}${list}${requires(schema, name) ? '' : '?'}`;
  });
  return `{${members.join(', ')}}`;
}

const SOURCES: Readonly<Record<string, Source>> = {
  agent: 'agents',
  agent_id: 'agents',
  service: 'services',
  jti: 'passports',
  passport: 'passports',
};
const NAMED_BY_ROUTE: Readonly<Record<string, Source>> = {
  '/v1/agents/:id': 'agents',
  '/v1/keys/:id': 'keys',
  '/v1/secrets/:name': 'secrets',
  '/v1/services/:name': 'services',
};

function sourceOf({ route }: Operation, name: string): Source | undefined {
  const place = Object.keys(NAMED_BY_ROUTE).find(
    (path) => path.endsWith(`:${name}`) && `${route.path}/`.startsWith(`${path}/`),
  );
  return place === undefined ? SOURCES[name] : NAMED_BY_ROUTE[place];
}
