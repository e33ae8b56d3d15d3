// Names as other readers take them, and the names that a body holds.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { argumentNames, folded, foldedField, holdsAlike } from '#features/policy/names.ts';

describe('a name', () => {
  it('is the same in every case and compatibility form', () => {
    assert.equal(folded('AmOunt'), 'amount');
    assert.equal(folded('\uff41mount'), 'amount');
    assert.equal(folded('a.b c[d]'), 'a.b c[d]');
  });

  it('of a field is what PHP makes of it, too', () => {
    assert.equal(foldedField('A.b c[d][\ne]x'), 'a_b_c');
    assert.equal(foldedField('a[]'), 'a');
    assert.equal(foldedField('a.b.c  d'), 'a_b_c__d');
  });

  it('is held by a list in any of these spellings', () => {
    assert.equal(holdsAlike(['x', 'A.B[]'], 'a_b'), true);
    assert.equal(holdsAlike(['x', 'ab'], 'a_b'), false);
    assert.equal(holdsAlike([], 'a'), false);
  });
});

describe('the arguments of a body', () => {
  it('are its members or fields at the top', () => {
    assert.deepEqual(argumentNames({ kind: 'json', value: { a: 1, b: { c: 2 } } }), ['a', 'b']);
    assert.deepEqual(argumentNames({ kind: 'form', value: { a: '1' } }), ['a']);
  });

  it('are none where there is no body, or it has no members', () => {
    assert.deepEqual(argumentNames({ kind: 'none' }), []);
    for (const value of [null, 'text', 5, true, [1, 2], undefined])
      assert.deepEqual(argumentNames({ kind: 'json', value }), []);
  });

  it('are not known where it cannot be read', () => {
    assert.equal(argumentNames({ kind: 'opaque' }), undefined);
    assert.equal(argumentNames({ kind: 'broken', reason: 'x' }), undefined);
  });
});
