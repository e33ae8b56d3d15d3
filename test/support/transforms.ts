// What a service may make of a credential before it shows it: the transforms that the corpus names, and their kin. And the
// other way: every reading of a text in which a piece of the credential could be found.
type Transform = (secret: string) => string | Buffer;

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const each = (text: string, change: (byte: number) => string): string =>
  [...bytes(text)].map(change).join('');
const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
const everyOther = (text: string, change: (byte: number) => string): string =>
  [...bytes(text)].map((byte, at) => (at % 2 === 0 ? String.fromCharCode(byte) : change(byte))).join('');
const unicode = (byte: number): string => `\\u00${hex(byte)}`;
const percent = (byte: number): string => `%${hex(byte)}`;
const base64 = (text: string): string => bytes(text).toString('base64');
const wrapped = (text: string, width: number, end: string): string =>
  text.replace(new RegExp(`.{${width}}`, 'g'), (line) => line + end);
const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le');
const shifted = (text: string, by: string): string =>
  text.replace(/[a-zA-Z]/g, (char) => {
    const from = char < 'a' ? 65 : 97;
    return String.fromCharCode(((char.charCodeAt(0) - from + Number(by)) % 26) + from);
  });

/** Found by the scrub. */
export const FOUND: Readonly<Record<string, Transform>> = {
  raw: (text) => text,
  lower: (text) => text.toLowerCase(),
  upper: (text) => text.toUpperCase(),
  first12: (text) => text.slice(0, 12),
  first20: (text) => text.slice(0, 20),
  last12: (text) => text.slice(-12),
  base64,
  base64url: (text) => bytes(text).toString('base64url'),
  base64url_padded: (text) => base64(text).replaceAll('+', '-').replaceAll('/', '_'),
  base64_off1: (text) => base64(`x${text}`),
  base64_off2: (text) => base64(`xy${text}z`),
  base64_in_json: (text) => base64(JSON.stringify({ key: text })),
  base64_wrapped: (text) => wrapped(base64(text), 12, '\r\n'),
  base64_wrapped_in_json: (text) => wrapped(base64(text), 13, '\\n'),
  base64_slashes_escaped: (text) => base64(text).replaceAll('/', '\\/'),
  base64_percent: (text) => encodeURIComponent(base64(text)),
  basic: (text) => base64(`user:${text}`),
  hex: (text) => bytes(text).toString('hex'),
  hex_upper: (text) => bytes(text).toString('hex').toUpperCase(),
  hex_mixed: (text) =>
    bytes(text)
      .toString('hex')
      .replace(/[a-f](?=.?[0-7])/g, (char) => char.toUpperCase()),
  hex_colon: (text) => each(text, (byte) => `:${hex(byte)}`).slice(1),
  hex_colon_upper: (text) =>
    each(text, (byte) => `:${hex(byte)}`)
      .slice(1)
      .toUpperCase(),
  hex_space: (text) => each(text, (byte) => ` ${hex(byte)}`).slice(1),
  hex_dash: (text) => each(text, (byte) => `-${hex(byte)}`).slice(1),
  hex_0x: (text) => each(text, (byte) => `, 0x${hex(byte)}`).slice(2),
  hex_0x_close: (text) => each(text, (byte) => `,0x${hex(byte).toUpperCase()}`).slice(1),
  hex_fours: (text) => bytes(text).toString('hex').replace(/.{4}/g, '$& ').trim(),
  hex_escapes: (text) => each(text, (byte) => `\\x${hex(byte)}`),
  url: (text) => encodeURIComponent(text),
  url_all: (text) => each(text, percent),
  url_all_upper: (text) => each(text, (byte) => `%${hex(byte).toUpperCase()}`),
  url_mixed: (text) => everyOther(text, percent),
  double_url: (text) => each(text, (byte) => `%25${hex(byte)}`),
  triple_url_mixed: (text) => everyOther(text, (byte) => `%2525${hex(byte)}`),
  url_of_percent: (text) => each(each(text, percent), percent),
  json_u: (text) => each(text, unicode),
  json_u_upper: (text) => each(text, (byte) => `\\u00${hex(byte).toUpperCase()}`),
  json_u_mixed: (text) => everyOther(text, unicode),
  json_u_braces: (text) => each(text, (byte) => `\\u{${hex(byte)}}`),
  json_escaped: (text) => JSON.stringify(text).slice(1, -1).replaceAll('/', '\\/'),
  json_in_json: (text) => JSON.stringify(JSON.stringify({ key: text })).slice(1, -1),
  json_u_in_json: (text) => each(text, (byte) => `\\\\u00${hex(byte)}`),
  json_u_twice_in_json: (text) => each(text, (byte) => `\\\\\\\\u00${hex(byte)}`),
  yaml_escape: (text) => each(text, (byte) => `\\x${hex(byte)}`),
  yaml_escape_mixed: (text) => everyOther(text, (byte) => `\\x${hex(byte).toUpperCase()}`),
  yaml_long: (text) => each(text, (byte) => `\\U000000${hex(byte)}`),
  html_dec: (text) => each(text, (byte) => `&#${byte};`),
  html_dec_zeros: (text) => each(text, (byte) => `&#${String(byte).padStart(5, '0')};`),
  html_hex: (text) => each(text, (byte) => `&#x${hex(byte)};`),
  html_hex_upper: (text) => each(text, (byte) => `&#X00${hex(byte).toUpperCase()};`),
  html_mixed: (text) => everyOther(text, (byte) => `&#${byte};`),
  html_twice: (text) => everyOther(text, (byte) => `&amp;#x${hex(byte)};`),
  html_named: (text) =>
    text.replace(
      /[&<>"'/]/g,
      (char) =>
        ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;', '/': '&sol;' })[char] ??
        char,
    ),
  qp: (text) => each(text, (byte) => `=${hex(byte).toUpperCase()}`),
  qp_lower: (text) => each(text, (byte) => `=${hex(byte)}`),
  qp_mixed: (text) => everyOther(text, (byte) => `=${hex(byte).toUpperCase()}`),
  qp_soft: (text) => wrapped(text.replaceAll('=', '=3D'), 7, '=\r\n'),
  qp_soft_unix: (text) => wrapped(text.replaceAll('=', '=3D'), 9, '=\n'),
  qp_soft_in_json: (text) => wrapped(text.replaceAll('=', '=3D'), 6, '=\\r\\n'),
  utf16le: utf16,
  utf16be: (text) => utf16(text).swap16(),
  form: (text) => encodeURIComponent(text).replaceAll('%20', '+'),
};

/** README says that these pass: only a service that wants to can do so, and the list of hosts is the defence. */
export const LIMITS: Readonly<Record<string, Transform>> = {
  reverse: (text) => [...text].reverse().join(''),
  rot13: (text) => shifted(text, '13'),
  char_array: (text) => JSON.stringify([...text]),
  fullwidth: (text) => [...text].map((char) => String.fromCodePoint(char.charCodeAt(0) + 0xfee0)).join(''),
  zero_width: (text) => [...text].join('\u200b'),
  base32: (text) => base32(bytes(text)),
};

function base32(given: Buffer): string {
  const bits = [...given].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? [])
    .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five.padEnd(5, '0'), 2)])
    .join('');
}

