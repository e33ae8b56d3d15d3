// Escapes undone one by one: what each stands for, how far layers go, which bytes a character came from, and what of a
// text that ends in the middle may still become an escape.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isNamedStart, Unescaper } from '#pipeline/redaction/unescape.ts';

function read(given: string | Buffer, { lines = false, from = 0 } = {}) {
  const bytes = Buffer.isBuffer(given) ? given : Buffer.from(given, 'latin1');
  const unescaper = new Unescaper(bytes.length);
  unescaper.read({ bytes, from, to: bytes.length, lines });
  const { length } = unescaper;
  // Folded, where NEVER shows as a dot: no case of ours has one in its text.
  const text = Buffer.from(unescaper.text.subarray(0, length)).toString('latin1').replaceAll('\0', '.');
  const spans = Array.from({ length }, (_, at) => [unescaper.first[at], unescaper.end[at]]);
  return { text, spans, ended: unescaper.ended, pending: unescaper.pending() };
}
const plain = (text: string): string => read(text).text;
const joined = (text: string): string => read(text, { lines: true }).text;

describe('an escape', () => {
  for (const [sign, text] of [
    ['%67', 'g'],
    ['%4A', 'j'],
    ['%4a', 'j'],
    ['%7e', '~'],
    ['%20', '+'],
    ['\\x67', 'g'],
    ['\\u0067', 'g'],
    ['\\u{67}', 'g'],
    ['\\u{0067}', 'g'],
    ['\\u{7E}', '~'],
    ['\\U00000067', 'g'],
    ['\\"', '"'],
    ["\\'", "'"],
    ['\\/', '/'],
    ['&amp;', '&'],
    ['&lt;', '<'],
    ['&gt;', '>'],
    ['&quot;', '"'],
    ['&apos;', "'"],
    ['&lowbar;', '/'],
    ['&sol;', '/'],
    ['&plus;', '+'],
    ['&equals;', '='],
    ['&#103;', 'g'],
    ['&#00103;', 'g'],
    ['&#x67;', 'g'],
    ['&#X0067;', 'g'],
    ['&#32;', '+'],
    ['&#126;', '~'],
  ] as const)
    it(`${sign} is undone to ${text}, also among letters and after each other`, () => {
      assert.equal(plain(sign), text);
      assert.equal(plain(`a${sign}b`), `a${text}b`);
      assert.equal(plain(`${sign}${sign}`), `${text}${text}`);
      assert.equal(plain(`!@#$()!@#$()!${sign}!`), `!@#$()!@#$()!${text}!`);
    });

  for (const sign of [
    '%6',
    '%6g',
    '%g6',
    '%1f',
    '%7f',
    '%80',
    '%00',
    '\\x6g',
    '\\x1f',
    'x67',
    '\\u067',
    'u0067',
    '\\u1067',
    '\\u0167',
    '\\u{6}',
    '\\u{167}',
    '\\u{80}',
    '\\u{1f}',
    'u{67}',
    '\\u{g7}',
    '\\u0000067',
    '\\U00100067',
    '\\U01000067',
    'U00000067',
    '&amp',
    'amp;',
    '&ampx;',
    '&nbsp;',
    '&Amp;',
    '&;',
    '&#;',
    '&#31;',
    '&#127;',
    '&#x;',
    '&#xg7;',
    '&#x7f;',
    '&#a;',
    '&67;',
    '&#000000000103;',
    '\\a',
    '\\n',
    '=67',
  ])
    it(`${sign} is none`, () => {
      assert.equal(plain(sign), sign.toLowerCase());
    });

  it('stands inside others, layer by layer', () => {
    for (const text of [
      '%2567',
      '%252567',
      '%25%36%37',
      '\\u002567',
      '\\\\u0067',
      '\\\\\\\\u0067',
      '&amp;#103;',
      '&#38;#x67;',
      '&amp;amp;#103;',
      '%26%23103%3b',
      '\\x5cx67',
      '%5cu0067',
      '\\u005cu0067',
      '&#92;x67',
    ])
      assert.equal(plain(text), 'g', text);
  });

  it('keeps the bytes that its character came from, from the first to behind the last', () => {
    assert.deepEqual(read('a%67b').spans, [
      [0, 1],
      [1, 4],
      [4, 5],
    ]);
    assert.deepEqual(read('a\\u0067b').spans, [
      [0, 1],
      [1, 7],
      [7, 8],
    ]);
    assert.deepEqual(read('%2567!').spans, [
      [0, 5],
      [5, 6],
    ]);
    assert.deepEqual(read('!&#103;').spans, [
      [0, 1],
      [1, 7],
    ]);
    assert.deepEqual(read('xx%67', { from: 2 }).spans, [[2, 5]]);
  });
});

