// The alphabet of the search, byte by byte: what meets what, what begins an escape, and which digits make a character.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  FOLD,
  foldOf,
  foldText,
  HEX,
  isPrintable,
  printableOf,
  SPECIAL,
} from '#pipeline/redaction/alphabet.ts';

const bytes = Array.from({ length: 256 }, (_, byte) => byte);
const code = (char: string): number => char.charCodeAt(0);

it('a letter meets its other case, and the two alphabets of base64 and a blank in a form meet', () => {
  assert.equal(foldText('AbC-xyz_1 2+3/4~!'), 'abc+xyz/1+2+3/4~!');
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    const printable = byte >= 0x20 && byte <= 0x7e;
    const met = { '-': '+', ' ': '+', _: '/' }[char] ?? char.toLowerCase();
    assert.equal(foldOf(byte), printable ? code(met) : 0, String(byte));
    assert.equal(isPrintable(byte), printable, String(byte));
  }
});

it('what may begin an escape, end a line or widen a text is marked', () => {
  for (const byte of bytes)
    assert.equal(
      (FOLD[byte] as number) & SPECIAL,
      '\\%&=\0\n\r'.includes(String.fromCharCode(byte)) ? SPECIAL : 0,
      String(byte),
    );
});

it('a digit has a value in either case, and nothing else has one', () => {
  for (const byte of bytes) {
    const at = '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase());
    assert.equal(HEX[byte], at, String(byte));
  }
});

it('two digits make a character where it is printable', () => {
  for (const byte of bytes) {
    const [high, low] = byte.toString(16).padStart(2, '0') as unknown as readonly [string, string];
    assert.equal(printableOf(code(high), code(low)), isPrintable(byte) ? byte : -1, String(byte));
  }
  for (const [high, low] of ['6g', 'g6', 'gg', '6 ', ' 6'] as unknown as readonly (readonly [
    string,
    string,
  ])[])
    assert.equal(printableOf(code(high), code(low)), -1);
});
