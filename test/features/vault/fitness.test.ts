// A value that could not be told from text, or be guessed, is no secret; the keys of real services are.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { secretProblem } from '#features/vault/model.ts';

describe('a value is refused', () => {
  for (const value of [
    'abc123',
    '1234567',
    'aaaaaaaaaaaaaaaa',
    'abababababababab',
    'abcdabcdabcdabcd',
    'changeme-changeme-changeme',
    '12345678',
    'abcdefghijkl',
    '9876543210',
    'aabbaabb',
    '0000000000000001',
    '        ',
    'line\nend-of-a-key',
    'schlüssel-von-uns',
  ])
    it(JSON.stringify(value), () => {
      const problem = secretProblem(value);
      assert.ok(problem !== undefined);
      assert.ok(!problem.includes(value));
    });
});

/** Made up by the rules that these services make theirs by. */
const hex = (text: string): string => createHash('sha256').update(text).digest('hex');
const KEYS: Readonly<Record<string, string>> = {
  'Stripe, test': 'sk_test_4eC39HqLyjWDarjtT1zdp7dc',
  'Slack, bot': 'xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx',
  'GitHub, classic': 'ghp_EcHoCaNaRy7f3A9c2Db8E1Kq5Zw0Xy4Lm6Tn',
  'GitHub, fine-grained': `github_pat_11ABCDEFG0${hex('pat').slice(0, 59)}`,
  OpenAI: 'sk-proj-T3BlbkFJx7Yq2Lw9Vn4Kd8Rb',
  GitLab: 'glpat-x7Yq2Lw9Vn4Kd8RbT3Bl',
  'a UUID': '3f2b8c1e-7d4a-4f6b-9c0d-1e2f3a4b5c6d',
  'a hash': hex('any'),
  'eight of hex': hex('short').slice(0, 8),
  'AWS, secret': 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  SendGrid: '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',
  'a passphrase': 'correct horse battery staple',
  'user and password': 'ada@example.com:tok3n-of-ada',
};
describe('a value is taken', () => {
  for (const [name, value] of Object.entries(KEYS))
    it(name, () => assert.equal(secretProblem(value), undefined));

  it('for any random bytes in hex or base64', () => {
    const random = fc.uint8Array({ minLength: 16, maxLength: 64 }).filter((bytes) => new Set(bytes).size > 8);
    fc.assert(
      fc.property(random, (bytes) => {
        for (const form of ['hex', 'base64', 'base64url'] as const)
          assert.equal(secretProblem(createHash('sha256').update(bytes).digest(form)), undefined);
      }),
    );
  });
});
