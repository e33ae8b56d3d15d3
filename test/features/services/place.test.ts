// A credential that is user and password in one: sent as a pair, known to the scrubber in its parts.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Inject, place, shownForms } from '#features/services/model.ts';

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

  it('may be shown back as pair, as token alone, and as it was sent', () => {
    const secret = 'ada@example.com:token-of-ada';
    assert.deepEqual(shownForms(pair, secret), [secret, 'token-of-ada', encoded(secret)]);
    const empty = 'sk_user_without_password:';
    assert.deepEqual(shownForms(pair, empty), [empty, 'sk_user_without_password', encoded(empty)]);
  });

  it('does not make ordinary text of a short part a secret', () => {
    const secret = 'ada@example.com:abc';
    assert.deepEqual(shownForms(pair, secret), [secret, encoded(secret)]);
  });
});

describe('what a service may show of a secret', () => {
  it('is also what writers of JSON make of it, and nothing twice', () => {
    const secret = 'ab/cd"ef\\gh-0123';
    assert.deepEqual(shownForms({ kind: 'header', name: 'x-key', template: '{secret}' }, secret), [
      secret,
      'ab/cd\\"ef\\\\gh-0123',
      'ab\\/cd\\"ef\\\\gh-0123',
    ]);
    assert.deepEqual(shownForms(undefined, 'plain-secret-01'), ['plain-secret-01']);
  });
});
