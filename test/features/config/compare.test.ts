// Two configs compared field by field: what the log and a person are told about a reload.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changeText, compareSettings } from '#features/config/compare.ts';
import { needsRestart } from '#features/config/model.ts';

describe('the difference of two configs', () => {
  it('names fields that were added, removed and changed, in the order of their names', () => {
    const before = { services: { a: { base_url: 'https://a.test' }, b: { title: 'B' } }, version: 1 };
    const after = { services: { a: { base_url: 'https://z.test' }, c: { title: 'C' } }, version: 1 };
    assert.deepEqual(compareSettings(before, after).map(changeText), [
      'services.a.base_url: "https://a.test" → "https://z.test"',
      'services.b: removed {"title":"B"}',
      'services.c: added {"title":"C"}',
    ]);
  });

  it('is empty for the same fields in another order, and takes a list as one value', () => {
    assert.deepEqual(compareSettings({ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 }), []);
    assert.deepEqual(compareSettings({ b: [1, 2] }, { b: [2, 1] }), [
      { path: 'b', from: [1, 2], to: [2, 1] },
    ]);
  });

  it('cuts a long value and says so', () => {
    const [change] = compareSettings({ a: '' }, { a: 'x'.repeat(500) });
    assert.ok(change !== undefined);
    assert.match(changeText(change), /… \(502 characters\)$/);
  });

  it('knows what takes effect at a start only', () => {
    const moved = compareSettings(
      { server: { listen: 'a', hosts: [] } },
      { server: { listen: 'b', hosts: ['c'] } },
    );
    assert.deepEqual(
      moved.map((change) => [change.path, needsRestart(change)]),
      [
        ['server.hosts', false],
        ['server.listen', true],
      ],
    );
  });
});
