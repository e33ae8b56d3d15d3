// What came from elsewhere must not steer the terminal or show itself in another order: control, bidi and invisible
// characters are written as escapes (security.md 4.10).
import { HOSTILE } from '#kernel/hostile-text.ts';

/** For people: one line, `\u{202e}` in place of what must not be shown. */
export const printable = (text: string): string =>
  text.replace(HOSTILE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);

/** For programs: JSON text with the same value, the hostile characters inside its strings as JSON escapes. */
export const printableJson = (json: string): string =>
  json.replace(HOSTILE, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join(''),
  );
