// What came from elsewhere must not steer the terminal or show itself in another order: control, bidi and invisible
// characters are written as escapes (security.md 4.10).

/** C0 and C1 controls, soft hyphen, bidi marks and overrides, zero-width and line separators, tags, lone surrogates. */
const HOSTILE =
  /[\p{Cc}\p{Cs}\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

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
