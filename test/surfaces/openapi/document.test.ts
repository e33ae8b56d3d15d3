// The OpenAPI document says what the operations are: valid to a public validator, true to the schemas, whole.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { z } from 'zod';
import { REFUSALS } from '#kernel/errors.ts';
import { createRegistry } from '#pipeline/registry.ts';
import { contentsOf, openApiOf } from '#surfaces/openapi/document.ts';
import { schemaOf } from '#surfaces/openapi/schema.ts';
import { describedOperations } from '../../../src/operations.ts';

type Node = Readonly<Record<string, unknown>>;
type Media = { readonly schema?: Node; readonly example?: unknown; readonly examples?: Record<string, Node> };
type Documented = {
  readonly operationId: string;
  readonly parameters: readonly Node[];
  readonly requestBody?: { readonly content: Record<string, Media> };
  readonly responses: Record<string, { readonly content?: Record<string, Media> }>;
};

const operations = describedOperations();
const document = JSON.parse(
  JSON.stringify(openApiOf(contentsOf(createRegistry(operations), '0.0.0'))),
) as Node & {
  readonly paths: Record<string, Record<string, Documented>>;
  readonly components: Record<string, Record<string, Node>>;
};
const documented = Object.values(document.paths).flatMap((path) => Object.values(path));

function resolve(node: Node): Node {
  const [, , kind = '', name = ''] = String(node['$ref'] ?? '').split('/');
  if (kind === '') return node;
  const found = document.components[kind]?.[name];
  assert.ok(found !== undefined, `${String(node['$ref'])} leads nowhere`);
  return found;
}

function texts(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : [];
}

describe('the OpenAPI document', () => {
  it('is valid to a public validator', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document) as never);
    assert.ok(valid, JSON.stringify(errors, null, 1));
  });

  it('has every operation at its route, with the body, path and query of its input', () => {
    for (const { name, route, input } of operations) {
      const path = route.path.replaceAll(/:([a-z_]+)/g, '{$1}');
      const found = document.paths[path]?.[route.method.toLowerCase()];
      assert.equal(found?.operationId, name);
      const schema = found?.requestBody?.content['application/json']?.schema;
      const body = schema === undefined ? [] : Object.keys(resolve(schema)['properties'] as object);
      const rest = (found?.parameters ?? []).filter((one) => one['in'] === 'path' || one['in'] === 'query');
      const fields = [...body, ...rest.map((one) => String(one['name']))];
      assert.deepEqual(fields.sort(), Object.keys(input.shape).sort(), name);
    }
  });

  it('has only fields in path and query that a URL can carry', () => {
    const outside = documented.flatMap(({ operationId, parameters }) =>
      parameters
        .map(resolve)
        .filter(
          ({ schema }) =>
            !['string', 'integer', 'number', 'boolean'].includes(String((schema as Node)['type'])),
        )
        .map((one) => `${operationId}: ${String(one['name'])}`),
    );
    assert.deepEqual(outside, []);
  });

  it('describes the answer of a route by the very schema of its tool', () => {
    for (const operation of operations) {
      const found = documented.find(({ operationId }) => operationId === operation.name);
      for (const status of operation.statuses ?? [200]) {
        const schema = found?.responses[String(status)]?.content?.['application/json']?.schema;
        assert.ok(schema !== undefined, `${operation.name} has no answer ${status}`);
        assert.deepEqual(resolve(schema), schemaOf(operation.output, 'output'), operation.name);
      }
    }
  });

  it('has an example for every operation that its schemas take', () => {
    for (const { name, input, output, example } of operations) {
      assert.deepEqual(input.safeParse(example.input).error?.issues ?? [], [], `${name}: input`);
      assert.deepEqual(output.safeParse(example.output).error?.issues ?? [], [], `${name}: output`);
    }
  });

  it('has examples in its media types that their own schemas take', () => {
    let checked = 0;
    for (const { operationId, requestBody, responses } of documented) {
      const media = [requestBody, ...Object.values(responses)].flatMap((one) =>
        Object.values(one?.content ?? {}),
      );
      for (const { schema, example, examples = {} } of media) {
        if (schema === undefined) continue;
        const reader = z.fromJSONSchema(resolve(schema) as never);
        const values = [
          ...(example === undefined ? [] : [example]),
          ...Object.values(examples).map((one) => resolve(one)['value']),
        ];
        for (const value of values) {
          assert.deepEqual(
            reader.safeParse(value).error?.issues ?? [],
            [],
            `${operationId}: ${JSON.stringify(value)}`,
          );
          checked += 1;
        }
      }
    }
    assert.ok(checked > operations.length * 2, `only ${checked} examples`);
  });

  it('knows every refusal, and somebody gives each of them', () => {
    const given = new Set(
      documented.flatMap(({ responses }) =>
        Object.values(responses).flatMap(({ content }) =>
          Object.keys(content?.['application/json']?.examples ?? {}),
        ),
      ),
    );
    assert.deepEqual([...given].sort(), Object.keys(REFUSALS).sort());
  });

  it('puts every refusal under its own status', () => {
    for (const { operationId, responses } of documented) {
      for (const [status, { content }] of Object.entries(responses)) {
        for (const code of Object.keys(content?.['application/json']?.examples ?? {}))
          assert.equal(
            String(REFUSALS[code as keyof typeof REFUSALS].status),
            status,
            `${operationId}: ${code}`,
          );
      }
    }
  });

  it('shows no example that could be taken for a real key, token or secret', () => {
    const suspicious = texts(document).filter(
      (text) => /sk_live_\w|eyJ\w*\.|[A-Za-z0-9+/]{65,}/.test(text) && !text.includes('EXAMPLE'),
    );
    assert.deepEqual(suspicious, []);
  });
});
