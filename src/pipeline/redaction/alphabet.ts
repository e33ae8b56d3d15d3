// The alphabet that secrets are searched in. Letters lose their case, and `-`, `_`, `+` and blank meet `+` and `/`, so that
// one pattern stands for lower and upper case, for both alphabets of base64, and for a blank in a form.

const BYTES = 256;
export const BACKSLASH = 0x5c;
export const PERCENT = 0x25;
export const AMPERSAND = 0x26;
export const EQUALS = 0x3d;
export const SEMICOLON = 0x3b;
export const HASH = 0x23;
export const LINE_FEED = 0x0a;
export const CARRIAGE_RETURN = 0x0d;
export const BLANK = 0x20;
export const TAB = 0x09;
export const ZERO = 0x30;
export const LOWER_N = 0x6e;
export const LOWER_R = 0x72;
export const LOWER_U = 0x75;
export const UPPER_U = 0x55;
export const LOWER_X = 0x78;
export const OPENING = 0x7b;
export const CLOSING = 0x7d;
const TILDE = 0x7e;

/** What no secret holds; it parts texts that are no neighbours. */
export const NEVER = 0;
/** Set beside the folded byte where it may begin an escape. */
export const SPECIAL = 0x80;

export const isPrintable = (byte: number): boolean => byte >= BLANK && byte <= TILDE;

const MET: Readonly<Record<string, string>> = { '-': '+', ' ': '+', _: '/' };

/** Of a byte: its folded form, with SPECIAL where it may begin an escape. */
export const FOLD = Uint8Array.from({ length: BYTES }, (_, byte) => {
  const char = String.fromCharCode(byte);
  const folded = isPrintable(byte) ? (MET[char] ?? char.toLowerCase()).charCodeAt(0) : NEVER;
  return '\\%&=\0\n\r'.includes(char) ? folded | SPECIAL : folded;
});

export const foldOf = (byte: number): number => (FOLD[byte] as number) & ~SPECIAL;

/** The secrets are printable ASCII, so a character is a byte. */
export const foldText = (text: string): string =>
  Buffer.from(Buffer.from(text, 'latin1').map(foldOf)).toString('latin1');

/** Value of a hexadecimal digit, else -1. */
export const HEX = Int8Array.from({ length: BYTES }, (_, byte) => {
  const char = String.fromCharCode(byte);
  return /[0-9a-fA-F]/.test(char) ? Number.parseInt(char, 16) : -1;
});

/** The byte of two digits where it is printable, else -1. */
export function printableOf(high: number, low: number): number {
  const first = HEX[high] as number;
  const second = HEX[low] as number;
  const byte = first * 16 + second;
  return first < 2 || second < 0 || byte > TILDE ? -1 : byte;
}
