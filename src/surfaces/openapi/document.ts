// The OpenAPI 3.1 document from the operations: nothing of a verb is written here, and nothing of this installation.
import { type FaultCode, REFUSALS } from '#kernel/errors.ts';
import type { CallerKind } from '#kernel/operation.ts';
import type { Registry } from '#pipeline/registry.ts';
import { type Answer, BESIDE, type Beside } from './beside.ts';
import { ERROR, EXAMPLES, HEADERS, type Node, PARAMETERS, ref, SCHEMES } from './components.ts';
import { pathForm } from './path-form.ts';
import type { Schema } from './schema.ts';
import { areasOf, byStatus, callersOf, codesOf, type Place, type Verb, verbOf } from './verbs.ts';

export type Contents = {
  readonly verbs: readonly Verb[];
  readonly beside: readonly Beside[];
  readonly version: string;
  /** Names that `tools/list` shows at /mcp, in its order. */
  readonly listed: readonly string[];
};

export function contentsOf({ all, defaultTools }: Registry, version: string): Contents {
  const verbs = all.map(verbOf);
  const traffic = verbs.find(({ operation }) => operation.line === 'traffic');
  const beside = [...(traffic === undefined ? [] : [pathForm(codesOf(traffic))]), ...BESIDE];
  return { verbs, beside, version, listed: defaultTools.map(({ name }) => name) };
}

const LICENSE = { name: 'Apache License 2.0', identifier: 'Apache-2.0' };
const SAYS =
  'A control plane for AI agents: they hold short-lived passports, never credentials. Every verb is a route here and, ' +
  'where an agent may call it, an MCP tool of the same input and output. Errors have one shape; `next` names a step that works.';
export const ROUTES = 'Other routes';
/** A person needs no credential on the socket: its file belongs to the owner alone. */
const SOCKET = [{ url: 'http://localhost', description: 'Over the local socket data_dir/stack.sock only.' }];

export function openApiOf(contents: Contents): Node {
  const { verbs, beside, version } = contents;
  return {
    openapi: '3.1.1',
    info: { title: 'STACK, self-hosted', version, description: SAYS, license: LICENSE },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: '/', description: 'The appliance that serves this document.' }],
    tags: [...areasOf(verbs), ROUTES].map((name) => ({ name })),
    paths: pathsOf(verbs, beside),
    components: {
      schemas: { Error: ERROR, ...schemasOf(verbs) },
      examples: EXAMPLES,
      parameters: PARAMETERS,
      headers: HEADERS,
      securitySchemes: SCHEMES,
    },
  };
}

/** `IssuePassport` of stack_issue_passport, for the names that generators make types of. */
const pascal = (name: string): string =>
  name
    .replace('stack_', '')
    .split('_')
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join('');

const hasFields = ({ properties = {} }: Schema): boolean => Object.keys(properties).length > 0;

function schemasOf(verbs: readonly Verb[]): Node {
  const entries = verbs.flatMap((verb): [string, Schema][] => {
    const name = pascal(verb.operation.name);
    const body = verb.inputAt('body');
    return [
      ...(hasFields(body) ? [[`${name}Request`, body] as [string, Schema]] : []),
      [`${name}Answer`, verb.output],
    ];
  });
  return Object.fromEntries(entries);
}

function pathsOf(verbs: readonly Verb[], beside: readonly Beside[]): Node {
  const paths: Record<string, Record<string, Node>> = {};
  const add = (path: string, method: string, operation: Node): void => {
    paths[path] = { ...paths[path], [method.toLowerCase()]: operation };
  };
  for (const verb of verbs) {
    const { method, path } = verb.operation.route;
    add(path.replaceAll(/:([a-z_]+)/g, '{$1}'), method, operationOf(verb));
  }
  for (const route of beside)
    for (const method of route.methods) add(route.path, method, routeOf(route, method));
  return paths;
}