export const TRANSFORMS: Readonly<Record<string, Transform>> = { ...FOUND, ...LIMITS };

const unescapeAll = (text: string): string => {
  let before = '';
  let now = text;
  while (now !== before) {
    before = now;
    now = now
      .replace(
        /%([0-9a-f]{2})|\\u00([0-9a-f]{2})|\\x([0-9a-f]{2})|\\u\{([0-9a-f]{2})\}|\\U000000([0-9a-f]{2})/gi,
        (_whole, ...digits) =>
          String.fromCharCode(
            Number.parseInt(digits.slice(0, 5).find((one) => one !== undefined) as string, 16),
          ),
      )
      .replace(/&#0*(\d{2,3});/g, (_whole, code: string) => String.fromCharCode(Number(code)))
      .replace(/&#x0*([0-9a-f]{2});/gi, (_whole, code: string) =>
        String.fromCharCode(Number.parseInt(code, 16)),
      )
      .replace(
        /&(amp|lt|gt|quot|apos|sol);/g,
        (_whole, name: string) =>
          ({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", sol: '/' })[name] ?? '',
      )
      .replace(/\\(["\\/])/g, '$1');
  }
  return now;
};

/** Texts that somebody who wants the credential would look at. */
function readings(output: Buffer): readonly string[] {
  const plain = output.toString('latin1');
  const narrow = plain.replaceAll('\0', '');
  const joined = plain.replace(/=?(?:\r|\\r)?(?:\n|\\n)/g, '');
  const quoted = joined.replace(/=([0-9A-F]{2})/gi, (_whole, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  const texts = [plain, narrow, joined, quoted, unescapeAll(narrow)];
  const digits = texts.map((text) => text.replace(/0x|\\x|[\s:,-]/gi, ''));
  return [...texts, ...texts.flatMap(fromBase64), ...digits.flatMap(fromHex)];
}

const fromBase64 = (text: string): readonly string[] =>
  (text.replace(/\\\//g, '/').match(/[A-Za-z0-9+/_-]{14,}/g) ?? []).flatMap((run) =>
    [0, 1, 2, 3].map((skip) => Buffer.from(run.slice(skip), 'base64').toString('latin1')),
  );
const fromHex = (text: string): readonly string[] =>
  (text.match(/[0-9a-f]{24,}/gi) ?? []).flatMap((run) =>
    [0, 1].map((skip) => Buffer.from(run.slice(skip), 'hex').toString('latin1')),
  );

/** A run of twelve characters of the secret in any reading of the output, or nothing. Never quotes it. */
export function leakOf(output: Buffer, secret: string): number | undefined {
  const all = readings(output).map((text) => text.toLowerCase());
  const low = secret.toLowerCase();
  for (let at = 0; at + 12 <= low.length; at += 1)
    if (all.some((text) => text.includes(low.slice(at, at + 12)))) return at;
  return undefined;
}
