// What the outside sees is pinned: a change of a route, field, tool or error shows in the review as a change of a file.
// To accept one: STACK_PIN=accept node build.mjs test test/surfaces/openapi/pinned.test.ts
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createRegistry } from '#pipeline/registry.ts';
import { listTools } from '#surfaces/mcp/tools.ts';
import { contentsOf, openApiOf } from '#surfaces/openapi/document.ts';
import { changesOf, ordered } from '#test/support/pins.ts';
import { describedOperations } from '../../../src/operations.ts';

const ACCEPT = 'STACK_PIN=accept node build.mjs test test/surfaces/openapi/pinned.test.ts';
const registry = createRegistry(describedOperations());
/** The version is left out: a release changes nothing of this. */
const PINS: Readonly<Record<string, unknown>> = {
  'openapi.pinned.json': openApiOf(contentsOf(registry, 'pinned')),
  'tools.pinned.json': listTools(registry),
};

describe('what is pinned', () => {
  for (const [file, present] of Object.entries(PINS)) {
    it(`agrees with ${file}`, () => {
      const path = new URL(file, import.meta.url);
      if (process.env['STACK_PIN'] === 'accept')
        writeFileSync(path, `${JSON.stringify(ordered(present), null, 1)}\n`);
      const pinned: unknown = JSON.parse(readFileSync(path, 'utf8'));
      const changes = changesOf(pinned, JSON.parse(JSON.stringify(present)));
      assert.equal(
        changes.length,
        0,
        `the outside changed:\n  ${changes.join('\n  ')}\nIf that is meant: ${ACCEPT}`,
      );
    });
  }
});

describe('the comparison of pins', () => {
  it('names what was added, removed and changed by its place, and nothing else', () => {
    const before = { a: 1, b: { c: [1, 2], 'd/e': 'x' }, f: null };
    const after = { a: 1, b: { c: [1, 3], g: true }, f: null };
    assert.deepEqual(changesOf(before, after), ['~ /b/c/1: 2 → 3', '- /b/d~1e: "x"', '+ /b/g: true']);
    assert.deepEqual(changesOf(before, structuredClone(before)), []);
  });

  it('does not care for the order of members, but for that of lists', () => {
    assert.deepEqual(changesOf({ a: 1, b: 2 }, { b: 2, a: 1 }), []);
    assert.equal(changesOf([1, 2], [2, 1]).length, 2);
    assert.equal(JSON.stringify(ordered({ b: [{ d: 1, c: 2 }], a: 1 })), '{"a":1,"b":[{"c":2,"d":1}]}');
  });
});
