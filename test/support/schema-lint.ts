// What real clients ask of a tool's schemas: plain closed objects, nothing referred to, nothing without a description.
// Anthropic refuses a whole request over a top-level union; some clients then drop every tool of the server.

type Node = Readonly<Record<string, unknown>>;
export type Tool = {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: Node;
  readonly outputSchema: Node;
};

const NAME = /^[a-z0-9_]{1,40}$/;
const PROPERTY = /^[A-Za-z0-9_.-]{1,64}$/;
/** Longer ones are cut by clients. */
const DESCRIPTION_CHARS = 1_024;
const FOREIGN = [
  '$ref',
  '$defs',
  '$schema',
  '$id',
  'definitions',
  'propertyNames',
  'not',
  'allOf',
  'oneOf',
  '~standard',
];
/** Members whose names or values are the caller's or the service's own; everything else is closed and typed. */
const FREE = ['headers', 'query', 'detail', 'metadata'];
const ANY = ['body', 'from', 'to', 'identity_claims[]', 'detail.*', 'headers.*', 'metadata.*'];

export function lintTool(tool: Tool): readonly string[] {
  const { name, description, inputSchema, outputSchema } = tool;
  const finds = [
    ...(NAME.test(name) ? [] : ['its name']),
    ...(description.length > 0 && description.length <= DESCRIPTION_CHARS ? [] : ['its description']),
    ...lintRoot(inputSchema).map((find) => `input: ${find}`),
    ...lintRoot(outputSchema).map((find) => `output: ${find}`),
  ];
  return finds.map((find) => `${name}: ${find}`);
}

function lintRoot(schema: Node): readonly string[] {
  const union = 'anyOf' in schema ? ['a union at the top'] : [];
  const root = schema['type'] === 'object' && 'properties' in schema ? [] : ['the root is no plain object'];
  return [...union, ...root, ...lintAt(schema, '')];
}

function lintAt(schema: Node, at: string): readonly string[] {
  const foreign = FOREIGN.filter((word) => word in schema).map((word) => `${at}: has ${word}`);
  const typed = ['type', 'enum', 'const', 'anyOf'].some((word) => word in schema) || endsIn(at, ANY);
  return [
    ...foreign,
    ...(typed ? [] : [`${at}: has no type`]),
    ...(schema['type'] === 'object' ? lintObject(schema, at) : []),
    ...(schema['items'] === undefined ? [] : lintAt(schema['items'] as Node, `${at}[]`)),
    ...((schema['anyOf'] ?? []) as Node[]).flatMap((one) => lintAt(one, at)),
  ];
}

function lintObject(schema: Node, at: string): readonly string[] {
  const free = schema['additionalProperties'];
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Node>);
  const open =
    free === false || (typeof free === 'object' && properties.length === 0 && endsIn(at, FREE))
      ? []
      : [`${at}: is open`];
  const members = properties.flatMap(([name, member]) => {
    const path = at === '' ? name : `${at}.${name}`;
    const said = typeof member['description'] === 'string' && member['description'].length > 0;
    return [
      ...(PROPERTY.test(name) ? [] : [`${path}: name of a field`]),
      ...(said ? [] : [`${path}: has no description`]),
      ...lintAt(member, path),
    ];
  });
  return [...open, ...members, ...(typeof free === 'object' ? lintAt(free as Node, `${at}.*`) : [])];
}

const endsIn = (at: string, names: readonly string[]): boolean =>
  names.some((name) => at === name || at.endsWith(`.${name}`));
