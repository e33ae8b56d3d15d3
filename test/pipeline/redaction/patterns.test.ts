// What is searched for of a secret: its characters, its signs of base64 at each place of a group, its digits; and what it
// looks like itself where it holds an escape.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { patternsOf } from '#pipeline/redaction/patterns.ts';

const shown = (text: string) =>
  patternsOf(text, 3).map(({ text: form, window, step, owner }) => [form, window, step, owner]);
const plainOf = (text: string) =>
  shown(text)
    .slice(0, -4)
    .map(([form]) => form);

it('a secret is searched as it is, in base64 and in digits, in runs that fix twelve characters of it', () => {
  assert.deepEqual(shown('ghp_EcHoCaNaRy'), [
    ['ghp/echocanary', 12, 1, 3],
    // Of `Z2hwX0VjSG9DYU5hUnk=`, `fmdocF9FY0hvQ2FOYVJ5` and `fn5naHBfRWNIb0NhTmFSeQ==` the signs that it alone decides.
    ['z2hwx0vjsg9dyu5hun', 15, 1, 3],
    ['docf9fy0hvq2foyvj5', 15, 1, 3],
    ['nahbfrwnib0nhtmfse', 15, 1, 3],
    ['6768705f4563486f43614e615279', 24, 2, 3],
  ]);
});

it('a short one is searched whole in each form', () => {
  assert.deepEqual(
    shown('q7Zk1#xW').map(([form, window]) => [form, window]),
    [
      ['q7zk1#xw', 8],
      ['ctdaazejef', 10],
      ['e3wmsxi3hx', 10],
      ['xn1prmsn4v', 10],
      ['71375a6b31237857', 16],
    ],
  );
});

it('one that holds what looks like an escape is searched without it, too, if enough is left', () => {
  assert.deepEqual(plainOf('plain-secret'), ['plain+secret']);
  assert.deepEqual(plainOf('a%41b\\u0063defgh&amp;'), ['a%41b\\u0063defgh&amp;', 'aabcdefgh&']);
  assert.deepEqual(plainOf('abcdefg\\n%41%42'), ['abcdefg\\n%41%42', 'abcdefg\\nab', 'abcdefgab']);
  assert.deepEqual(plainOf('%41%42%43%44'), ['%41%42%43%44']);
});