function operationOf(verb: Verb): Node {
  const { operation, title, area, statuses } = verb;
  const kinds = callersOf(operation);
  const name = pascal(operation.name);
  const body = verb.inputAt('body');
  const success = Object.fromEntries(
    statuses.map((status) => [
      String(status),
      {
        description: status === 201 ? 'Created.' : 'Done.',
        content: {
          'application/json': { schema: ref('schemas', `${name}Answer`), example: operation.example.output },
        },
      },
    ]),
  );
  return {
    operationId: operation.name,
    tags: [area],
    summary: title,
    description: operation.summary,
    'x-stack-callers': kinds,
    'x-stack-effect': operation.effect,
    'x-stack-tool': operation.toolset === null ? null : operation.name,
    ...accessOf(kinds),
    parameters: [...parametersOf(verb, 'path'), ...parametersOf(verb, 'query'), ...callerHeaders(kinds)],
    ...(hasFields(body)
      ? {
          requestBody: {
            required: (body.required ?? []).length > 0,
            content: {
              'application/json': {
                schema: ref('schemas', `${name}Request`),
                example: verb.exampleAt('body'),
              },
            },
          },
        }
      : {}),
    responses: { ...success, ...refused(codesOf(verb)) },
  };
}

function parametersOf(verb: Verb, place: Exclude<Place, 'body'>): readonly Node[] {
  const { properties = {}, required = [] } = verb.inputAt(place);
  const examples = verb.exampleAt(place);
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    description,
    schema,
    ...(name in examples ? { example: examples[name] } : {}),
  }));
}

function refused(given: readonly FaultCode[]): Node {
  const entries = byStatus(given).map(([status, of]) => [
    String(status),
    {
      description: of.map((code) => `\`${code}\`: ${REFUSALS[code].message}`).join('\n\n'),
      ...(status === 401 ? { headers: { 'WWW-Authenticate': ref('headers', 'WWW-Authenticate') } } : {}),
      ...(status === 429 ? { headers: { 'Retry-After': ref('headers', 'Retry-After') } } : {}),
      content: {
        'application/json': {
          schema: ref('schemas', 'Error'),
          examples: Object.fromEntries(of.map((code) => [code, ref('examples', code)])),
        },
      },
    },
  ]);
  return Object.fromEntries(entries);
}

function routeOf(route: Beside, method: string): Node {
  const { id, title, summary, points = [], callers, fields, body } = route;
  const bodiless = method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'DELETE';
  return {
    operationId: route.methods.length > 1 ? `${id}_${method.toLowerCase()}` : id,
    tags: [ROUTES],
    summary: title,
    description: [summary, ...points.map((point) => `- ${point}`)].join('\n\n'),
    'x-stack-callers': callers,
    ...accessOf(callers),
    parameters: [
      ...fields.map(({ name, place, says, example }) => ({
        name,
        in: place,
        required: place === 'path',
        description: says,
        schema: { type: 'string' },
        example,
      })),
      ...callerHeaders(callers),
    ],
    ...(body === undefined || bodiless ? {} : { requestBody: { content: contentOf(body) } }),
    responses: {
      ...Object.fromEntries(route.answers.map((answer) => [String(answer.status), answerOf(answer)])),
      ...refused(route.errors),
    },
  };
}

const answerOf = (answer: Answer): Node => ({
  description: answer.says,
  ...(answer.type === '' ? {} : { content: contentOf(answer) }),
});

const contentOf = ({ type, schema, example }: Pick<Answer, 'type' | 'schema' | 'example'>): Node => ({
  [type]: {
    ...(schema === undefined ? {} : { schema }),
    ...(example === undefined ? {} : { example }),
  },
});

/** What a caller of these kinds presents. */
function accessOf(kinds: readonly CallerKind[]): Node {
  if (kinds.includes('anonymous')) return { security: [] };
  const programs = kinds.flatMap((kind) => SECURITY[kind]);
  return programs.length > 0 ? { security: programs } : { servers: SOCKET, security: [] };
}

const SECURITY: Readonly<Record<CallerKind, readonly Node[]>> = {
  key: [{ apiKey: [] }],
  passport: [{ passport: [] }, { passportHeader: [] }],
  agent_key: [{ agentKey: [] }],
  person: [],
  anonymous: [],
};

const callerHeaders = (kinds: readonly CallerKind[]): readonly Node[] =>
  kinds.includes('key') ? [ref('parameters', 'Agent'), ref('parameters', 'Intent')] : [];
