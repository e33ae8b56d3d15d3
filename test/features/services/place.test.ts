// A credential that is user and password in one is sent as a pair.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Inject, place } from '#features/services/model.ts';

const pair: Inject = { kind: 'basic', template: '{secret}' };
const encoded = (text: string): string => Buffer.from(text).toString('base64');

describe('basic with a credential that is the whole pair', () => {
  it('sends it as it is', () => {
    const placed = place(pair, 'ada@example.com:to:ken');
    assert.deepEqual(placed?.header, ['authorization', `Basic ${encoded('ada@example.com:to:ken')}`]);
  });

  it('sends nothing where it is no pair', () => {
    assert.equal(place(pair, 'only-a-token'), undefined);
  });
});
