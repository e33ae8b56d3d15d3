// What a secret looks like in an answer: as it is, and in base64 and hexadecimal digits. Escapes are undone in the text, not
// spelled out here. A run of RUN characters of the secret counts, in each form.
import { SECRET_CHARS_MIN } from '#kernel/limits.ts';
import { foldText } from './alphabet.ts';
import { Unescaper } from './unescape.ts';
import type { Pattern } from './windows.ts';

/** corpus, secret rule: a run of 12 or more characters counts. */
const RUN = 12;
/** Characters of base64 that twelve bytes fix at any shift, and digits that they are. */
const BASE64_RUN = 15;
const HEX_RUN = 24;
const BITS_PER_SIGN = 6;
const BITS_PER_BYTE = 8;

export function patternsOf(text: string, owner: number): readonly Pattern[] {
  const plain = [foldText(text), unescaped(text, false), unescaped(text, true)].filter(
    (form, index, all) => form.length >= SECRET_CHARS_MIN && all.indexOf(form) === index,
  );
  const hex = Buffer.from(text, 'latin1').toString('hex');
  return [
    ...plain.map((form) => ({ text: form, window: Math.min(RUN, form.length), step: 1, owner })),
    ...[0, 1, 2].map((shift) => {
      const signs = foldText(base64At(text, shift));
      return { text: signs, window: Math.min(BASE64_RUN, signs.length), step: 1, owner };
    }),
    { text: hex, window: Math.min(HEX_RUN, hex.length), step: 2, owner },
  ];
}

/** The signs of base64 that the secret alone decides, `shift` bytes after the beginning of a group. */
function base64At(text: string, shift: number): string {
  const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(text, 'latin1')]);
  const first = Math.ceil((shift * BITS_PER_BYTE) / BITS_PER_SIGN);
  const last = Math.floor((bytes.length * BITS_PER_BYTE) / BITS_PER_SIGN);
  return bytes.toString('base64').slice(first, last);
}

/** The secret as the search sees it where it holds what looks like an escape. */
function unescaped(text: string, lines: boolean): string {
  const bytes = Buffer.from(text, 'latin1');
  const unescaper = new Unescaper(bytes.length);
  unescaper.read({ bytes, from: 0, to: bytes.length, lines });
  return Buffer.from(unescaper.text.subarray(0, unescaper.length)).toString('latin1');
}
