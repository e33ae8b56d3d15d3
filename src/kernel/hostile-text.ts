// Characters that no plain line of text has: they steer a terminal, hide, or show what stands beside them in another order.

/** C0 and C1 controls, soft hyphen, bidi marks and overrides, zero-width and line separators, tags, lone surrogates. */
export const HOSTILE =
  /[\p{Cc}\p{Cs}\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

export const isPlainLine = (text: string): boolean => text.search(HOSTILE) < 0;
