// The list of verbs as it is described: help, completion and documents are made from it without an appliance.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRegistry } from '#pipeline/registry.ts';
import { describedOperations } from '../src/operations.ts';

describe('the described operations', () => {
  const operations = describedOperations();

  it('make a whole registry, with the default tools in the order of the contract', () => {
    const { defaultTools } = createRegistry(operations);
    assert.equal(defaultTools[0]?.name, 'stack_list_services');
    assert.ok(operations.length > defaultTools.length);
  });

  it('run on nothing', async () => {
    const list = operations.find(({ name }) => name === 'stack_list_agents');
    assert.ok(list !== undefined);
    await assert.rejects(async () => list.run({ caller: { kind: 'person', id: 'local' } } as never));
  });
});