describe('a byte that is no character', () => {
  it('parts what is beside it, unless it makes characters wide', () => {
    assert.equal(plain('a\u0080b'), 'a.b');
    assert.equal(plain('a\u0007b\u007fc'), 'a.b.c');
    assert.equal(plain('a\nb'), 'a.b');
    assert.equal(plain('a\tb'), 'a.b');
    assert.equal(read(Buffer.from('g%67', 'utf16le')).text, 'gg');
    assert.equal(plain('g\0\0\0h\0\0\0'), 'gh');
    assert.equal(plain('g\0\0\0\0h'), 'g.h');
    assert.equal(plain('g\0\0\0\0\0h'), 'g..h');
    assert.equal(plain('g\0\0\0h\0i'), 'ghi');
    assert.equal(plain('g\0\0\u0080\0\0h'), 'g.h');
  });
});

describe('lines that are joined', () => {
  it('are joined with their indent, at one end and not at an empty line', () => {
    assert.equal(joined('ab\ncd'), 'abcd');
    assert.equal(joined('ab\r\n \t cd'), 'abcd');
    assert.equal(joined('ab\rcd'), 'abcd');
    assert.equal(joined('ab\n\ncd'), 'ab.cd');
    assert.equal(joined('ab\r\n\r\ncd'), 'ab.cd');
    assert.equal(joined('a b'), 'a+b');
    assert.equal(joined('ab\\ncd'), 'abcd');
    assert.equal(joined('ab\\r\\ncd'), 'abcd');
    assert.equal(joined('ab\\n\\ncd'), 'ab.cd');
    assert.equal(joined('ab\\\\ncd'), 'abcd');
  });

  it('are quoted-printable, too', () => {
    assert.equal(joined('a=67b'), 'agb');
    assert.equal(joined('a=4Ab'), 'ajb');
    assert.equal(joined('ab=\r\ncd'), 'abcd');
    assert.equal(joined('ab=\ncd=\nef'), 'abcdef');
    assert.equal(joined('a=7fb'), 'a=7fb');
  });

  it('end with an end that is hard or soft, or with none', () => {
    const ended = (text: string): string => read(text, { lines: true }).ended;
    assert.equal(ended('ab'), 'no');
    assert.equal(ended('ab\n'), 'hard');
    assert.equal(ended('ab\r\n'), 'hard');
    assert.equal(ended('ab\n  '), 'hard');
    assert.equal(ended('ab=\r\n'), 'soft');
    assert.equal(ended('ab\\n'), 'hard');
    assert.equal(ended('ab\nc'), 'no');
    assert.equal(ended('ab\n\n'), 'no');
    assert.equal(read('ab\n').ended, 'no');
    assert.equal(ended('ab\n\\'), 'no');
    assert.equal(ended('ab\n\\n'), 'no');
  });
});

describe('a text that ends in an escape', () => {
  for (const [text, at] of [
    ['ab\\', 2],
    ['ab\\u', 2],
    ['ab\\u00', 2],
    ['ab\\u006', 2],
    ['ab\\u{', 2],
    ['ab\\u{000067', 2],
    ['ab\\U', 2],
    ['ab\\U0000006', 2],
    ['ab\\x', 2],
    ['ab\\x6', 2],
    ['ab%', 2],
    ['ab%6', 2],
    ['ab&', 2],
    ['ab&am', 2],
    ['ab&#', 2],
    ['ab&#10', 2],
    ['ab&#x6', 2],
    ['abcdefghijklmnop%', 16],
  ] as const)
    it(`${text} waits from there on`, () => assert.equal(read(text).pending, at));

  it('waits for a digit behind an equals sign where lines are joined', () => {
    assert.equal(read('ab=', { lines: true }).pending, 2);
    assert.equal(read('ab=6', { lines: true }).pending, 2);
    assert.equal(read('ab=').pending, -1);
  });

  it('does not wait where nothing can become one', () => {
    for (const text of [
      '',
      'ab',
      'ab%g',
      'ab%67',
      'ab\\q',
      'ab\\x6g',
      'ab&abcdefgh',
      'ab&#10;',
      'ab&-',
      'ab\\u00g',
      'ab&#123456789',
    ])
      assert.equal(read(text).pending, -1, text);
  });
});

it('a named entity begins with the first letter of one', () => {
  for (const letter of 'algqpse') assert.equal(isNamedStart(letter.charCodeAt(0)), true, letter);
  for (const letter of 'bxA#;') assert.equal(isNamedStart(letter.charCodeAt(0)), false, letter);
});
