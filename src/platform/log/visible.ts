// Characters that a terminal obeys or that turn text around are written as escapes. Inside JSON they stand in strings
// only, where the escape means the same, so that a line stays the JSON it was.

/** Controls but the line feed that ends a line; C1 controls, zero-width and bidirectional marks, line separators. */
const OBEYED =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const HEX = 16;
const HEX_DIGITS = 4;

export const visible = (text: string): string =>
  text.replace(OBEYED, (found) => `\\u${found.charCodeAt(0).toString(HEX).padStart(HEX_DIGITS, '0')}`);
