// Hexadecimal digits in groups, read as one row: what is a group, what parts two rows, and where each digit stood.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HexGroups } from '#pipeline/redaction/hex-groups.ts';

const shown = (groups: HexGroups): string =>
  Buffer.from(groups.text.subarray(0, groups.length)).toString('latin1').replaceAll('\0', '.');

function rows(text: string): readonly string[] {
  const bytes = Buffer.from(text, 'latin1');
  const groups = new HexGroups(bytes.length);
  const found: string[] = [];
  groups.rows(bytes, () => found.push(shown(groups)));
  return found;
}

function tail(text: string): { readonly text: string; readonly first: readonly number[] } {
  const bytes = Buffer.from(text, 'latin1');
  const groups = new HexGroups(bytes.length);
  groups.tail(bytes);
  return { text: shown(groups), first: [...groups.first.subarray(0, groups.length)] };
}

const digits = (count: number): string =>
  Array.from({ length: count }, (_, at) => (0x41 + at).toString(16)).join('');
const pairs = (count: number, separator: string, before = ''): string =>
  Array.from({ length: count }, (_, at) => before + (0x41 + at).toString(16)).join(separator);

describe('a row of groups', () => {
  for (const separator of [' ', ':', '-', ',', '.', '_', ';', '|', ', ', ' : ', ' :, '])
    it(`of pairs with '${separator}' between them is one row of digits`, () => {
      assert.deepEqual(rows(`(${pairs(24, separator)})`), [digits(24)]);
      assert.deepEqual(rows(`${'('.repeat(40)}${pairs(24, separator)}`), [digits(24)]);
    });

  it('may have 0x before each pair, in either case, and digits of either case', () => {
    assert.deepEqual(rows(pairs(24, ', ', '0x')), [digits(24)]);
    assert.deepEqual(rows(pairs(24, ',', '0X').toUpperCase()), [digits(24)]);
  });

  it('may be of four or eight digits', () => {
    const text = digits(24);
    assert.deepEqual(rows(text.replace(/.{4}/g, '$& ').trim()), [text]);
    assert.deepEqual(rows(`41 42 43 44 45 46 ${text.replace(/.{8}/g, '$& ').trim()}`), [
      `414243444546${text}`,
    ]);
  });

  it('is parted by a group of another size and by too many separators', () => {
    const six = '41:42:43:44:45:46';
    assert.deepEqual(rows(`${six}:474:${six}`), ['414243444546.414243444546']);
    assert.deepEqual(rows(`${six}:4:${six}`), ['414243444546.414243444546']);
    assert.deepEqual(rows(`${six}:123456:${six}`), ['414243444546.414243444546']);
    assert.deepEqual(rows(`${six}::::${six}`), ['414243444546414243444546']);
    assert.deepEqual(rows(`${six}:::::${six}`), ['414243444546.414243444546']);
    assert.deepEqual(rows(`${six}x:${six}`), ['414243444546414243444546']);
  });

  it('is one of several, each by itself', () => {
    const row = pairs(12, ':');
    assert.deepEqual(
      rows(`${row} and more (${row})`).map((found) => found.replaceAll('.', '')),
      [digits(12), digits(12)],
    );
  });

  it('is none where digits are not in groups, or where there are none', () => {
    for (const text of [
      '',
      'plain text that goes on and on and on',
      digits(40),
      '1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7',
      ': : : : : : : : : : : : : : : :',
    ])
      assert.deepEqual(rows(text), [], text);
  });
});

describe('the end of a text', () => {
  it('may be the beginning of a row, each digit with its place', () => {
    assert.deepEqual(tail('(41:42'), { text: '4142', first: [1, 2, 4, 5] });
    assert.deepEqual(tail('g!0x41, 0x42'), { text: '4142', first: [4, 5, 10, 11] });
    assert.deepEqual(tail('(41:4').text, '414');
    assert.deepEqual(tail('(41:').text, '41');
    assert.deepEqual(tail('41 424').text, '41424');
  });

  it('is none without a digit, or with digits that nothing divides', () => {
    for (const text of ['', 'x!', '(', '4142', '!41424', 'hello!']) assert.equal(tail(text).text, '', text);
  });

  it('is looked at no further back than a row of twelve pairs is long', () => {
    const long = pairs(60, ':');
    assert.equal(tail(long).first[0], long.length - 80 + (tail(long).text.startsWith('.') ? 1 : 0));
  });
});
