// A lint over every tool there is: clients that meet one bad schema may drop all tools of a server.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRegistry } from '#pipeline/registry.ts';
import { listTools, toolOf } from '#surfaces/mcp/tools.ts';
import { lintTool, type Tool } from '#test/support/schema-lint.ts';
import { describedOperations } from '../../../src/operations.ts';

const operations = describedOperations();
const asTool = (tool: unknown): Tool => tool as Tool;

describe('tools', () => {
  it('pass the lint, and so do verbs that are no tool', () => {
    assert.deepEqual(
      operations.flatMap((operation) => lintTool(asTool(toolOf(operation)))),
      [],
    );
  });

  it('are listed in the order of the registry, those of the default set alone', () => {
    const registry = createRegistry(operations);
    assert.deepEqual(
      listTools(registry).map(({ name }) => name),
      registry.defaultTools.map(({ name }) => name),
    );
  });

  it('have annotations that agree with what the verb does', () => {
    for (const operation of operations) {
      const { annotations } = toolOf(operation);
      const { effect, line, idempotent } = operation;
      assert.equal(annotations['readOnlyHint'], effect === 'read', operation.name);
      assert.equal(annotations['destructiveHint'], effect === 'destroy', operation.name);
      assert.equal(annotations['openWorldHint'], line === 'traffic', operation.name);
      assert.equal(annotations['idempotentHint'], idempotent ?? effect === 'read', operation.name);
      assert.ok(!(effect === 'read' && idempotent === false), `${operation.name}: a read repeats harmlessly`);
    }
  });
});

describe('the lint', () => {
  const good = asTool({
    name: 'stack_x',
    description: 'x',
    inputSchema: { type: 'object', properties: {}, additionalProperties: false },
    outputSchema: { type: 'object', properties: {}, additionalProperties: false },
  });
  const withInput = (inputSchema: object): Tool => asTool({ ...good, inputSchema });
  const closed = { type: 'object', additionalProperties: false };

  it('passes a plain closed tool', () => {
    assert.deepEqual(lintTool(good), []);
  });

  const bad: Readonly<Record<string, Tool>> = {
    'a long name': { ...good, name: 'x'.repeat(41) },
    'capitals in the name': { ...good, name: 'Stack' },
    'no description': { ...good, description: '' },
    'an open object': withInput({ type: 'object', properties: {} }),
    'a union at the top': withInput({ anyOf: [closed, closed] }),
    'a reference': withInput({ ...closed, properties: { a: { $ref: '#/x', description: 'x' } } }),
    'a field without description': withInput({ ...closed, properties: { a: { type: 'string' } } }),
    'a field without type': withInput({ ...closed, properties: { a: { description: 'x' } } }),
    'an open object inside a list': withInput({
      ...closed,
      properties: { a: { type: 'array', description: 'x', items: { type: 'object', properties: {} } } },
    }),
    'an undeclared free map': withInput({
      ...closed,
      properties: { a: { type: 'object', description: 'x', additionalProperties: { type: 'string' } } },
    }),
    'the name of a dialect': withInput({ ...closed, properties: {}, $schema: 'x' }),
  };
  for (const [what, tool] of Object.entries(bad)) {
    it(`finds ${what}`, () => {
      assert.notDeepEqual(lintTool(tool), []);
    });
  }
});
